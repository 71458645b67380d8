"""What Milesight's items mean in our signals. What is no signal becomes a note with the table's own names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from device_drivers.json_payload import SECOND_NS
from device_drivers.lorawan import milesight
from device_drivers.observations import Quality

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from device_drivers.lorawan.fields import Value
    from device_drivers.lorawan.sink import Sink

    Handler = Callable[[Sink, Mapping[str, Value]], None]

SIGNALS_GIVEN = (
    *("fall", "fall_warning", "motionless_alarm", "dwell_alarm", "help_button", "button", "presence", "motion"),
    *("posture", "bed_occupancy", "occupancy", "respiration_state", "respiratory_rate", "door", "tamper", "battery"),
)

_TRUTH = {"triggered": True, "deactivated": False, "ignored": False}
_STATES: Mapping[str, str] = {
    "fall": "fall",
    "motionless": "motionless_alarm",
    "dwell": "dwell_alarm",
    "lying": "fall_warning",
}
_BEGINNINGS: Mapping[str, tuple[str, bool | str]] = {
    "out_of_bed": ("bed_occupancy", "left"),
    "occupied": ("presence", True),
    "vacant": ("presence", False),
    "bradypnea": ("respiration_state", "low"),
    "tachypnea": ("respiration_state", "high"),
}
"""What these alarms say when they begin; that they end says nothing sure (a person may have dismissed them)."""
_RESPIRATION = {"normal": "normal", "fast": "high", "slow": "low", "no_data": "none", "undetectable": "none"}
_PRESS_WORDS = {"short": "single", "double": "double", "long": "hold"}


def observe(items: list[milesight.Item], sink: Sink) -> None:
    """Everything these items say, in order; identity and settings as one note each."""
    for name, kind in (("identity", "identity"), ("setting", "setting")):
        facts = milesight.merged(items, name)
        if facts:
            sink.note(kind, **{k: "..." if k in milesight.SECRET_SETTINGS else v for k, v in facts.items()})
    for item in items:
        handler = _HANDLERS.get(item.row.name)
        if handler is not None:
            handler(sink, item.values)


def _battery(sink: Sink, values: Mapping[str, Value]) -> None:
    sink.reading("battery", float(values["battery"]))


def _power_on(sink: Sink, values: Mapping[str, Value]) -> None:
    sink.note("heartbeat", **values)


def _report(sink: Sink, values: Mapping[str, Value]) -> None:
    sink.note("report", **values)


def _status(sink: Sink, values: Mapping[str, Value]) -> None:
    """VS373's summary. Nobody seen, or somebody out of bed, does not end a fall: he may lie behind the bed."""
    detection, target = values["detection"], values["target"]
    sink.note("report", **values)
    if detection in ("normal", "in_bed", "fall"):
        sink.state("fall", detection == "fall")
        sink.state("presence", True)
    elif detection == "vacant":
        sink.state("presence", False)
        sink.state("motion", "none")
    if detection in ("in_bed", "out_of_bed"):
        sink.state("bed_occupancy", "in" if detection == "in_bed" else "left")
    if target == "motionless":
        sink.state("motion", "still")
    elif target == "lying":
        sink.state("posture", "lying")


def _alarm(sink: Sink, values: Mapping[str, Value]) -> None:
    what, status = str(values["type"]), str(values["status"])
    sink.note("report", **_without_placeholders(values))
    said = _said(what, status)
    if said is None:
        return
    signal, value = said
    number = int(values["alarm_id"])
    if what not in _STATES or number == milesight.NO_ALARM_ID:
        sink.state(signal, value)
        return
    began = sink.memory.alarm_began(f"{what} {status}", number, sink.at_ns)
    sink.event(signal, value, repeat=began != sink.at_ns, token=f"{what}-{number}-{began}")


def _history(sink: Sink, values: Mapping[str, Value]) -> None:
    sink.note("report", **_without_placeholders(values), stored=True)
    said = _said(str(values["type"]), str(values["status"]))
    if said is not None:
        sink.stored(*said, int(values["timestamp"]) * SECOND_NS, token=f"{values['type']}-{values['alarm_id']}")


def _said(what: str, status: str) -> tuple[str, bool | str] | None:
    if what in _STATES:
        truth = _TRUTH.get(status)
        return None if truth is None else (_STATES[what], truth)
    return _BEGINNINGS.get(what) if status in ("triggered", "respiratory_status") else None


def _without_placeholders(values: Mapping[str, Value]) -> dict[str, Value]:
    placeholders = {"alarm_id": milesight.NO_ALARM_ID, "region": milesight.NO_REGION}
    return {name: value for name, value in values.items() if placeholders.get(name) != value}


def _respiration(sink: Sink, values: Mapping[str, Value]) -> None:
    state = _RESPIRATION.get(str(values["respiration_status"]))
    locked = state not in (None, "none")
    rate = float(values["respiration"])
    if locked and rate:
        sink.reading("respiratory_rate", rate)
    else:
        sink.reading("respiratory_rate", None, Quality.NO_CONTACT)
    sink.state("respiration_state", state, Quality.GOOD if state is not None else Quality.INVALID)
    sink.note("report", respiration_status=values["respiration_status"])


def _press(sink: Sink, values: Mapping[str, Value]) -> None:
    """WS101 is sold as an SOS button: without set-up every press calls for help, also one of an unknown kind."""
    press = str(values["press"])
    sink.note("report", press=values["press"])
    sink.press(_PRESS_WORDS.get(press, "other"), press, sos=True)


def _panel_press(sink: Sink, values: Mapping[str, Value]) -> None:
    press = str(values["press"])
    sink.note("report", **values)
    sink.press(_PRESS_WORDS.get(press, "other"), press, f"{values['button']}", f"{values['button']}:{press}", sos=False)


def _door(sink: Sink, values: Mapping[str, Value]) -> None:
    _word(sink, "door", values["door"], {"open": "open", "closed": "closed"})


def _tamper(sink: Sink, values: Mapping[str, Value]) -> None:
    _word(sink, "tamper", values["tamper"], {"installed": False, "removed": True})


def _occupancy(sink: Sink, values: Mapping[str, Value]) -> None:
    (value,) = values.values()
    _word(sink, "occupancy", value, {"normal": False, "vacant": False, "trigger": True, "occupied": True})
    sink.note("report", **values)


def _word(sink: Sink, signal: str, value: Value, words: Mapping[str, bool | str]) -> None:
    known = words.get(str(value))
    sink.state(signal, known, Quality.GOOD if known is not None else Quality.INVALID)


def _ambiguous(sink: Sink, values: Mapping[str, Value]) -> None:
    sink.note("unknown", why="the model is not known: set it in `models`", **values)


_HANDLERS: Mapping[str, Handler] = {
    "battery": _battery,
    "power_on": _power_on,
    "status": _status,
    "regions": _report,
    "region_types": _report,
    "out_of_bed_time": _report,
    "alarm": _alarm,
    "respiration": _respiration,
    "history": _history,
    "press": _press,
    "panel_press": _panel_press,
    "door": _door,
    "tamper": _tamper,
    "occupancy": _occupancy,
    "light": _report,
    "ambiguous": _ambiguous,
}
