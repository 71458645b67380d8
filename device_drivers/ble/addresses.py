"""Names of Bluetooth devices: hardware addresses in every spelling, and device ids made of them."""

from __future__ import annotations

import re
from typing import Any

MAX_ID = 64
_MAC = re.compile(r"(?:[0-9A-Fa-f]{2}([:-]?))(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}")
_HEX = re.compile(rb"\s*(?:0[xX])?[0-9A-Fa-f]{2}(?:[\s:-]?[0-9A-Fa-f]{2})*\s*")


def mac(text: Any) -> str | None:
    """The address as twelve upper-case digits, from "c3:00:00:7b:57:3c" and the like; None for anything else."""
    if not isinstance(text, str) or not _MAC.fullmatch(text):
        return None
    return re.sub(r"[:-]", "", text).upper()


def device_id(name: str) -> str | None:
    """The device id of a name: an address in one spelling, any other printable name as it is; None for no name."""
    good = 0 < len(name) <= MAX_ID and name.isprintable()
    return (mac(name) or name) if good else None


def hex_bytes(payload: bytes) -> bytes | None:
    """The bytes that a payload of hexadecimal digits means; None where it is not one."""
    if not _HEX.fullmatch(payload):
        return None
    return bytes.fromhex(re.sub(r"[\s:-]", "", payload.decode().strip()).removeprefix("0x").removeprefix("0X"))
