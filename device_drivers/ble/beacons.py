"""Tags, pendants and scales that say everything in their advertisements: the layouts, for decoding and encoding.

* iBeacon: maker data 4C 00 02 15, UUID, major, minor, power at one metre.
* Minew, service FFE1: A1, kind, battery, values in 1/256, address reversed.
* KKM (KBeacon), service FEAA frame 21: a mask says which values follow.
* Eddystone TLM, service FEAA frame 20: battery and temperature of the beacon itself.
* Mi Smart Scale (181D) and Mi Body Composition Scale 2 (181B).
"""

from __future__ import annotations

import math
import struct
from datetime import datetime
from typing import TYPE_CHECKING

from device_drivers.ble.contents import Beacon, Contents
from device_drivers.json_payload import PayloadError
from device_drivers.observations import Quality

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

IBEACON_HEAD = bytes.fromhex("4C000215")
IBEACON_BYTES = 25
MINEW_UUID, EDDYSTONE_UUID, SCALE_UUID, BODY_SCALE_UUID = "FFE1", "FEAA", "181D", "181B"
MINEW_HEAD, KKM_FRAME, TLM_FRAME = 0xA1, 0x21, 0x20

MINEW_KINDS: Mapping[int, struct.Struct] = {
    0x01: struct.Struct(">BhH"),
    0x02: struct.Struct(">BB"),
    0x03: struct.Struct(">Bhhh"),
}
"""Battery, then: temperature and humidity; visible light; acceleration. The address of six bytes follows."""
MINEW_INFO = 0x08
"""Battery, address, name in ASCII."""

KKM_FIELDS: tuple[tuple[str, struct.Struct], ...] = (
    ("voltage", struct.Struct(">H")),
    ("temperature", struct.Struct(">h")),
    ("humidity", struct.Struct(">H")),
    ("acceleration", struct.Struct(">hhh")),
)
"""By bit of the mask, lowest first. What higher bits announce comes behind, and is not read."""
TLM = struct.Struct(">BHhII")
NO_TEMPERATURE = -0x8000
MI_DATE = struct.Struct("<HBBBBB")
KG_PER_LB, KG_PER_JIN = 0.45359237, 0.5
_AXES = ("accel_x", "accel_y", "accel_z")


def read_maker(data: bytes) -> Contents | None:
    """What maker data says, company id first; None for makers that are not known."""
    if not data.startswith(IBEACON_HEAD) or len(data) != IBEACON_BYTES:
        return None
    beacon = Beacon(dashed(data[4:20].hex()), *struct.unpack(">HHb", data[20:]))
    return Contents(beacons=[beacon], identity=beacon_identity(beacon))


def dashed(uuid: str) -> str:
    """A UUID in its usual spelling, from any other."""
    plain = uuid.replace("-", "").upper()[:32]
    return "-".join((plain[:8], plain[8:12], plain[12:16], plain[16:20], plain[20:]))


def beacon_identity(beacon: Beacon) -> dict[str, str | int]:
    """The beacon as facts of a note."""
    return {"ibeacon": beacon.uuid, "major": beacon.major, "minor": beacon.minor, "tx_power": beacon.tx_power}


def encode_ibeacon(beacon: Beacon) -> bytes:
    """Maker data of an iBeacon."""
    tail = struct.pack(">HHb", beacon.major, beacon.minor, beacon.tx_power)
    return IBEACON_HEAD + bytes.fromhex(beacon.uuid.replace("-", "")) + tail


def read_minew(data: bytes) -> Contents | None:
    """Service data FFE1; None for other data, an unknown kind as it is. Raises PayloadError "minew" for one cut off."""
    if len(data) < 2 or data[0] != MINEW_HEAD:
        return None
    kind, body = data[1], data[2:]
    if kind == MINEW_INFO:
        return _minew_info(body)
    layout = MINEW_KINDS.get(kind)
    if layout is None:
        return Contents(report={"unknown_frame": data[:2].hex(), "hex": body.hex()})
    if len(body) != layout.size + 6:
        raise PayloadError("minew", f"kind {kind:02x} has {layout.size + 6} bytes, {len(body)} came")
    battery, *values = layout.unpack(body[: layout.size])
    found = Contents(mac=_reversed_mac(body[layout.size :]))
    found.add("battery", battery)
    if kind == 0x01:
        found.add("room_temperature", round(values[0] / 256, 2))
        found.add("humidity", round(values[1] / 256, 2))
    elif kind == 0x02:
        found.report |= {"value": values[0], "light": values[0] == 1}
    else:
        for axis, value in zip(_AXES, values, strict=True):
            found.add(axis, round(value / 256, 4))
    return found


def encode_minew(kind: int, mac: str, battery: int, *values: float, name: str = "") -> bytes:
    """Service data FFE1: temperature and humidity, light 0 or 1, or acceleration in g; or a name."""
    address = bytes.fromhex(mac)[::-1]
    if kind == MINEW_INFO:
        return bytes([MINEW_HEAD, kind, battery]) + address + name.encode("ascii")
    raw = values if kind == 0x02 else tuple(round(value * 256) for value in values)
    return bytes([MINEW_HEAD, kind]) + MINEW_KINDS[kind].pack(battery, *map(int, raw)) + address


def read_eddystone(data: bytes) -> Contents | None:
    """Service data FEAA: telemetry and KKM's sensor frame; None for other frames, which carry no values."""
    if data[:1] == bytes([KKM_FRAME]):
        return _kkm(data)
    if data[:1] != bytes([TLM_FRAME]):
        return None
    if len(data) != 1 + TLM.size:
        raise PayloadError("eddystone", f"telemetry has {1 + TLM.size} bytes, {len(data)} came")
    version, voltage, temperature, adverts, tenths = TLM.unpack(data[1:])
    if version != 0:
        return Contents(identity={"eddystone": "encrypted telemetry"})
    found = Contents()
    if voltage:  # 0: no battery
        found.add("battery_voltage", voltage)
    if temperature != NO_TEMPERATURE:
        found.also("beacon_temperature", round(temperature / 256, 2))
    found.report |= {"adverts": adverts, "uptime_s": tenths / 10}
    return found


def encode_tlm(voltage_mv: int, celsius: float | None, adverts: int, uptime_s: float) -> bytes:
    """Service data FEAA of telemetry."""
    temperature = NO_TEMPERATURE if celsius is None else round(celsius * 256)
    return bytes([TLM_FRAME]) + TLM.pack(0, voltage_mv, temperature, adverts, round(uptime_s * 10))


def encode_kkm(**values: float | tuple[int, int, int]) -> bytes:
    """Service data FEAA of a KKM tag: voltage in mV, temperature, humidity, acceleration in mg."""
    mask, body = 0, b""
    for bit, (name, layout) in enumerate(KKM_FIELDS):
        value = values.get(name)
        if value is None:
            continue
        mask |= 1 << bit
        if isinstance(value, tuple):
            body += layout.pack(*value)
        else:
            body += layout.pack(round(value) if name == "voltage" else math.ceil(value * 256 - 1e-6))
    return bytes([KKM_FRAME, 1, mask]) + body


def read_scale(data: bytes) -> Contents:
    """Service data 181D. Raises PayloadError "scale"."""
    if len(data) != 10:
        raise PayloadError("scale", f"10 bytes expected, {len(data)} came")
    status, raw = data[0], int.from_bytes(data[1:3], "little")
    return _scale(data, 3, pounds=bool(status & 0x01), jin=bool(status & 0x10), settled=status, raw=raw, thing=0x40)


def read_body_scale(data: bytes) -> Contents:
    """Service data 181B. Raises PayloadError "scale"."""
    if len(data) != 13:
        raise PayloadError("scale", f"13 bytes expected, {len(data)} came")
    unit, status, raw = data[0], data[1], int.from_bytes(data[11:13], "little")
    found = _scale(data, 2, pounds=bool(unit & 0x01), jin=bool(unit & 0x10), settled=status, raw=raw, thing=0)
    if "body_weight" in found.readings and unit & 0x04:
        found.also("object_weight_kg", found.readings.pop("body_weight")[0])
    impedance = int.from_bytes(data[9:11], "little")
    if "body_weight" in found.readings and status & 0x02 and 0 < impedance < 3000:
        found.add("body_impedance", impedance)
    return found


def encode_scale(kg: float, at: datetime, *, settled: bool = True, removed: bool = False) -> bytes:
    """Service data 181D of a weight in kilograms."""
    status = 0x02 | 0x20 * settled | 0x80 * removed
    return bytes([status]) + round(kg * 200).to_bytes(2, "little") + MI_DATE.pack(*at.timetuple()[:6])


def encode_body_scale(kg: float, at: datetime, impedance: int | None, *, settled: bool = True) -> bytes:
    """Service data 181B of a weight in kilograms; impedance in ohms, None where bare feet are missing."""
    status = 0x04 | 0x20 * settled | 0x02 * (impedance is not None)
    tail = (impedance or 0).to_bytes(2, "little") + round(kg * 200).to_bytes(2, "little")
    return bytes([0x02, status]) + MI_DATE.pack(*at.timetuple()[:6]) + tail


def mi_date(raw: bytes) -> datetime | None:
    """The scale's wall clock; None where it cannot be one."""
    try:
        moment = datetime(*MI_DATE.unpack(raw))  # noqa: DTZ001 - the device does not tell its zone
    except ValueError:
        return None
    return moment if 2000 <= moment.year < 2100 else None


def _scale(data: bytes, date_at: int, *, pounds: bool, jin: bool, settled: int, raw: int, thing: int) -> Contents:
    found = Contents(time=mi_date(data[date_at : date_at + MI_DATE.size]))
    if not settled & 0x20:
        found.also("settling", True)
        return found
    weight = raw / 200
    if pounds or jin:
        weight = round(raw / 100 * (KG_PER_LB if pounds else KG_PER_JIN), 6)
    if thing and settled & thing:
        found.also("object_weight_kg", weight)
        return found
    found.add("body_weight", weight, Quality.GOOD)
    found.once = data[date_at:] + raw.to_bytes(2, "little")
    return found


def _kkm(data: bytes) -> Contents:
    if len(data) < 3:
        raise PayloadError("kkm", f"{len(data)} bytes")
    found, at = Contents(identity={"kkm_version": data[1]}), 3
    for bit, (name, layout) in enumerate(KKM_FIELDS):
        if not data[2] >> bit & 1:
            continue
        if at + layout.size > len(data):
            raise PayloadError("kkm", f"mask {data[2]:02x} announces {name}, which {len(data)} bytes do not hold")
        values = layout.unpack_from(data, at)
        at += layout.size
        if name == "voltage":
            found.add("battery_voltage", values[0])
        elif name == "acceleration":
            for axis, value in zip(_AXES, values, strict=True):
                found.add(axis, value / 1000)
        else:  # hundredths, downwards, as the maker's own software shows them
            found.add("room_temperature" if name == "temperature" else name, math.floor(values[0] * 100 / 256) / 100)
    if at < len(data):
        found.also("more", data[at:].hex())
    return found


def _minew_info(body: bytes) -> Contents:
    if len(body) < 7:
        raise PayloadError("minew", f"kind 08 has 7 bytes at least, {len(body)} came")
    found = Contents(mac=_reversed_mac(body[1:7]))
    found.add("battery", body[0])
    found.identity["name"] = body[7:].rstrip(b"\0").decode("ascii", "replace")
    return found


def _reversed_mac(raw: bytes) -> str:
    return raw[::-1].hex().upper()


SERVICES: Mapping[str, Callable[[bytes], Contents | None]] = {
    MINEW_UUID: read_minew,
    EDDYSTONE_UUID: read_eddystone,
    SCALE_UUID: read_scale,
    BODY_SCALE_UUID: read_body_scale,
}
