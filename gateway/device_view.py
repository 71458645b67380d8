"""What is known of every device right now, in one place: the API and the console tell exactly this.

`look(registered, live, ways, now_ns)` is pure. Times are UTC nanoseconds, ages seconds. What is not known is None.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from device_drivers.registry import UnknownFamilyError, find_driver
from device_drivers.signals import SIGNALS
from gateway.commissioning import PREFIX, Tried, steps_of, tried_of
from gateway.mishaps import Mishaps, Namer
from gateway.silence import watch_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from device_drivers.codec import Driver
    from gateway.live import LiveDevice, LiveState, LiveValue
    from gateway.registry import Assignment, Device, Registry
    from gateway.ways import WayIn

NS = 1_000_000_000
AHEAD_TOLERANCE_S = 5.0
"""A value received this long after "now" was written under another clock: its age is not known."""
LOW_BATTERY = 20.0
MISHAP_S = 600.0
FEW_MISHAPS = 3
MAX_SHARE = 0.05
"""More than 5 % of frames rejected means a bad cable or the wrong baud rate."""
MAX_TALKERS = 200


class Standing(StrEnum):
    """How a device stands, the worst first."""

    FAULT = "fault"
    UNKNOWN = "unknown"
    NOTICE = "notice"
    OK = "ok"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is not as it should be. word: for machines; standing: how grave it is."""

    word: str
    standing: Standing
    zh: str
    en: str


def _table(standing: Standing, *rows: tuple[str, str, str]) -> dict[str, Trouble]:
    return {word: Trouble(word, standing, zh, en) for word, zh, en in rows}


TROUBLES: Mapping[str, Trouble] = {
    **_table(
        Standing.FAULT,
        ("no_driver", "没有安装此设备族的驱动", "no driver for its family is installed"),
        ("no_way", "网关设置中没有它的接入方式", "the settings have no way in for it"),
        ("way_down", "接入线路未连接", "its way in is down"),
        ("wrong_option", "选项或驱动有误", "an option or its driver is wrong"),
        ("silent", "超过时限没有收到数据", "silent for longer than it may be"),
        ("offline", "设备离线", "it is offline"),
        ("device_fault", "设备报告自身故障", "it reports a fault of its own"),
    ),
    **_table(Standing.UNKNOWN, ("never_heard", "从未收到数据", "never heard")),
    **_table(
        Standing.NOTICE,
        ("not_connected", "目前没有连接", "not connected now"),
        ("undecodable", "部分数据无法解码", "some of its data cannot be decoded"),
        ("battery_low", "电量低", "the battery is low"),
        ("tamper", "设备被拆动", "it has been tampered with"),
        ("clock_ahead", "设备时钟超前", "its clock is ahead"),
        ("test_failed", "安装检查未通过", "a step of its commissioning failed"),
        ("not_tested", "尚未做安装检查", "it has not been commissioned"),
        ("nobodys", "佩戴设备未分配给老人", "worn, and assigned to nobody"),
    ),
}
"""Every trouble, the gravest first. A device stands as its gravest one."""
_ORDER = {word: number for number, word in enumerate(TROUBLES)}
_STANDINGS = {standing: number for number, standing in enumerate(Standing)}


@dataclass(frozen=True, slots=True)
class Registered:
    """What the registry has. assigned: open assignments by device; tried: commissioning by device."""

    devices: Sequence[Device] = ()
    assigned: Mapping[str, Assignment] = field(default_factory=dict)
    tried: Mapping[str, tuple[Tried, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SignalView:
    """The latest value of one signal. age_s: since it was received, None where the box's clock was changed.

    derived: the gateway has computed it from the device's wave.
    """

    signal: str
    value: float | bool | str | None
    quality: str
    at_ns: int
    received_ns: int
    age_s: float | None
    stale: bool
    derived: bool = False


@dataclass(frozen=True, slots=True)
class WayView:
    """How a device reaches the gateway. connected: the way is up, and the device has its connection if it needs one."""

    name: str
    kind: str
    connected: bool
    error: str | None


@dataclass(frozen=True, slots=True)
class DeviceView:
    """One device. lost_after_s: how long it may be silent, None for ever. driver: None where it is not installed.

    wave_age_s: since its last piece of acceleration. mishaps: what of its data could not be decoded. tried: its
    commissioning. untried: signals of steps not tried yet.
    """

    device: Device
    driver: Driver | None
    assignment: Assignment | None
    standing: Standing
    troubles: tuple[Trouble, ...]
    heard_ns: int | None
    silent_s: float | None
    lost_after_s: float | None
    battery: float | None
    clock_skew_s: float
    signals: tuple[SignalView, ...]
    wave_age_s: float | None
    way: WayView | None
    mishaps: Mishaps
    tried: tuple[Tried, ...]
    untried: tuple[str, ...]

    @property
    def resident_id(self) -> str | None:
        """Whose it is now."""
        return self.assignment.resident_id if self.assignment is not None else None

    @property
    def fresh(self) -> bool:
        """Whether any of its values stands for now."""
        return any(not one.stale for one in self.signals)


@dataclass(frozen=True, slots=True)
class Talker:
    """A device that sends, or knocks, and is registered nowhere. family: None where several are possible."""

    id: str
    family: str | None
    way: str | None
    heard_ns: int | None
    silent_s: float | None
    signals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DevicesView:
    """Every device, those in trouble first; and those who talk without being registered, the latest first."""

    devices: tuple[DeviceView, ...]
    unknown: tuple[Talker, ...]


def read_registered(registry: Registry) -> Registered:
    """Everything that the view needs of the database; devices that are out of use too."""
    return Registered(
        devices=registry.devices(active_only=False),
        assigned={one.device_id: one for one in registry.assignments()},
        tried={device_id: tried_of(text) for device_id, text in registry.settings_below(PREFIX).items()},
    )


def look(registered: Registered, live: LiveState, ways: Sequence[WayIn], now_ns: int) -> DevicesView:
    """Every registered device, the gravest trouble first, and the talkers that are not registered."""
    paths = _Paths(registered, ways, now_ns)
    seen = [_device(one, registered, live.devices.get(one.id), paths) for one in registered.devices]
    return DevicesView(
        devices=tuple(sorted(seen, key=urgency)),
        unknown=_talkers({one.id for one in registered.devices}, live, ways, now_ns),
    )


def look_at(
    device_id: str, registered: Registered, live: LiveState, ways: Sequence[WayIn], now_ns: int
) -> DeviceView | None:
    """One registered device, None where it is not registered."""
    device = next((one for one in registered.devices if one.id == device_id), None)
    if device is None:
        return None
    return _device(device, registered, live.devices.get(device_id), _Paths(registered, ways, now_ns))


def urgency(view: DeviceView) -> tuple[int, int, str, str]:
    """Sorts devices: the gravest standing first, within it the gravest trouble, then by room and id."""
    first = _ORDER[view.troubles[0].word] if view.troubles else len(_ORDER)
    return _STANDINGS[view.standing], first, view.device.room, view.device.id


class _Paths:
    """Finds the way, the limit and the mishaps of each device."""

    def __init__(self, registered: Registered, ways: Sequence[WayIn], now_ns: int) -> None:
        self.now_ns = now_ns
        self.limits = {
            device_id: options.get("lost_after_s", math.inf)
            for device_id, options in watch_options(registered.devices).items()
        }
        self._ways = ways
        namer = Namer(one.id for one in registered.devices)
        self._named = {way.name: namer.by_owner(way.mishaps) for way in ways if way.kind == "mqtt"}

    def way(self, device: Device, driver: Driver | None) -> WayIn | None:
        """The way it was heard through, else the one by which its family comes."""
        family = driver.family if driver is not None else device.family
        heard = [way for way in self._ways if device.id in way.talkers and family in way.families]
        able = [way for way in self._ways if way.leads_to(device.id, family)]
        return next((way for way in (*heard, *able) if way.line is not None), next(iter((*heard, *able)), None))

    def mishaps(self, way: WayIn | None, device_id: str) -> Mishaps:
        """Those of the device; on a line everything that came over it."""
        if way is None:
            return Mishaps()
        if way.kind == "mqtt":
            return self._named[way.name].get(device_id, Mishaps())
        if way.kind == "tcp":
            return way.mishaps.get(device_id, Mishaps())
        return Mishaps().join(way.mishaps.values())


def _device(device: Device, registered: Registered, live: LiveDevice | None, paths: _Paths) -> DeviceView:
    driver, assignment, now_ns = _driver(device.family), registered.assigned.get(device.id), paths.now_ns
    way = paths.way(device, driver)
    heard_ns = live.heard_ns if live is not None and live.heard_ns else None
    silent_s = None if heard_ns is None else max(0.0, (now_ns - heard_ns) / NS)
    limit = paths.limits.get(device.id, math.inf)
    mishaps = paths.mishaps(way, device.id)
    tried = registered.tried.get(device.id, ())
    untried = _untried(device, driver, live, tried)
    words = {
        *_of_way(device, driver, way, heard_ns is not None, mishaps, now_ns),
        *_of_silence(silent_s, limit),
        *(_of_words(live, now_ns) if live is not None else ()),
        *(["test_failed"] if any(not one.seen for one in tried) else ["not_tested"] if untried and not tried else []),
        *(["nobodys"] if device.placement == "worn" and assignment is None else []),
    }
    troubles = tuple(TROUBLES[word] for word in sorted(words, key=_ORDER.__getitem__)) if device.active else ()
    signals = _signals(live, assignment.from_ns if assignment is not None else 0, now_ns)
    battery = next((one.value for one in signals if one.signal == "battery"), None)
    return DeviceView(
        device=device,
        driver=driver,
        assignment=assignment,
        standing=_standing(troubles, active=device.active),
        troubles=troubles,
        heard_ns=heard_ns,
        silent_s=silent_s,
        lost_after_s=limit if math.isfinite(limit) else None,
        battery=_number(battery),
        clock_skew_s=live.clock_skew_ns / NS if live is not None else 0.0,
        signals=signals,
        wave_age_s=_age(live.trace[-1].received_ns, now_ns) if live is not None and live.trace else None,
        way=_way(way, device.id) if way is not None else None,
        mishaps=mishaps,
        tried=tried,
        untried=untried,
    )


def _standing(troubles: Sequence[Trouble], *, active: bool) -> Standing:
    if not active:
        return Standing.UNUSED
    return troubles[0].standing if troubles else Standing.OK


def _driver(family: str) -> Driver | None:
    try:
        return find_driver(family)
    except UnknownFamilyError:
        return None


def _untried(device: Device, driver: Driver | None, live: LiveDevice | None, tried: Iterable[Tried]) -> tuple[str, ...]:
    if driver is None:
        return ()
    known = {one.signal for one in tried}
    heard = [*live.values, *(["accel"] if live.trace else [])] if live is not None else []
    return tuple(step.signal for step in steps_of(device.family, heard) if step.signal not in known)


def _of_way(
    device: Device, driver: Driver | None, way: WayIn | None, heard: bool, mishaps: Mishaps, now_ns: int
) -> Iterable[str]:
    if driver is None:
        yield "no_driver"
    elif way is None:
        yield "no_way"
    elif not way.connected:
        yield "way_down"
    elif heard and way.online is not None and device.id not in way.online:
        yield "not_connected"
    if way is not None and device.id in way.faults:
        yield "wrong_option"
    if way is not None and _undecodable(way, mishaps, now_ns):
        yield "undecodable"


def _undecodable(way: WayIn, mishaps: Mishaps, now_ns: int) -> bool:
    if mishaps.count < FEW_MISHAPS or not mishaps.latest:
        return False
    lately = now_ns - mishaps.latest[-1].received_ns <= MISHAP_S * NS
    return lately and (way.frames is None or mishaps.count > MAX_SHARE * (way.frames + mishaps.count))


def _of_silence(silent_s: float | None, limit_s: float) -> Iterable[str]:
    if silent_s is None:
        yield "never_heard"
    elif silent_s > limit_s:
        yield "silent"


def _of_words(live: LiveDevice, now_ns: int) -> Iterable[str]:
    """What the device says of itself. That is of the device, whoever wears it now."""
    values = live.values
    battery = values.get("battery")
    if _is(values.get("online"), False):
        yield "offline"
    for word in ("device_fault", "tamper"):
        if _reported(values.get(word)):
            yield word
    level = _number(battery.value) if battery is not None and not battery.is_stale("battery", now_ns) else None
    if (level is not None and level < LOW_BATTERY) or _is(values.get("battery_low"), True):
        yield "battery_low"
    if live.clock_skew_ns:
        yield "clock_ahead"


def _number(value: float | bool | str | None) -> float | None:
    return None if value is None or isinstance(value, bool | str) else float(value)


def _is(value: LiveValue | None, wanted: bool) -> bool:
    return value is not None and value.value is wanted


def _reported(value: LiveValue | None) -> bool:
    return value is not None and value.value not in (None, False, "none")


def _signals(live: LiveDevice | None, since_ns: int, now_ns: int) -> tuple[SignalView, ...]:
    """Values from before the present assignment are another person's and stay out."""
    if live is None:
        return ()
    return tuple(
        _signal(signal, value, now_ns)
        for signal, value in sorted(live.values.items())
        if value.received_ns >= since_ns and signal in SIGNALS
    )


def _signal(signal: str, value: LiveValue, now_ns: int) -> SignalView:
    known = _age(value.received_ns, now_ns)
    stale = known is None or value.is_stale(signal, now_ns)
    return SignalView(signal, value.value, value.quality, value.at_ns, value.received_ns, known, stale, value.derived)


def _age(received_ns: int, now_ns: int) -> float | None:
    age_s = (now_ns - received_ns) / NS
    return None if age_s < -AHEAD_TOLERANCE_S else max(age_s, 0.0)


def _way(way: WayIn, device_id: str) -> WayView:
    connected = way.connected and (way.online is None or device_id in way.online)
    return WayView(way.name, way.kind, connected, way.faults.get(device_id) or way.error)


def _talkers(known: set[str], live: LiveState, ways: Sequence[WayIn], now_ns: int) -> tuple[Talker, ...]:
    found = [_talker(device_id, one, ways, now_ns) for device_id, one in live.devices.items() if device_id not in known]
    heard = sorted(found, key=lambda one: -(one.heard_ns or 0))
    knocking = [
        Talker(identity, family, way.name, None, None, ())
        for way in ways
        for identity, family in reversed(list(way.strangers.items()))
    ]
    return (*knocking, *heard)[:MAX_TALKERS]


def _talker(device_id: str, live: LiveDevice, ways: Sequence[WayIn], now_ns: int) -> Talker:
    way = next((one for one in ways if device_id in one.talkers), None)
    family = next(iter(way.families)) if way is not None and len(way.families) == 1 else None
    signals = (*(["accel"] if live.trace else []), *sorted(live.values))
    heard_ns = live.heard_ns or None
    silent_s = None if heard_ns is None else max(0.0, (now_ns - heard_ns) / NS)
    return Talker(device_id, family, way.name if way is not None else None, heard_ns, silent_s, signals)
