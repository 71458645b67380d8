"""Reads what Zigbee2MQTT publishes beside plain JSON: two-state words, and `last_seen` in its styles."""

from __future__ import annotations

from typing import Any

from device_drivers.json_payload import (
    FUTURE_NS,
    MAX_DEVICE_BYTES,
    SECOND_NS,
    PayloadError,
    device_time_ns,
    number,
    parse,
    parse_object,
)
from device_drivers.json_payload import any_time_ns as last_seen_ns

__all__ = [
    "FUTURE_NS",
    "MAX_BRIDGE_BYTES",
    "MAX_DEVICE_BYTES",
    "SECOND_NS",
    "PayloadError",
    "device_time_ns",
    "last_seen_ns",
    "number",
    "online_state",
    "parse",
    "parse_object",
]

MAX_BRIDGE_BYTES = 4 * 1024 * 1024
"""`bridge/devices` of a full network with all definitions is a few hundred kilobytes."""


def online_state(payload: bytes) -> bool:
    """True for online, False for offline, from `{"state": "online"}` or the plain text of old versions.

    Raises PayloadError for anything else.
    """
    text: Any = payload.strip().decode("utf-8", "replace") if len(payload) <= 16 else ""
    if text not in ("online", "offline"):
        text = parse_object(payload).get("state")
    if text not in ("online", "offline"):
        raise PayloadError("type", "expected online or offline")
    return bool(text == "online")
