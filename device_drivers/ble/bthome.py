"""BTHome v2, the open format of sensors and buttons in service data FCD2: one table for decoding and encoding.

A byte of information (bit 0 encrypted, bit 1 address included, bit 2 sends on events only, bits 5-7 version 2), then
objects: an id and a little-endian value. Source: bthome.io, format; objects and lengths as in bthome-ble 3.25 (MIT).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from device_drivers.ble.contents import Contents, Press
from device_drivers.json_payload import PayloadError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

UUID = "FCD2"
ENCRYPTED, WITH_ADDRESS, ON_EVENTS, VERSION2 = 0x01, 0x02, 0x04, 0x40
PACKET, BUTTON, DIMMER, COMMAND, TEXT, RAW = 0x00, 0x3A, 0x3C, 0x3B, 0x53, 0x54
COUNTER_BYTES, MIC_BYTES = 4, 4
KEY_BYTES = 16


class BThomeObject(NamedTuple):
    """One row: name, bytes, and the value as raw * times / per."""

    name: str
    size: int = 1
    per: int = 1
    signed: bool = False
    times: int = 1


_O = BThomeObject
OBJECTS: Mapping[int, BThomeObject] = {
    PACKET: _O("packet"),
    0x01: _O("battery"),
    0x02: _O("temperature", 2, 100, signed=True),
    0x03: _O("humidity", 2, 100),
    0x04: _O("pressure", 3, 100),
    0x05: _O("illuminance", 3, 100),
    0x06: _O("mass_kg", 2, 100),
    0x07: _O("mass_lb", 2, 100),
    0x08: _O("dew_point", 2, 100, signed=True),
    0x09: _O("count"),
    0x0A: _O("energy", 3, 1000),
    0x0B: _O("power", 3, 100),
    0x0C: _O("voltage", 2, 1000),
    0x0D: _O("pm2_5", 2),
    0x0E: _O("pm10", 2),
    0x0F: _O("generic_on"),
    0x10: _O("power_on"),
    0x11: _O("opening"),
    0x12: _O("co2", 2),
    0x13: _O("tvoc", 2),
    0x14: _O("moisture", 2, 100),
    0x15: _O("battery_low"),
    0x16: _O("charging"),
    0x17: _O("carbon_monoxide"),
    0x18: _O("cold"),
    0x19: _O("connected"),
    0x1A: _O("door"),
    0x1B: _O("garage_door"),
    0x1C: _O("gas"),
    0x1D: _O("heat"),
    0x1E: _O("light"),
    0x1F: _O("lock"),
    0x20: _O("water"),
    0x21: _O("motion"),
    0x22: _O("moving"),
    0x23: _O("occupancy"),
    0x24: _O("plug"),
    0x25: _O("presence"),
    0x26: _O("problem"),
    0x27: _O("running"),
    0x28: _O("safe"),
    0x29: _O("smoke"),
    0x2A: _O("sound"),
    0x2B: _O("tamper"),
    0x2C: _O("vibration"),
    0x2D: _O("window"),
    0x2E: _O("humidity"),
    0x2F: _O("moisture"),
    BUTTON: _O("button"),
    DIMMER: _O("dimmer", 2),
    0x3D: _O("count", 2),
    0x3E: _O("count", 4),
    0x3F: _O("rotation", 2, 10, signed=True),
    0x40: _O("distance_mm", 2),
    0x41: _O("distance_m", 2, 10),
    0x42: _O("duration", 3, 1000),
    0x43: _O("current", 2, 1000),
    0x44: _O("speed", 2, 100),
    0x45: _O("temperature", 2, 10, signed=True),
    0x46: _O("uv_index", 1, 10),
    0x47: _O("volume_l", 2, 10),
    0x48: _O("volume_ml", 2),
    0x49: _O("flow", 2, 1000),
    0x4A: _O("mains_voltage", 2, 10),
    0x4B: _O("gas_volume", 3, 1000),
    0x4C: _O("gas_volume", 4, 1000),
    0x4D: _O("energy", 4, 1000),
    0x4E: _O("volume_l", 4, 1000),
    0x4F: _O("water_volume", 4, 1000),
    0x50: _O("timestamp", 4),
    0x51: _O("acceleration", 2, 1000),
    0x52: _O("gyroscope", 2, 1000),
    0x55: _O("stored_volume", 4, 1000),
    0x56: _O("conductivity", 2),
    0x57: _O("temperature", 1, signed=True),
    0x58: _O("temperature", 1, 100, signed=True, times=35),
    0x59: _O("count", 1, signed=True),
    0x5A: _O("count", 2, signed=True),
    0x5B: _O("count", 4, signed=True),
    0x5C: _O("power", 4, 100, signed=True),
    0x5D: _O("current", 2, 1000, signed=True),
    0x5E: _O("direction", 2, 100),
    0x5F: _O("precipitation", 2, 10),
    0x60: _O("channel"),
    0x61: _O("rotational_speed", 2),
    0x62: _O("speed", 4, 1_000_000, signed=True),
    0x63: _O("acceleration", 4, 1_000_000, signed=True),
    0x64: _O("light_level"),
    0x65: _O("settings_revision"),
    0xF0: _O("device_type", 2),
    0xF1: _O("firmware", 4),
    0xF2: _O("firmware", 3),
}

READINGS: Mapping[str, tuple[str, float]] = {
    "battery": ("battery", 1),
    "temperature": ("room_temperature", 1),
    "humidity": ("humidity", 1),
    "illuminance": ("illuminance", 1),
    "voltage": ("battery_voltage", 1000),
    "distance_mm": ("distance", 0.1),
    "distance_m": ("distance", 100),
}
"""Object -> signal, and the factor into the signal's unit."""
FLAGS: Mapping[str, str] = {
    "battery_low": "battery_low",
    "charging": "charging",
    "carbon_monoxide": "carbon_monoxide",
    "gas": "gas",
    "water": "water_leak",
    "motion": "occupancy",
    "occupancy": "occupancy",
    "presence": "presence",
    "smoke": "smoke",
    "tamper": "tamper",
    "vibration": "vibration",
}
DOORS = ("opening", "door", "window")
PRESSES: Mapping[int, str] = {
    0x01: "single",
    0x02: "double",
    0x03: "triple",
    0x04: "long",
    0x05: "long_double",
    0x06: "long_triple",
    0x80: "hold",
    0x81: "release",
    0xFE: "hold",
}
"""0 is no press: of a device with several buttons, the ones that were left alone."""
SIGNALS_GIVEN = (
    "help_button",
    "button",
    "door",
    *dict.fromkeys(FLAGS.values()),
    "device_fault",
    *dict.fromkeys(signal for signal, _ in READINGS.values()),
)


@dataclass(frozen=True, slots=True)
class Sealed:
    """Encrypted service data, taken apart. nonce_tail: what follows the address in the nonce."""

    cipher: bytes
    counter: int
    nonce_tail: bytes


def is_version2(info: int) -> bool:
    """Whether the byte of information is of this version, with no unknown bits."""
    return info & ~(ENCRYPTED | WITH_ADDRESS | ON_EVENTS) == VERSION2


def address(data: bytes) -> str | None:
    """The device's address, where the data has it."""
    return data[6:0:-1].hex().upper() if data[:1] and data[0] & WITH_ADDRESS and len(data) >= 7 else None


def sealed(data: bytes) -> Sealed | None:
    """The encrypted part; None for data that is not encrypted. Raises PayloadError "bthome"."""
    body = _body(data)
    if not data[0] & ENCRYPTED:
        return None
    if len(body) <= COUNTER_BYTES + MIC_BYTES:
        raise PayloadError("bthome", "encrypted data too short")
    counter = body[-8:-4]
    tail = bytes.fromhex(UUID)[::-1] + data[:1] + counter
    return Sealed(body[:-8] + body[-4:], int.from_bytes(counter, "little"), tail)


def read(data: bytes, opened: bytes | None = None) -> Contents:
    """What service data says; `opened`: its objects, decrypted. Raises PayloadError "bthome" for a broken object.

    An unknown object ends the reading, because its length is unknown: what came before it stands.
    """
    body = _body(data) if opened is None else opened
    found = Contents(mac=address(data))
    at, buttons = 0, 0
    while at < len(body):
        kind = body[at]
        if kind in {COMMAND, TEXT, RAW}:
            at = _skip_long(body, at, kind, found)
            continue
        row = OBJECTS.get(kind)
        if row is None:
            found.also("unknown_object", body[at:].hex())
            break
        value = body[at + 1 : at + 1 + row.size]
        if len(value) < row.size:
            raise PayloadError("bthome", f"object {kind:02x} needs {row.size} bytes, {len(value)} are there")
        buttons += kind == BUTTON
        _take(found, kind, row, value, buttons)
        at += 1 + row.size
    return found


def take_value(found: Contents, name: str, value: float, button: int = 1) -> None:
    """Add one object by its name and value in the object's unit."""
    if name == "packet":
        found.packet = int(value)
    elif name == "button":
        word = PRESSES.get(int(value))
        if word is not None:
            found.presses.append(Press(word, button))
        elif value:
            found.also("unknown_press", int(value))
    elif name in READINGS:
        signal, factor = READINGS[name]
        found.add(signal, value if factor == 1 else round(value * factor, 6))
    elif name in FLAGS or name in DOORS or name == "problem":
        _take_state(found, name, value)
    else:
        found.also(name, value)


def encode(objects: Sequence[tuple[int, float]], info: int = VERSION2) -> bytes:
    """Service data of these (id, value) objects. Raises ValueError for what the object cannot hold."""
    return bytes([info]) + encode_objects(objects)


def encode_objects(objects: Sequence[tuple[int, float]]) -> bytes:
    """The objects alone, as they are encrypted."""
    body = b""
    for kind, value in objects:
        row = OBJECTS[kind]
        try:
            body += bytes([kind]) + round(value * row.per / row.times).to_bytes(row.size, "little", signed=row.signed)
        except OverflowError as error:
            raise ValueError(f"{row.name} cannot be {value}") from error
    return body


def _body(data: bytes) -> bytes:
    if not data or not is_version2(data[0]):
        raise PayloadError("bthome", f"not version 2: {data[:1].hex()}")
    start = 7 if data[0] & WITH_ADDRESS else 1
    if len(data) < start:
        raise PayloadError("bthome", "address cut off")
    return data[start:]


def _skip_long(body: bytes, at: int, kind: int, found: Contents) -> int:
    """Text, raw bytes and commands have their length before them; the position after them."""
    if at + 2 > len(body):
        raise PayloadError("bthome", f"object {kind:02x} without a length")
    size = 1 + (body[at + 1] & 0x1F) if kind == COMMAND else body[at + 1]
    value = body[at + 2 : at + 2 + size]
    if len(value) < size:
        raise PayloadError("bthome", f"object {kind:02x} needs {size} bytes, {len(value)} are there")
    name = {COMMAND: "command", TEXT: "text", RAW: "raw"}[kind]
    found.also(name, value.decode("utf-8", "replace") if kind == TEXT else value.hex())
    return at + 2 + size


def _take(found: Contents, kind: int, row: BThomeObject, raw: bytes, button: int) -> None:
    value: Any = int.from_bytes(raw, "little", signed=row.signed)
    if kind == DIMMER:
        found.also("dimmer", {"direction": raw[0], "steps": raw[1]})
    elif row.name == "firmware":
        found.identity["firmware"] = ".".join(map(str, raw[::-1]))
    elif row.name == "device_type":
        found.identity["device_type"] = value
    else:
        take_value(found, row.name, value if row.per == 1 else value * row.times / row.per, button)


def _take_state(found: Contents, name: str, value: float) -> None:
    state = bool(value) if value in {0, 1} else None
    if name in DOORS:
        word = None if state is None else "open" if state else "closed"
        found.states.setdefault("door", word)
    elif name == "problem":
        found.states.setdefault("device_fault", None if state is None else "other" if state else "none")
    else:
        found.states.setdefault(FLAGS[name], state)


def open_sealed(part: Sealed, key: bytes, mac: str) -> bytes:
    """The objects of encrypted data. Raises PayloadError "key" where the key does not open it."""
    try:
        return AESCCM(key, tag_length=MIC_BYTES).decrypt(bytes.fromhex(mac) + part.nonce_tail, part.cipher, None)
    except (InvalidTag, ValueError) as error:
        raise PayloadError("key", "the bind key does not open it") from error


def encode_sealed(objects: Sequence[tuple[int, float]], key: bytes, mac: str, counter: int, info: int = 0x41) -> bytes:
    """Encrypted service data, as a device with this address and key sends it."""
    count = counter.to_bytes(COUNTER_BYTES, "little")
    nonce = bytes.fromhex(mac) + bytes.fromhex(UUID)[::-1] + bytes([info]) + count
    cipher = AESCCM(key, tag_length=MIC_BYTES).encrypt(nonce, encode_objects(objects), None)
    return bytes([info]) + cipher[:-MIC_BYTES] + count + cipher[-MIC_BYTES:]
