"""Milesight payloads: channel, type, value, one after the other. One table of rows reads and writes them.

Sources: vendor pages and payload examples of VS373, WS101, WS156, WS202, WS301 and VS370. Where the vendor's written
table and the vendor's decoder differ (alarm types of VS373, WS301's example) the values are the decoder's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from device_drivers.lorawan.fields import (
    Choice,
    Field,
    FieldError,
    Number,
    Raw,
    RegionBits,
    Value,
    Values,
    Version,
    decode_fields,
    encode_fields,
    region,
    size_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

PORT = 85
MODELS = ("VS373", "VS370", "WS101", "WS156", "WS202", "WS301")
AMBIGUOUS_MODELS = ("WS202", "WS301", "VS370")
"""Models that use the channels 03 00 and 04 00, each for something else."""

DETECTION = {0: "normal", 1: "vacant", 2: "in_bed", 3: "out_of_bed", 4: "fall"}
TARGET = {0: "normal", 1: "motionless", 2: "abnormal", 3: "lying"}
ALARM_TYPES = {
    0: "fall",
    1: "motionless",
    2: "dwell",
    3: "out_of_bed",
    4: "occupied",
    5: "vacant",
    6: "bradypnea",
    7: "tachypnea",
    8: "lying",
}
ALARM_STATUS = {1: "triggered", 2: "deactivated", 3: "ignored", 4: "respiratory_status"}
RESPIRATION = {1: "no_data", 2: "normal", 3: "fast", 4: "slow", 5: "undetectable"}
REGION_TYPES = {0: "custom", 1: "bed", 2: "door", 3: "ignore", 255: "unset"}
PRESSES = {1: "short", 2: "long", 3: "double"}
PANEL_EVENTS = {1: "short", 2: "double", 3: "long"}
PANEL_MODES = {0: "short", 1: "short+double", 2: "short+long", 3: "short+double+long"}
NO_ALARM_ID, NO_REGION = 0xFFFF, 0xFF


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of item. code: channel and type. models: those it holds for; all where empty."""

    code: int
    name: str
    fields: tuple[Field, ...]
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a payload, decoded."""

    row: Row
    values: Mapping[str, Value]


class PayloadEndError(ValueError):
    """The payload cannot be read on. reason: "length" (cut off) or "channel" (unknown); rest: from there on."""

    def __init__(self, reason: str, rest: bytes) -> None:
        super().__init__(f"{reason}: {rest.hex(' ')}")
        self.reason = reason
        self.rest = rest


def _status(code: int, *times: Field) -> Row:
    return Row(code, "status", (Choice("detection", DETECTION), Choice("target", TARGET), *times))


def _away(code: int, regions: range, size: int) -> Row:
    return Row(code, "out_of_bed_time", tuple(Number(region(n, "out_of_bed_time"), size) for n in regions))


_ALARM: tuple[Field, ...] = (
    Number("alarm_id", 2),
    Choice("type", ALARM_TYPES),
    Choice("status", ALARM_STATUS),
    Number("region"),
)

REPORTS: tuple[Row, ...] = (
    Row(0xFF01, "identity", (Version("ipso_version", 1),)),
    Row(0xFF08, "identity", (Raw("sn", 6),)),
    Row(0xFF16, "identity", (Raw("sn", 8),)),
    Row(0xFF09, "identity", (Version("hardware", shift=4),)),
    Row(0xFF0A, "identity", (Version("firmware"),)),
    Row(0xFF0F, "identity", (Choice("class", {0: "A", 1: "B", 2: "C", 3: "CtoB"}),)),
    Row(0xFFFF, "identity", (Version("tsl_version"),)),
    Row(0xFF0B, "power_on", (Choice("device_status", {1: "on", 0: "off", 0xFF: "on"}),)),
    Row(0xFFFE, "power_on", (Choice("reset_event", {1: "reset", 0: "normal", 0xFF: "reset"}),)),
    Row(0x0175, "battery", (Number("battery"),)),
    _status(0x03F8, Number("now", 2), Number("today", 2)),
    _status(0x07B0, Number("now", 3), Number("today", 3)),
    Row(0x04F9, "regions", tuple(Choice(region(n, "occupancy"), {0: "occupied", 1: "vacant"}) for n in range(4))),
    Row(0x0AB3, "regions", (RegionBits(),)),
    Row(0x09B2, "region_types", tuple(Choice(region(n, "type"), REGION_TYPES) for n in range(6))),
    _away(0x05FA, range(4), 2),
    _away(0x0BB4, range(3), 3),
    _away(0x0CB4, range(3, 6), 3),
    Row(0x06FB, "alarm", _ALARM),
    Row(0x08B1, "respiration", (Choice("respiration_status", RESPIRATION), Number("respiration", 2, scale=100))),
    Row(0x20CE, "history", (Number("timestamp", 4), *_ALARM)),
    Row(0xFF2E, "press", (Choice("press", PRESSES),)),
    Row(0xFF34, "panel_press", (Number("button"), Choice("mode", PANEL_MODES), Choice("press", PANEL_EVENTS))),
    Row(0x0300, "door", (Choice("door", {0: "closed", 1: "open"}),), ("WS301",)),
    Row(0x0400, "tamper", (Choice("tamper", {0: "installed", 1: "removed"}),), ("WS301",)),
    Row(0x0300, "occupancy", (Choice("pir", {0: "normal", 1: "trigger"}),), ("WS202",)),
    Row(0x0400, "light", (Choice("daylight", {0: "dim", 1: "bright"}),), ("WS202",)),
    Row(0x0300, "occupancy", (Choice("occupancy", {0: "vacant", 1: "occupied"}),), ("VS370",)),
    Row(0x0400, "light", (Choice("illuminance", {0: "dim", 1: "bright", 254: "disabled"}),), ("VS370",)),
    Row(0x0300, "ambiguous", (Number("channel_03"),)),
    Row(0x0400, "ambiguous", (Number("channel_04"),)),
)

_SETTINGS: tuple[tuple[int, str, int], ...] = (
    (0x03, "report_interval_s", 2),
    (0x04, "confirm_mode", 1),
    (0x06, "light_alarm", 9),
    (0x10, "reboot", 1),
    (0x11, "time", 4),
    (0x28, "status_query", 1),
    (0x2F, "led", 1),
    (0x35, "d2d_key", 8),
    (0x3E, "buzzer", 1),
    (0x40, "adr", 1),
    (0x42, "wifi", 1),
    (0x64, "release_alarm", 1),
    (0x69, "retransmit", 1),
    (0x6A, "resend_interval", 3),
    (0x74, "double_click", 1),
    (0x84, "d2d", 1),
    (0x8E, "report_interval_min", 3),
    (0x96, "d2d_master", 8),
)
_MORE_SETTINGS: tuple[tuple[int, str, int], ...] = (
    (0x48, "delete_region", 1),
    (0x49, "region", 9),
    (0x4A, "region_detection", 5),
    (0x4B, "bed_detection", 9),
    (0x4C, "d2d_slave", 5),
    (0x4D, "wifi_hidden", 1),
    (0x4E, "digital_output", 1),
    (0x4F, "detection_area", 12),
    (0x50, "detection", 2),
    (0x51, "fall_detection", 6),
    (0x52, "dwell_detection", 3),
    (0x53, "motion_detection", 3),
    (0x56, "existence_detection", 2),
    (0x64, "release_alarm", 1),
    (0x85, "rejoin", 2),
    (0x86, "data_rate", 1),
    (0x87, "tx_power", 1),
    (0x91, "time_sync", 5),
    (0xB1, "sleep_detection", 7),
    (0xB2, "respiratory_detection", 3),
    (0xB3, "ai_fall_detection", 1),
    (0xB4, "confirm_fall_alarm", 3),
    (0xB5, "digital_output_triggers", 6),
)
SECRET_SETTINGS = frozenset({"d2d_key"})
_RESULTS = {0: "success", 1: "forbidden", 2: "invalid parameter"}


def _setting_rows() -> list[Row]:
    """Answers to settings: FE or FF with one set of types, F9 or F8 (with a result byte) with another."""
    plain = [Row(ch << 8 | kind, "setting", (Raw(name, n),)) for ch in (0xFE, 0xFF) for kind, name, n in _SETTINGS]
    more = [Row(0xF900 | kind, "setting", (Raw(name, n),)) for kind, name, n in _MORE_SETTINGS]
    result = Choice("result", _RESULTS)
    return [*plain, *more, *(Row(0xF800 | kind, "setting", (Raw(name, n), result)) for kind, name, n in _MORE_SETTINGS)]


ROWS: tuple[Row, ...] = (*REPORTS, *_setting_rows())
_BY_CODE: dict[tuple[int, str], Row] = {}
for _row in ROWS:
    for _model in _row.models or ("",):
        _BY_CODE.setdefault((_row.code, _model), _row)


def row_of(code: int, model: str) -> Row | None:
    """The row of this channel and type for a model ("" where it is not known)."""
    return _BY_CODE.get((code, model)) or _BY_CODE.get((code, ""))


def decode_items(payload: bytes, model: str = "") -> tuple[list[Item], PayloadEndError | None]:
    """Every item up to the end, or up to where the payload cannot be read on, and why."""
    items: list[Item] = []
    at = 0
    while at < len(payload):
        row = row_of(int.from_bytes(payload[at : at + 2], "big"), model) if at + 2 <= len(payload) else None
        if row is None:  # a single last byte cannot be told from a cut-off item; only after others it is one
            cut = bool(items) and at + 2 > len(payload)
            return items, PayloadEndError("length" if cut else "channel", payload[at:])
        end = at + 2 + size_of(row.fields)
        if end > len(payload):
            return items, PayloadEndError("length", payload[at:])
        items.append(Item(row, decode_fields(row.fields, payload[at + 2 : end])))
        at = end
    return items, None


def encode_item(code: int, values: Mapping[str, Value], model: str = "") -> bytes:
    """One item. Raises FieldError for an unknown channel and type, or values that do not fit."""
    row = row_of(code, model)
    if row is None:
        raise FieldError(f"{code:04x}: no such channel and type")
    return code.to_bytes(2, "big") + encode_fields(row.fields, values)


def merged(items: list[Item], name: str) -> Values:
    """The values of all items of one name, in one mapping."""
    return {key: value for item in items if item.row.name == name for key, value in item.values.items()}
