"""What network servers wrap around a LoRaWAN payload, both ways: ChirpStack v4 (and v3) and The Things Stack v3.

Sources: the servers' own documentation. Both leave out fields that are 0, false or empty: a missing counter is 0.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from device_drivers.json_payload import PayloadError, iso_ns, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_PAYLOAD = 256
"""LoRaWAN carries at most 242 bytes."""
_EUI = re.compile(r"[0-9a-fA-F]{16}\Z")
_NAME = re.compile(r"[\w.:@ -]{1,100}\Z")


@dataclass(frozen=True, slots=True)
class Uplink:
    """One uplink, whichever server it came through.

    device_id: the device EUI in lower case (The Things Stack: its device id where it has no EUI). time_ns: when the
    server had it. names: texts that may name the model. address: the device's address, new after each join.
    rssi: of the gateway that heard it best, in dBm.
    """

    device_id: str
    data: bytes
    port: int
    counter: int
    time_ns: int | None = None
    names: tuple[str, ...] = ()
    address: str = ""
    rssi: float | None = None
    decoded: Mapping[str, Any] | None = None
    simulated: bool = False


def chirpstack_uplink(said: Mapping[str, Any], topic_eui: str) -> Uplink:
    """From ChirpStack's JSON. Raises PayloadError."""
    info = _mapping(said, "deviceInfo") if "devEUI" not in said else said
    tags = _mapping(info, "tags")
    names = (*map(str, tags.values()), *(str(info.get(n, "")) for n in ("deviceProfileName", "deviceName")))
    received = said.get("rxInfo") if isinstance(said.get("rxInfo"), list) else []
    first = received[0] if received and isinstance(received[0], dict) else {}
    return Uplink(
        device_id=_chirpstack_eui(said, info, topic_eui),
        data=_bytes(said.get("data")),
        port=_integer(said, "fPort", 255),
        counter=_integer(said, "fCnt", 0xFFFFFFFF),
        time_ns=iso_ns(said.get("time") or said.get("publishedAt") or first.get("time")),
        names=names,
        address=str(said.get("devAddr", ""))[:16],
        rssi=_best_rssi(received or []),
        decoded=said.get("object") if isinstance(said.get("object"), dict) else None,
    )


def _chirpstack_eui(said: Mapping[str, Any], info: Mapping[str, Any], topic_eui: str) -> str:
    """v4 gives hexadecimal text, v3 base64."""
    given = info.get("devEui", said.get("devEUI"))
    if isinstance(given, str) and len(given) == 12:
        given = _bytes(given).hex()
    return eui(topic_eui if given is None else given)


def things_uplink(said: Mapping[str, Any], topic_device: str) -> Uplink:
    """From The Things Stack's JSON. Raises PayloadError."""
    ids = _mapping(said, "end_device_ids")
    up = _mapping(said, "uplink_message")
    version = _mapping(up, "version_ids")
    received = up.get("rx_metadata")
    return Uplink(
        device_id=things_device(ids, topic_device),
        data=_bytes(up.get("frm_payload")),
        port=_integer(up, "f_port", 255),
        counter=_integer(up, "f_cnt", 0xFFFFFFFF),
        time_ns=iso_ns(up.get("received_at") or said.get("received_at")),
        names=(str(version.get("model_id", "")), str(ids.get("device_id", topic_device))),
        address=str(ids.get("dev_addr", ""))[:16],
        rssi=_best_rssi(received if isinstance(received, list) else []),
        decoded=up.get("decoded_payload") if isinstance(up.get("decoded_payload"), dict) else None,
        simulated=said.get("simulated") is True,
    )


def things_device(ids: Mapping[str, Any], topic_device: str) -> str:
    """The device's EUI in lower case, else its id. Raises PayloadError."""
    if "dev_eui" in ids:
        return eui(ids["dev_eui"])
    name = str(ids.get("device_id", topic_device))
    if not _NAME.match(name):
        raise PayloadError("type", f"device_id is {name[:80]!r}")
    return name


def eui(value: Any) -> str:
    """A device EUI in lower case. Raises PayloadError."""
    if not isinstance(value, str) or not _EUI.match(value):
        raise PayloadError("type", f"{str(value)[:80]!r} is no device EUI of 16 hexadecimal digits")
    return value.lower()


def chirpstack_message(uplink: Uplink, application: str, time: str | None, rssi: Iterable[int] = ()) -> dict[str, Any]:
    """What ChirpStack v4 publishes; zeros are left out as it does. time: ISO 8601."""
    tags = {"model": uplink.names[0]} if uplink.names else {}
    said: dict[str, Any] = {
        "deduplicationId": f"{uplink.device_id}-{uplink.counter}",
        "time": time,
        "deviceInfo": {
            "applicationId": application,
            "deviceProfileName": "LoRaWAN",
            "deviceName": uplink.device_id,
            "devEui": uplink.device_id,
            "tags": tags,
        },
        "devAddr": uplink.address,
        "fCnt": uplink.counter,
        "fPort": uplink.port,
        "data": base64.b64encode(uplink.data).decode(),
        "rxInfo": [{"gatewayId": f"{n:016x}", "rssi": value, "snr": 5.0} for n, value in enumerate(rssi, 1)],
    }
    return {name: value for name, value in said.items() if value}


def things_message(uplink: Uplink, application: str, time: str | None, rssi: Iterable[int] = ()) -> dict[str, Any]:
    """What The Things Stack v3 publishes; zeros are left out as it does. time: ISO 8601."""
    up: dict[str, Any] = {
        "f_port": uplink.port,
        "f_cnt": uplink.counter,
        "frm_payload": base64.b64encode(uplink.data).decode(),
        "rx_metadata": [{"gateway_ids": {"gateway_id": f"gw-{n}"}, "rssi": value} for n, value in enumerate(rssi, 1)],
        "version_ids": {"model_id": uplink.names[0].lower()} if uplink.names else None,
        "received_at": time,
    }
    ids = {
        "device_id": f"eui-{uplink.device_id}",
        "application_ids": {"application_id": application},
        "dev_eui": uplink.device_id.upper(),
        "dev_addr": uplink.address,
    }
    return {
        "end_device_ids": {name: value for name, value in ids.items() if value},
        "received_at": time,
        "uplink_message": {name: value for name, value in up.items() if value},
    }


def _mapping(tree: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = tree.get(name, {})
    if not isinstance(found, dict):
        raise PayloadError("type", f"{name} is no object")
    return found


def _integer(tree: Mapping[str, Any], name: str, limit: int) -> int:
    found = tree.get(name, 0)
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= limit:
        raise PayloadError("type", f"{name} is {str(found)[:80]!r}")
    return found


def _bytes(text: Any) -> bytes:
    if text is None:
        return b""
    if not isinstance(text, str) or len(text) > 2 * MAX_PAYLOAD:
        raise PayloadError("type", f"the payload is {str(text)[:80]!r}")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise PayloadError("type", f"the payload {text[:80]!r} is not base64") from error
    except ValueError as error:
        raise PayloadError("type", f"the payload is not ASCII: {error}") from error


def _best_rssi(received: list[Any]) -> float | None:
    given = [number(one.get("rssi")) for one in received if isinstance(one, dict)]
    return max((value for value in given if value is not None), default=None)
