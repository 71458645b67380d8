"""What an EMFIT QS tells in the local network: its status page, and its announcement by UDP. Both ways.

The page `dvmstatus.htm` has a line `KEY=value<br>` for each value; keys may carry punctuation, an absent value is 0 or
` ---`. The announcement (UDP port 30371) is 14 bytes. Source: the vendor's description of the local interface.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

HEAD = bytes.fromhex("34 A2 D5 83")
ANNOUNCE_SIZE = 14
END = "END"
SERIAL = "SER"
_TAG = re.compile(r"<[^<>]*>")
_LINE = re.compile(r"\W*(?P<key>[A-Za-z]\w{0,15})\W*?=(?P<value>.{0,80})\Z")


@dataclass(frozen=True, slots=True)
class Announcement:
    """Who is there. serial: six hexadecimal digits; firmware and bootloader as the vendor writes them."""

    serial: str
    firmware: str
    bootloader: str


def read_announcement(data: bytes) -> Announcement:
    """The announcement in 14 bytes that begin with `HEAD`."""
    serial = data[4:7][::-1].hex()
    kind, *firmware = data[7:11]
    return Announcement(serial, f"t{kind} v{'.'.join(map(str, firmware))}", ".".join(map(str, data[11:14])))


def write_announcement(said: Announcement) -> bytes:
    """Its 14 bytes. Raises ValueError for a number that does not fit."""
    kind, _, firmware = said.firmware.removeprefix("t").partition(" v")
    versions = [int(kind), *map(int, firmware.split(".")), *map(int, said.bootloader.split("."))]
    data = HEAD + bytes.fromhex(said.serial)[::-1] + bytes(versions)
    if len(data) != ANNOUNCE_SIZE:
        raise ValueError(f"{said} is not an announcement of {ANNOUNCE_SIZE} bytes")
    return data


def read_line(raw: bytes) -> tuple[str, str] | None:
    """Key in capitals and value; None for a line that holds none (HTML around the values)."""
    match = _LINE.match(_TAG.sub("", raw.decode("ascii", "replace")).strip())
    return (match["key"].upper(), match["value"].strip(" \t,;:")) if match else None


def write_page(values: Mapping[str, str | float]) -> bytes:
    """The page with these values, in this order, and the end."""
    lines = [
        f"{key}={value:g}" if isinstance(value, int | float) else f"{key}={value}" for key, value in values.items()
    ]
    return "".join(f"{line}<br>\r\n" for line in [*lines, f"{END}="]).encode("ascii")
