"""Bluetooth advertisements: their structures, and which service's or maker's data they carry.

Source: Bluetooth Core Specification, volume 3 part C chapter 11; Assigned Numbers, common data types.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from device_drivers.json_payload import PayloadError

MAX_ADVERT = 255
"""Bytes of an extended advertisement in one piece; a classic one has 31, with its scan response 62."""
FLAGS, UUIDS16, NAMES, SERVICE16, SERVICE128, MAKER = 0x01, (0x02, 0x03), (0x08, 0x09), 0x16, 0x21, 0xFF
KNOWN_TYPES = frozenset({*range(0x01, 0x32), 0x3D, MAKER})
_BASE_UUID = "-0000-1000-8000-00805F9B34FB"


@dataclass(slots=True)
class Advert:
    """What one advertisement carries. services: data by UUID ("FCD2", or all 36 characters); maker: with company id."""

    services: list[tuple[str, bytes]] = field(default_factory=list)
    maker: list[bytes] = field(default_factory=list)
    name: str | None = None


def parse(raw: bytes) -> Advert:
    """The advertisement in `raw`. Raises PayloadError "advert" for bytes that are none."""
    found = Advert()
    for kind, data in structures(raw):
        if kind == SERVICE16 and len(data) >= 2:
            found.services.append((data[1::-1].hex().upper(), data[2:]))
        elif kind == SERVICE128 and len(data) >= 16:
            found.services.append((short_uuid(data[15::-1].hex()), data[16:]))
        elif kind == MAKER:
            found.maker.append(data)
        elif kind in NAMES:
            found.name = data.rstrip(b"\0").decode("utf-8", "replace")
    return found


def structures(raw: bytes) -> list[tuple[int, bytes]]:
    """(type, data) of each structure; zeros at the end are padding. Raises PayloadError "advert"."""
    found, at = [], 0
    if not 0 < len(raw) <= MAX_ADVERT:
        raise PayloadError("advert", f"{len(raw)} bytes")
    while at < len(raw) and raw[at]:
        end = at + 1 + raw[at]
        if end > len(raw):
            raise PayloadError("advert", f"structure at byte {at} ends behind the last byte")
        found.append((raw[at + 1], raw[at + 2 : end]))
        at = end
    if any(raw[at:]):
        raise PayloadError("advert", f"bytes behind the end at byte {at}")
    return found


def is_whole(raw: bytes) -> bool:
    """Whether the bytes are a whole advertisement, of known structures only."""
    try:
        found = structures(raw)
    except PayloadError:
        return False
    return bool(found) and all(kind in KNOWN_TYPES for kind, _ in found)


def build(*parts: tuple[int, bytes]) -> bytes:
    """The advertisement of these structures."""
    return b"".join(bytes([len(data) + 1, kind]) + data for kind, data in parts)


def service(uuid: str, data: bytes) -> tuple[int, bytes]:
    """The structure of a service's data; `uuid` has four digits."""
    return SERVICE16, bytes.fromhex(uuid)[::-1] + data


def short_uuid(text: str) -> str:
    """Four digits for UUIDs of the Bluetooth SIG ("0xfcd2", whole ones), upper case; others with their dashes."""
    plain = text.lower().removeprefix("0x").replace("-", "").upper()
    if len(plain) != 32:
        return plain
    dashed = "-".join((plain[:8], plain[8:12], plain[12:16], plain[16:20], plain[20:]))
    return plain[4:8] if plain.startswith("0000") and dashed[8:] == _BASE_UUID else dashed
