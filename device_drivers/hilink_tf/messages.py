"""The messages of the TF radars, in one table for decoding and encoding.

The same type may mean different things in different products; the size of the data tells which. Source: Hi-Link TF
protocol V1.2 (LD6002, LD6002B, LD6002C), Seeed library for MR60BHA2 and MR60FDA2, mr60fda2-proto.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from device_drivers.hilink_tf.fields import Choice, Field, Message, Number, Numbers, Records, Text

if TYPE_CHECKING:
    from collections.abc import Mapping

SIGNAL, VITALS, TARGETS = "signal", "vitals", "targets"

OFF_ON: Mapping[int, bool | str] = {0: False, 1: True}
COMMANDS: Mapping[int, bool | str] = {
    0x02: "get zones",
    0x06: "point cloud on",
    0x07: "point cloud off",
    0x08: "targets on",
    0x09: "targets off",
    0x0A: "sensitivity low",
    0x0B: "sensitivity medium",
    0x0C: "sensitivity high",
    0x13: "mount top",
    0x14: "mount side",
    0x1A: "clear presence",
}
ALARM_AREA = tuple(f"alarm_area_{side}_m" for side in ("xl", "xr", "zf", "zb"))

_TARGET = {16: (("x", "y", "dop", "cluster"), "ffii"), 20: (("x", "y", "z", "dop", "cluster"), "fffii")}
_POINT = {16: (("x", "y", "dop", "cluster"), "ffii"), 20: (("cluster", "x", "y", "z", "speed"), "iffff")}


def _row(code: int, name: str, kind: str, *fields: Field, spare: tuple[int, ...] = (0,)) -> Message:
    return Message(code, name, kind, fields, spare)


def _f32(name: str) -> Number:
    return Number(name, "f")


def _u32(name: str) -> Number:
    return Number(name, "I")


def _setting(code: int, name: str, *fields: Field) -> tuple[Message, Message]:
    """A setting, as the host sends it, and the radar's one-byte answer."""
    return _row(code, name, "setting", *fields), _row(code, f"{name} answer", "ack", Choice("ok", OFF_ON))


def _zones(name: str) -> Numbers:
    return Numbers(name, 24)


_BREATH_AND_HEART = (
    _row(0x0A13, "phases", "report", _f32("total_phase"), _f32("breath_phase"), _f32("heart_phase")),
    _row(0x0A14, "breath rate", VITALS, _f32("respiratory_rate")),
    _row(0x0A15, "heart rate", VITALS, _f32("heart_rate")),
    _row(0x0A16, "distance", VITALS, _u32("flag"), _f32("range")),
    _row(0x0F09, "presence", SIGNAL, Choice("presence", OFF_ON), spare=(0, 1, 3)),
)

_PRESENCE = (
    _row(0x0A04, "targets", TARGETS, Records("targets", _TARGET)),
    _row(0x0A08, "points", "report", Records("points", _POINT)),
    _row(0x0A0A, "zones", "report", Numbers("zones_occupied", 4, "I")),
    _row(0x0A0B, "interference zones", "setting", _zones("interference_zones_m")),
    _row(0x0A0C, "detection zones", "setting", _zones("detection_zones_m")),
    _row(0x0A0D, "hold delay", "setting", _u32("hold_delay_s")),
    _row(0x0A0E, "presence sensitivity", "setting", Number("sensitivity")),
    _row(0x0A0F, "trigger speed", "setting", Number("trigger_speed")),
    _row(0x0A10, "z range", "setting", _f32("z_low_m"), _f32("z_high_m")),
    _row(0x0A11, "mount", "setting", Choice("mount", {0: "top", 1: "side"})),
    _row(0x0A12, "low power", "setting", Choice("low_power", OFF_ON)),
    _row(0x0A13, "low power sleep", "setting", _u32("low_power_sleep_ms")),
    _row(0x0A14, "work mode", "setting", Number("work_mode")),
    _row(0x0201, "command", "setting", Choice("command", COMMANDS, "i")),
    _row(0x0202, "set zone", "setting", Number("zone", "i"), Numbers("zone_m", 6)),
    _row(0x0203, "set hold delay", "setting", _u32("hold_delay_s")),
    _row(0x0204, "set z range", "setting", _f32("z_low_m"), _f32("z_high_m")),
    _row(0x0205, "set low power sleep", "setting", _u32("low_power_sleep_ms")),
)

_PARAMETERS = (_f32("install_height_m"), _f32("threshold_m"), _u32("sensitivity"))

_FALL = (
    _row(0x0E02, "fall", SIGNAL, Choice("fall", OFF_ON), spare=(0, 1, 3)),
    _row(0x0E01, "user log", "setting", Choice("user_log", OFF_ON, "I")),
    *_setting(0x0E04, "install height", _f32("install_height_m")),
    _row(0x0E06, "parameters", "query"),
    _row(0x0E06, "parameters answer", "setting", *_PARAMETERS),
    _row(0x0E06, "parameters and area", "setting", *_PARAMETERS, *map(_f32, ALARM_AREA)),
    *_setting(0x0E08, "fall threshold", _f32("threshold_m")),
    *_setting(0x0E0A, "fall sensitivity", _u32("sensitivity")),
    *_setting(0x0E0C, "alarm area", *map(_f32, ALARM_AREA)),
    _row(0x0E0E, "target height on", "setting"),
    _row(0x0E0E, "target height", "report", _f32("target_height_m")),
)

_SYSTEM = (
    _row(0x0100, "log", "log", Text("log")),
    _row(0x2110, "reset", "setting"),
    _row(0xFFFF, "firmware version", "query"),
    _row(0xFFFF, "firmware", "identity", _u32("firmware")),
)

MESSAGES: tuple[Message, ...] = _BREATH_AND_HEART + _PRESENCE + _FALL + _SYSTEM
BY_NAME: Mapping[str, Message] = {message.name: message for message in MESSAGES}
BY_TYPE: Mapping[int, tuple[Message, ...]] = {
    code: tuple(message for message in MESSAGES if message.type == code) for code in {row.type for row in MESSAGES}
}


@lru_cache(maxsize=256)
def find(code: int, size: int) -> Message | None:
    """The row for a type and a size of data, None if there is none."""
    return next((message for message in BY_TYPE.get(code, ()) if message.fits(size)), None)
