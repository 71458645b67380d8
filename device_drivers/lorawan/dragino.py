"""Dragino payloads: PB01 call button, TrackerD pendant. The port says what it is, the length which firmware wrote it.

Source: the vendor's decoders of PB01 and of TrackerD 1.3.0 to 1.5.4 (facts only). TrackerD 1.5 put speed and course
between position and status. The three leading numbers of PB01's log records have no published names: they stay raw.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from device_drivers.json_payload import SECOND_NS, device_time_ns
from device_drivers.lorawan.fields import (
    Bits,
    Field,
    FieldError,
    Number,
    Raw,
    Values,
    decode_fields,
    encode_fields,
    size_of,
)
from device_drivers.observations import Quality

if TYPE_CHECKING:
    from collections.abc import Mapping

    from device_drivers.lorawan.fields import Value
    from device_drivers.lorawan.sink import Sink

PB01, TRACKER = "PB01", "TRACKERD"
MODELS = (PB01, TRACKER)
INFO_PORT = 5
MODEL_CODES = {0x35: PB01, 0x13: TRACKER, 0x21: TRACKER}
BANDS = ("EU868", "US915", "IN865", "AU915", "KZ865", "RU864", "AS923", "AS923_1", "AS923_2", "AS923_3")
_MORE_BANDS = ("CN470", "EU433", "KR920", "MA869", "AS923_4")
SIGNALS_GIVEN = (
    *("help_button", "motion", "battery_voltage", "room_temperature", "humidity", "latitude", "longitude"),
)

_number = partial(Number, order="big")
_POSITION: tuple[Field, ...] = (
    _number("latitude", 4, 1_000_000, signed=True),
    _number("longitude", 4, 1_000_000, signed=True),
)
_COURSE: tuple[Field, ...] = (_number("speed", 4, signed=True), _number("course", 4, signed=True))
_STATUS: tuple[Field, ...] = (Bits((("alarm", 14, 1), ("battery_mv", 0, 14)), 2),)
_MODE: tuple[Field, ...] = (Bits((("mode", 6, 2), ("led", 5, 1), ("moving", 4, 1), ("dated", 3, 1))),)
_BLE_MODE: tuple[Field, ...] = (Bits((("mode", 5, 3), ("led", 4, 1), ("moving", 3, 1))),)
_DATE: tuple[Field, ...] = (
    _number("year", 2),
    *(_number(name) for name in ("month", "day", "hour", "minute", "second")),
)
_TEMPERATURE, _HUMIDITY = _number("temperature", 2, 10, signed=True), _number("humidity", 2, 10)
_FIRMWARE = Bits((("major", 8, 4), ("minor", 4, 4), ("patch", 0, 4)), 2)
_INFO: tuple[Field, ...] = (
    _number("model"),
    _FIRMWARE,
    _number("band"),
    _number("sub_band"),
    _number("battery_mv", 2),
)
_BEACON: tuple[Field, ...] = (
    Raw("uuid", 16),
    _number("major", 2),
    _number("minor", 2),
    Raw("power", 2),
    Raw("spare", 1),
    _number("rssi", signed=True),
)


def _scan(count: int) -> tuple[Field, ...]:
    pairs = ((Raw(f"mac_{n}", 6), _number(f"rssi_{n}", signed=True)) for n in range(1, count + 1))
    return tuple(field for pair in pairs for field in pair)


@dataclass(frozen=True, slots=True)
class Layout:
    """One kind of uplink. record: repeated as often as it fits, and kept by the device (history)."""

    model: str
    ports: tuple[int, ...]
    name: str
    fields: tuple[Field, ...]
    record: bool = False

    @property
    def size(self) -> int:
        """Bytes of one."""
        return size_of(self.fields)


LAYOUTS: tuple[Layout, ...] = (
    Layout(
        PB01,
        (2,),
        "button",
        (
            _number("battery_mv", 2),
            Bits((("key_sound", 1, 1), ("ack_sound", 0, 1))),
            Bits((("alarm", 0, 1),)),
            _TEMPERATURE,
            _HUMIDITY,
        ),
    ),
    Layout(
        PB01,
        (3,),
        "button log",
        (Raw("values", 6), Bits((("resent", 7, 1), ("alarm", 0, 1))), _number("time", 4)),
        record=True,
    ),
    Layout(PB01, (INFO_PORT,), "info", _INFO),
    Layout(TRACKER, (2, 3), "position", (*_POSITION, *_STATUS, *_MODE)),
    Layout(TRACKER, (2,), "position, air", (*_POSITION, *_STATUS, *_MODE, _HUMIDITY, _TEMPERATURE)),
    Layout(TRACKER, (2, 3), "position, date", (*_POSITION, *_STATUS, *_MODE, *_DATE)),
    Layout(TRACKER, (2, 3), "course", (*_POSITION, *_COURSE, *_STATUS, *_MODE)),
    Layout(TRACKER, (2,), "course, air", (*_POSITION, *_COURSE, *_STATUS, *_MODE, _TEMPERATURE, _HUMIDITY)),
    Layout(TRACKER, (2, 3), "course, date", (*_POSITION, *_COURSE, *_STATUS, *_MODE, *_DATE)),
    Layout(
        TRACKER,
        (4,),
        "course log",
        (*_POSITION, *_COURSE, *_DATE, Bits((("moving", 14, 1), ("battery_mv", 0, 14)), 2)),
        record=True,
    ),
    Layout(TRACKER, (4,), "position log", (*_POSITION, *_DATE), record=True),
    Layout(TRACKER, (INFO_PORT,), "info", _INFO),
    Layout(TRACKER, (INFO_PORT,), "info, modes", (*_INFO, Raw("modes", 2))),
    Layout(TRACKER, (6,), "beacon", (*_BEACON, *_STATUS, *_MODE)),
    Layout(TRACKER, (6,), "beacon, air", (*_BEACON, *_STATUS, *_MODE, _HUMIDITY, _TEMPERATURE)),
    Layout(TRACKER, (7,), "status", (*_STATUS, *_MODE)),
    Layout(TRACKER, (8,), "wifi", (Raw("ssid", 6), _number("rssi", signed=True), *_STATUS, *_MODE)),
    Layout(TRACKER, (9,), "beacons", (*_STATUS, Raw("spare", 1))),
    Layout(TRACKER, (10,), "macs", (*_scan(3), *_STATUS, *_MODE)),
    Layout(TRACKER, (10,), "more macs", (*_scan(5), *_STATUS, *_BLE_MODE)),
    Layout(TRACKER, (10,), "bare position", _POSITION),
)
_BEACON_BYTES = 5
MIN_YEAR = 2020


def layout_of(model: str, port: int, size: int) -> Layout | None:
    """The layout of an uplink by model, port and length in bytes."""
    for layout in LAYOUTS:
        if layout.model != model or port not in layout.ports:
            continue
        if layout.record:
            if size and size % layout.size == 0:
                return layout
        elif layout.size == size or (layout.name == "beacons" and size > 3 and (size - 3) % _BEACON_BYTES == 0):
            return layout
    return None


def layout_named(model: str, name: str) -> Layout:
    """The layout of this name. Raises FieldError."""
    for layout in LAYOUTS:
        if (layout.model, layout.name) == (model, name):
            return layout
    raise FieldError(f"{model} has no uplink {name!r}")


def encode(model: str, name: str, values: Mapping[str, Value]) -> bytes:
    """One uplink or record. Raises FieldError."""
    return encode_fields(layout_named(model, name).fields, values)


def learn_model(port: int, data: bytes) -> str:
    """The model that an information uplink names, "" where it does not."""
    return MODEL_CODES.get(data[0], "") if port == INFO_PORT and len(data) >= size_of(_INFO) else ""


def observe(layout: Layout, data: bytes, sink: Sink) -> None:
    """Everything this uplink says."""
    for start in range(0, len(data), layout.size) if layout.record else (0,):
        values = decode_fields(layout.fields, data[start : start + layout.size])
        if layout.record:
            _stored(values, sink)
        else:
            _live(layout, values, sink)


def _live(layout: Layout, values: Values, sink: Sink) -> None:
    if "model" in values:
        sink.note("identity", **_identity(values))
    if "year" in values:
        sink.at_ns = device_time_ns(_date_ns(values), sink.at_ns)
    _place(values, sink)
    if "battery_mv" in values:
        sink.reading("battery_voltage", float(values["battery_mv"]) or None)
    for name, signal in (("temperature", "room_temperature"), ("humidity", "humidity")):
        if name in values:
            sink.reading(signal, float(values[name]))
    if "alarm" in values:
        _alarm(layout.model, bool(values["alarm"]), sink)
    if "moving" in values:
        sink.state("motion", "active" if values["moving"] else "still")
    sink.note("report", what=layout.name, **{k: v for k, v in values.items() if k not in _SIGNALS})


_SIGNALS = frozenset({"latitude", "longitude", "battery_mv", "temperature", "humidity", *(f.name for f in _DATE)})  # type: ignore[union-attr]


def _alarm(model: str, alarm: bool, sink: Sink) -> None:
    """PB01 sends the alarm once for each press; TrackerD repeats it every minute until it is ended."""
    if alarm and model == PB01:
        sink.event("help_button", True)
    else:
        sink.state("help_button", alarm)


def _place(values: Values, sink: Sink) -> None:
    """Latitude and longitude of 0 mean that there is no fix."""
    if "latitude" not in values:
        return
    latitude, longitude = float(values["latitude"]), float(values["longitude"])
    for signal, value in (("latitude", latitude), ("longitude", longitude)):
        if latitude == longitude == 0:
            sink.reading(signal, None, Quality.NO_CONTACT)
        else:
            sink.reading(signal, value)


def _stored(values: Values, sink: Sink) -> None:
    at_ns = int(values["time"]) * SECOND_NS if "time" in values else _date_ns(values)
    if at_ns is None:
        sink.note("unknown", why="record without a valid date", **values)
        return
    for signal in ("latitude", "longitude"):
        if signal in values:
            sink.stored_reading(signal, float(values[signal]), at_ns)
    if "battery_mv" in values:
        sink.stored_reading("battery_voltage", float(values["battery_mv"]) or None, at_ns)
    if "alarm" in values:
        sink.stored("help_button", bool(values["alarm"]), at_ns)
        sink.note("report", stored=True, values=values["values"], alarm=bool(values["alarm"]))


def _date_ns(values: Values) -> int | None:
    parts = [int(values[name]) for name in ("year", "month", "day", "hour", "minute", "second")]
    if parts[0] < MIN_YEAR:  # the tracker has no time yet
        return None
    try:
        return int(datetime(*parts, tzinfo=UTC).timestamp()) * SECOND_NS  # type: ignore[misc,arg-type]
    except ValueError:
        return None


def _identity(values: Values) -> dict[str, Value]:
    band = int(values["band"])
    bands = (*BANDS, *_MORE_BANDS)
    found: dict[str, Value] = {
        "model": MODEL_CODES.get(int(values["model"]), f"0x{int(values['model']):02x}"),
        "firmware": f"{values['major']}.{values['minor']}.{values['patch']}",
        "band": bands[band - 1] if 1 <= band <= len(bands) else f"0x{band:02x}",
    }
    if values["sub_band"] != 0xFF:
        found["sub_band"] = values["sub_band"]
    return found
