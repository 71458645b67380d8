"""The vendor's tables: every message of the MicRadar / Seeed / DFRobot "53 59" radars that we understand.

Sources: vendor manual R60ABD1 V3.0 (groups 01, 02, 05, 07, 80, 81, 84, 85), Seeed wiki MR60FDA1 and DFRobot
SEN0623/C1001 (groups 02, 06, 83). One table serves decoding, encoding and the simulator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from device_drivers.micradar.fields import Choice, Field, Message, Number, Text, Wave
from device_drivers.observations import Quality

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM, PRODUCT, STATE, INSTALL, RANGE = 0x01, 0x02, 0x05, 0x06, 0x07
PRESENCE, BREATHING, FALL, SLEEP, HEART = 0x80, 0x81, 0x83, 0x84, 0x85

SIGNAL = "signal"
ANSWER_BIT = 0x80
_DERIVED = -1
_NOT_ASKED = None

OFF_ON = {0: False, 1: True}
NO_LOCK = {0x00: Quality.NO_CONTACT, 0xFF: Quality.INVALID}
"""0 means the radar has lost the chest's movement, not that heart or breath stopped."""


def _row(
    control: int, command: int, name: str, *fields: Field, kind: str = SIGNAL, query: int | None = _DERIVED
) -> Message:
    asked = command | ANSWER_BIT if query == _DERIVED else query
    return Message(control, command, name, fields, kind, asked)


def _restating(
    control: int, command: int, name: str, *fields: Field, kind: str = SIGNAL, query: int | None = None
) -> Message:
    return Message(control, command, name, fields, kind, query, restates=True)


def _identity(command: int, name: str) -> Message:
    return Message(PRODUCT, command, name, (Text(name.replace(" ", "_")),), "identity", command)


def _switch(control: int, command: int, name: str) -> Message:
    return _row(control, command, f"{name} switch", Choice(f"{name.replace(' ', '_')}_switch", OFF_ON), kind="setting")


def _set(control: int, command: int, name: str, *fields: Field) -> Message:
    return _row(control, command, name, *fields, kind="setting")


_SYSTEM = (
    Message(SYSTEM, 0x01, "heartbeat", (Choice("heartbeat", {0x0F: True}),), "heartbeat", 0x80),
    _row(SYSTEM, 0x02, "reset", Choice("reset", {0x0F: True}), kind="setting", query=_NOT_ASKED),
    _row(SYSTEM, 0x03, "led", Choice("led", OFF_ON), kind="setting", query=0x03),
    _row(SYSTEM, 0x04, "led switch", Choice("led_switch", OFF_ON), kind="setting", query=_NOT_ASKED),
    _identity(0xA1, "product model"),
    _identity(0xA2, "product id"),
    _identity(0xA3, "hardware"),
    _identity(0xA4, "firmware"),
    _row(PRODUCT, 0x08, "work mode", Choice("work_mode", {1: "fall", 2: "sleep"}), kind="setting", query=0xA8),
    _row(STATE, 0x01, "initialised", Choice("initialised", OFF_ON), kind="heartbeat"),
    _row(STATE, 0x02, "fault", Choice("device_fault", {0: "none", 1: "hardware", 2: "firmware"})),
    _row(STATE, 0x03, "uptime", Number("uptime_s", 4), kind="heartbeat"),
    _set(STATE, 0x07, "scene", Number("scene")),
    _set(
        INSTALL,
        0x01,
        "install angle",
        *(Number(f"install_angle_{axis}_deg", 2, signed=True) for axis in "xyz"),
    ),
    _set(INSTALL, 0x02, "install height", Number("install_height_cm", 2)),
    _row(RANGE, 0x07, "in range", Choice("in_range", OFF_ON)),
)

_PRESENCE = (
    _switch(PRESENCE, 0x00, "presence"),
    _row(PRESENCE, 0x01, "presence", Choice("presence", OFF_ON)),
    _row(PRESENCE, 0x02, "motion", Choice("motion", {0: "none", 1: "still", 2: "active"})),
    _row(PRESENCE, 0x03, "body movement", Number("body_movement")),
    _row(PRESENCE, 0x04, "distance", Number("distance", 2)),
    _row(PRESENCE, 0x05, "position", *(Number(f"position_{axis}", 2, signed=True) for axis in "xyz")),
    _set(PRESENCE, 0x0D, "static range", Number("static_range_cm", 2)),
    _set(PRESENCE, 0x0E, "motion range", Number("motion_range_cm", 2)),
    _row(PRESENCE, 0x10, "max energy", Number("max_energy", 4), kind="report"),
    _set(PRESENCE, 0x11, "presence threshold", Number("presence_threshold", 4)),
    _set(PRESENCE, 0x12, "no person time", Number("no_person_time_s", 4)),
)

_VITALS = (
    _switch(BREATHING, 0x00, "breathing"),
    _row(
        BREATHING,
        0x01,
        "breathing state",
        Choice("respiration_state", {1: "normal", 2: "high", 3: "low", 4: "none"}),
    ),
    _row(BREATHING, 0x02, "breathing rate", Number("respiratory_rate", absent=NO_LOCK)),
    _row(BREATHING, 0x05, "breathing wave", Wave("breath_wave")),
    _set(BREATHING, 0x0B, "low breathing limit", Number("low_breathing_limit")),
    _switch(HEART, 0x00, "heart"),
    _row(HEART, 0x02, "heart rate", Number("heart_rate", absent=NO_LOCK)),
    _row(HEART, 0x05, "heart wave", Wave("heart_wave")),
)

_SLEEP_STATE = Choice("sleep_state", {0: "deep", 1: "light", 2: "awake", 3: "none"})
_GRADE = {0: "none", 1: "normal", 2: "abnormal"}
_MEAN_BREATHING = Number("mean_respiratory_rate", absent=NO_LOCK)
_MEAN_HEART = Number("mean_heart_rate", absent=NO_LOCK)

_SLEEP = (
    _switch(SLEEP, 0x00, "sleep"),
    _row(SLEEP, 0x01, "bed", Choice("bed_occupancy", {0: "left", 1: "in", 2: "none"})),
    _row(SLEEP, 0x02, "sleep state", _SLEEP_STATE),
    _row(SLEEP, 0x03, "time awake", Number("sleep_awake", 2)),
    _row(SLEEP, 0x04, "light sleep", Number("sleep_light", 2)),
    _row(SLEEP, 0x05, "deep sleep", Number("sleep_deep", 2)),
    _row(SLEEP, 0x06, "sleep score", Number("sleep_score")),
    # The manual asks for 0C with 8D, for 0D with 8F and for 0F with 8C: not the command | 80 of the other rows.
    _restating(
        SLEEP,
        0x0C,
        "sleep composite",
        Choice("presence", OFF_ON),
        _SLEEP_STATE,
        _MEAN_BREATHING,
        _MEAN_HEART,
        Number("sleep_turns"),
        Number("large_movement_share"),
        Number("small_movement_share"),
        Number("apnea_count"),
        query=0x8D,
    ),
    _row(
        SLEEP,
        0x0D,
        "night summary",
        Number("sleep_score"),
        Number("sleep_total", 2),
        Number("sleep_awake_share"),
        Number("sleep_light_share"),
        Number("sleep_deep_share"),
        Number("out_of_bed_time"),
        Number("out_of_bed_count"),
        Number("sleep_turns"),
        _MEAN_BREATHING,
        _MEAN_HEART,
        Number("apnea_count"),
        query=0x8F,
    ),
    _row(SLEEP, 0x0E, "sleep anomaly", Choice("sleep_anomaly", {0: "short", 1: "long", 2: "absent", 3: "none"})),
    _row(SLEEP, 0x0F, "sleep mode", Choice("sleep_mode", {0: "realtime", 1: "sleep"}), kind="setting", query=0x8C),
    _row(SLEEP, 0x10, "sleep grade", Choice("sleep_grade", {0: "none", 1: "good", 2: "medium", 3: "bad"})),
    _row(SLEEP, 0x11, "struggle", Choice("struggle", _GRADE)),
    _row(SLEEP, 0x12, "unattended", Choice("unattended", _GRADE)),
    _switch(SLEEP, 0x13, "struggle"),
    _switch(SLEEP, 0x14, "unattended"),
    _set(SLEEP, 0x15, "unattended time", Number("unattended_time_min")),
    _set(SLEEP, 0x16, "sleep end delay", Number("sleep_end_delay_min")),
    _set(SLEEP, 0x1A, "struggle sensitivity", Number("struggle_sensitivity")),
)

_HEIGHT_SHARES = ("0_0_5", "0_5_1", "1_1_5", "1_5_2")

_FALL = (
    _switch(FALL, 0x00, "fall"),
    _row(FALL, 0x01, "fall", Choice("fall", OFF_ON)),
    _row(FALL, 0x05, "static stay", Choice("static_stay", OFF_ON)),
    _set(FALL, 0x0A, "static stay time", Number("static_stay_time_s", 4)),
    _switch(FALL, 0x0B, "static stay"),
    _set(FALL, 0x0C, "fall confirm time", Number("fall_confirm_time_s", 4)),
    _set(FALL, 0x0D, "fall sensitivity", Number("fall_sensitivity")),
    _row(
        FALL,
        0x0E,
        "height ratio",
        Number("height_ratio_total", 2),
        *(Number(f"height_ratio_{share}") for share in _HEIGHT_SHARES),
    ),
    _set(FALL, 0x0F, "height window", Number("height_window_s", 4)),
    _set(FALL, 0x11, "fall break height", Number("fall_break_height_cm", 2)),
    # The sources give no unit for the track point: kept as a fact, not as a position in centimetres.
    _row(FALL, 0x12, "track point", *(Number(f"track_{axis}", 2, signed=True) for axis in "xy"), kind="report"),
    _set(FALL, 0x13, "track period", Number("track_period_s", 4)),
    _switch(FALL, 0x14, "track"),
    _switch(FALL, 0x15, "height"),
    _row(FALL, 0x10, "measured height", Number("measured_height_cm", 2), kind="report"),
)

MESSAGES: tuple[Message, ...] = _SYSTEM + _PRESENCE + _VITALS + _SLEEP + _FALL
BY_NAME: Mapping[str, Message] = {message.name: message for message in MESSAGES}
BY_COMMAND: Mapping[tuple[int, int], Message] = {
    (message.control, command): message
    for message in MESSAGES
    for command in (message.command, message.query)
    if command is not None
}
"""Reports, settings and their echoes under `command`; queries and their answers under `query`."""


def is_answer(message: Message, command: int) -> bool:
    """Whether a frame with this command answers a query (as product information always does)."""
    return command == message.query
