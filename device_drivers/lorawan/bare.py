"""Bare payloads, as they stand in a vendor's manual: which uplinks they may be.

The hint that stands for a topic is empty, a model, a port, or model/port ("WS202", "85", "TRACKERD/7"). Without a
model: Milesight where the payload reads as such, else Dragino by port and length. Channels that several models use
differently give one uplink for each of these models, named by it.
"""

from __future__ import annotations

import re

from device_drivers.lorawan import dragino, milesight
from device_drivers.lorawan.envelope import Uplink

MODELS = (*milesight.MODELS, *dragino.MODELS)
_HINT = re.compile(rf"(?P<model>{'|'.join(MODELS)})?/?(?P<port>\d{{1,3}})?\Z", re.IGNORECASE)
_PORTS = range(2, 11)


def is_hint(topic: str) -> bool:
    """Whether this is a hint and no topic of a server."""
    return _HINT.match(topic) is not None


def bare_uplinks(payload: bytes, hint: str, device_id: str = "device") -> list[Uplink]:
    """The uplinks this payload may be; at least one."""
    match = _HINT.match(hint)
    model = (match["model"] or "").upper() if match else ""
    port = int(match["port"]) if match and match["port"] else None
    models = [model] if model else _candidates(payload, port)
    return [
        Uplink(name or device_id, payload, port or _port(name, payload), 0, names=(name,) if name else ())
        for name in models
    ]


def _candidates(payload: bytes, port: int | None) -> list[str]:
    items, end = milesight.decode_items(payload)
    if (end is None or end.reason == "length") and port in (None, milesight.PORT):
        ambiguous = any(item.row.name == "ambiguous" for item in items)
        return list(milesight.AMBIGUOUS_MODELS) if ambiguous else [""]
    ports = _PORTS if port is None else (port,)
    found = [name for name in dragino.MODELS if any(dragino.layout_of(name, one, len(payload)) for one in ports)]
    return found or [""]


def _port(model: str, payload: bytes) -> int:
    if model not in dragino.MODELS:
        return milesight.PORT
    return next((port for port in _PORTS if dragino.layout_of(model, port, len(payload))), _PORTS[0])
