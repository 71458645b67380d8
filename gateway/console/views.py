"""What the console shows, as plain values: pure functions of residents, live values, alerts and the time.

Nothing here knows a language, a browser or a clock. Times are UTC nanoseconds, ages are seconds. A value that no
longer stands for now is `STALE`; a value that is not known is `UNKNOWN` and has no number.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from analytics.kinds import KINDS, Priority
from device_drivers.observations import Quality
from device_drivers.signals import SIGNALS
from gateway.alerts.lifecycle import UNANSWERED, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gateway.alerts.lifecycle import Alert
    from gateway.live import LiveDevice, LiveState, LiveValue
    from gateway.registry import Device, Resident

NS = 1_000_000_000
AHEAD_TOLERANCE_S = 5.0
"""A value received this long after "now" was written under another clock: its age is not known."""
HEARD_S = 90.0
"""As long as the slowest state signal (presence) may stay silent."""
TRACE_STALE_S = SIGNALS["accel"].stale_s or 5.0
VITALS = (
    ("heart_rate",),
    ("spo2",),
    ("respiratory_rate",),
    ("body_temperature", "skin_temperature"),
)
"""The four vital signs of a card; of several signals the first one known is shown."""
DECIMALS = {"body_temperature": 1, "skin_temperature": 1}
LIFE_SIGNS = (
    *(signal for row in VITALS for signal in row),
    "body_movement",
    "respiration_state",
    "presence",
    "motion",
    "posture",
    "bed_occupancy",
)
"""Signals that tell something about the person now. None of them current: the person's state is unknown."""
WORDS: Mapping[tuple[str, bool | str], str] = {
    ("worn", True): "worn_true",
    ("worn", False): "worn_false",
    ("bed_occupancy", "in"): "bed_in",
    ("bed_occupancy", "left"): "bed_left",
    ("bed_occupancy", "none"): "bed_none",
    ("presence", True): "presence_true",
    ("presence", False): "presence_false",
}
"""Which text of the family `fact.` tells a state in words."""


class Look(StrEnum):
    """The one big state of a resident."""

    CALM = "calm"
    ATTENTION = "attention"
    ALARM = "alarm"
    UNKNOWN = "unknown"


class Freshness(StrEnum):
    """Whether a value stands for now."""

    CURRENT = "current"
    STALE = "stale"
    UNKNOWN = "unknown"


class Action(StrEnum):
    """What a person may do with an alert."""

    ACKNOWLEDGE = "acknowledge"
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"
    RESOLVE = "resolve"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class VitalView:
    """One vital sign. number: formatted, None where not known. age_s: None where never heard or not to be told.

    derived: the box has computed it from the device's wave.
    """

    signal: str
    number: str | None
    unit: str
    freshness: Freshness
    age_s: float | None
    quality: Quality = Quality.GOOD
    derived: bool = False


@dataclass(frozen=True, slots=True)
class FactView:
    """One state in words; `number` fills the text where it has one."""

    word: str
    number: int | None = None


@dataclass(frozen=True, slots=True)
class CardView:
    """One resident. reasons: kinds of the open alerts, the most urgent first. trace_device: whose acceleration."""

    resident_id: str
    name: str
    room: str
    look: Look
    flashing: bool
    reasons: tuple[str, ...]
    vitals: tuple[VitalView, ...]
    facts: tuple[FactView, ...]
    trace_device: str | None
    heard_s: float | None
    has_devices: bool


@dataclass(frozen=True, slots=True)
class AlertView:
    """One open alert. who: the resident's name, None for a device or the site. countdown_s: until it is raised."""

    id: str
    kind: str
    priority: Priority
    state: State
    resident_id: str | None
    who: str | None
    device: str | None
    where: str
    by: str | None
    started_ns: int
    running_s: float
    countdown_s: float | None
    flashing: bool
    count: int
    repeats: int
    test: bool
    actions: tuple[Action, ...]


ACTIONS: Mapping[State, tuple[Action, ...]] = {
    State.SUSPECTED: (Action.CANCEL, Action.ACKNOWLEDGE),
    State.RAISED: (Action.ACKNOWLEDGE, Action.EN_ROUTE, Action.ON_SCENE, Action.RESOLVE),
    State.DELIVERED: (Action.ACKNOWLEDGE, Action.EN_ROUTE, Action.ON_SCENE, Action.RESOLVE),
    State.ACKNOWLEDGED: (Action.EN_ROUTE, Action.ON_SCENE, Action.RESOLVE),
    State.EN_ROUTE: (Action.ON_SCENE, Action.RESOLVE),
    State.ON_SCENE: (Action.RESOLVE,),
}


def age_s(received_ns: int, now_ns: int) -> float | None:
    """Seconds since receipt; None when it lies in the future by more than the tolerance: the clock was changed."""
    age = (now_ns - received_ns) / NS
    return None if age < -AHEAD_TOLERANCE_S else max(age, 0.0)


def freshness(signal: str, value: LiveValue | None, now_ns: int) -> Freshness:
    """Whether a live value stands for now."""
    if value is None or value.value is None:
        return Freshness.UNKNOWN
    if value.is_stale(signal, now_ns) or age_s(value.received_ns, now_ns) is None:
        return Freshness.STALE
    return Freshness.CURRENT


def vital(signals: Sequence[str], devices: Sequence[LiveDevice], now_ns: int) -> VitalView:
    """The best known value of one vital sign over all of a resident's devices.

    A current value goes before a stale one, a good one before a doubtful one, then the newest.
    """
    found = [(signal, device.values[signal]) for signal in signals for device in devices if signal in device.values]
    if not found:
        return VitalView(signals[0], None, SIGNALS[signals[0]].unit, Freshness.UNKNOWN, None)
    signal, value = max(found, key=lambda pair: _standing(pair[0], pair[1], signals, now_ns))
    fresh = freshness(signal, value, now_ns)
    number = None if fresh is Freshness.UNKNOWN else format_number(signal, value.value)
    if number is None:
        fresh = Freshness.UNKNOWN
    age, quality = age_s(value.received_ns, now_ns), Quality(value.quality)
    return VitalView(signal, number, SIGNALS[signal].unit, fresh, age, quality, value.derived)


def _standing(signal: str, value: LiveValue, signals: Sequence[str], now_ns: int) -> tuple[int, int, int, int]:
    rank = {Freshness.CURRENT: 2, Freshness.STALE: 1, Freshness.UNKNOWN: 0}[freshness(signal, value, now_ns)]
    return rank, -signals.index(signal), int(value.quality == Quality.GOOD), value.received_ns


def format_number(signal: str, value: float | bool | str | None) -> str | None:
    """The number as shown, None for anything that is no number."""
    if value is None or isinstance(value, (bool, str)):
        return None
    return f"{value:.{DECIMALS.get(signal, 0)}f}"


def facts(devices: Sequence[LiveDevice], now_ns: int) -> tuple[FactView, ...]:
    """States in words that stand for now, and the lowest battery.

    A signal that only reports changes ("worn") stands for now as long as its device is heard at all.
    """
    words: dict[str, FactView] = {}
    for device in devices:
        heard_s = age_s(device.heard_ns, now_ns)
        if heard_s is None or heard_s > HEARD_S:
            continue
        for signal in ("bed_occupancy", "presence", "worn"):
            value = device.values.get(signal)
            if value is None or isinstance(value.value, float) or value.value is None:
                continue
            word = WORDS.get((signal, value.value))
            if word is not None and freshness(signal, value, now_ns) is Freshness.CURRENT:
                words.setdefault(signal, FactView(word))
    return (*words.values(), *_battery(devices, now_ns))


def _battery(devices: Iterable[LiveDevice], now_ns: int) -> tuple[FactView, ...]:
    values = [device.values["battery"] for device in devices if "battery" in device.values]
    current = [one for one in values if freshness("battery", one, now_ns) is Freshness.CURRENT]
    levels = [int(one.value) for one in current if isinstance(one.value, (int, float))]
    return (FactView("battery", min(levels)),) if levels else ()


def informed(devices: Iterable[LiveDevice], now_ns: int) -> bool:
    """Whether anything tells about the person now: a current life sign or a running acceleration trace."""
    for device in devices:
        if any(
            freshness(signal, device.values.get(signal), now_ns) is Freshness.CURRENT
            for signal in LIFE_SIGNS
            if signal in device.values
        ):
            return True
        age = trace_age_s(device, now_ns)
        if age is not None and age <= TRACE_STALE_S:
            return True
    return False


def trace_age_s(device: LiveDevice, now_ns: int) -> float | None:
    """Seconds since the last block of acceleration came, None where none came or the clock was changed."""
    return age_s(device.trace[-1].received_ns, now_ns) if device.trace else None


def look_of(alerts: Sequence[Alert], *, knows: bool) -> tuple[Look, bool]:
    """The resident's state from the open alerts about them, and whether it flashes.

    alarm: an open high-priority alert about the person. attention: a suspected or less urgent one, or a test.
    unknown: nothing is known about the person now; it goes before faults of devices, and before calm.
    """
    urgent = [one for one in alerts if is_alarm(one)]
    if urgent:
        return Look.ALARM, any(flashes(one) for one in urgent)
    if any(not KINDS[one.kind].technical for one in alerts):
        return Look.ATTENTION, False
    if not knows:
        return Look.UNKNOWN, False
    return (Look.ATTENTION if alerts else Look.CALM), False


def is_alarm(alert: Alert) -> bool:
    """Whether the alert makes its resident's state an alarm."""
    real = not alert.test and not KINDS[alert.kind].technical
    return real and alert.priority is Priority.HIGH and alert.state is not State.SUSPECTED


def flashes(alert: Alert) -> bool:
    """High priority, and nobody has answered: only this may flash."""
    return alert.priority is Priority.HIGH and alert.state in UNANSWERED and not alert.test


def card(
    resident: Resident, device_ids: Sequence[str], alerts: Sequence[Alert], live: LiveState, now_ns: int
) -> CardView:
    """One resident's card. alerts: the open ones about the resident and about the resident's devices."""
    devices = [live.devices[one] for one in device_ids if one in live.devices]
    look, flashing = look_of(alerts, knows=informed(devices, now_ns))
    heard = max((device.heard_ns for device in devices), default=0)
    traced = [one for one in device_ids if one in live.devices and live.devices[one].trace]
    return CardView(
        resident_id=resident.id,
        name=resident.display_name,
        room=resident.room,
        look=look,
        flashing=flashing,
        reasons=tuple(dict.fromkeys(one.kind for one in sorted(alerts, key=urgency))),
        vitals=tuple(vital(signals, devices, now_ns) for signals in VITALS),
        facts=facts(devices, now_ns),
        trace_device=max(traced, key=lambda one: live.devices[one].trace[-1].received_ns, default=None),
        heard_s=age_s(heard, now_ns) if heard else None,
        has_devices=bool(device_ids),
    )


def alert_view(
    alert: Alert, residents: Mapping[str, Resident], devices: Mapping[str, Device], now_ns: int
) -> AlertView:
    """One open alert as shown."""
    resident = residents.get(alert.resident_id) if alert.resident_id is not None else None
    device = devices.get(alert.devices[0]) if alert.devices else None
    rooms = [one.room for one in (device, resident) if one is not None and one.room]
    suspected = alert.state is State.SUSPECTED and alert.window_until_ns is not None
    return AlertView(
        id=alert.id,
        kind=alert.kind,
        priority=alert.priority,
        state=alert.state,
        resident_id=alert.resident_id,
        who=resident.display_name if resident is not None else alert.resident_id,
        device=(device.name or device.id) if device is not None else (alert.devices[0] if alert.devices else None),
        where=rooms[0] if rooms else "",
        by=alert.acknowledged_by,
        started_ns=alert.at_ns,
        running_s=max((now_ns - alert.at_ns) / NS, 0.0),
        countdown_s=max(((alert.window_until_ns or 0) - now_ns) / NS, 0.0) if suspected else None,
        flashing=flashes(alert),
        count=alert.count,
        repeats=alert.repeats,
        test=alert.test,
        actions=ACTIONS.get(alert.state, ()),
    )


def urgency(alert: Alert) -> tuple[bool, int, int, int, str]:
    """Sorts alerts: real before test, by priority, the unanswered before the suspected before the answered, by age."""
    standing = 0 if alert.state in UNANSWERED else 1 if alert.state is State.SUSPECTED else 2
    return alert.test, int(alert.priority), standing, alert.at_ns, alert.id
