"""Commissioning: what an installer does with a device before it is relied on, and how it shows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from device_drivers.registry import find_driver
from device_drivers.signals import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. signal: what must then be seen; values: any of these (any value at all where empty)."""

    signal: str
    zh: str
    en: str
    values: tuple[Any, ...] = ()


STEPS = (
    Step("help_button", "请按下呼救按钮。", "Press the help button.", (True,)),
    Step("presence", "请走进房间并走动。", "Walk into the room and about.", (True,)),
    Step("fall", "请按说明做跌倒测试（躺倒在地，不要起身）。", "Do the fall test: lie down on the floor.", (True,)),
    Step("bed_occupancy", "请躺到床上。", "Lie down on the bed.", ("in",)),
    Step("accel", "请戴上设备并活动手臂。", "Put the device on and move."),
    Step("heart_rate", "请戴好或坐到设备前，等待心率。", "Wear it or sit before it and wait for the heart rate."),
    Step("spo2", "请把手指放入血氧仪。", "Put a finger into the oximeter."),
    Step("door", "请打开门再关上。", "Open the door and close it."),
    Step("smoke", "请按住烟感的测试按钮。", "Hold the test button of the smoke detector."),
)
STEP_OF = {step.signal: step for step in STEPS}
METERS = (
    Step("body_weight", "请站上体重秤。", "Step on the scale."),
    Step("systolic_pressure", "请量一次血压。", "Measure the blood pressure."),
    Step("body_temperature", "请量一次体温。", "Measure the body temperature."),
    Step("blood_glucose", "请测一次血糖。", "Measure the blood glucose."),
    Step("gas", "请按住燃气报警器的测试按钮。", "Hold the test button of the gas alarm.", (True,)),
    Step("carbon_monoxide", "请按住一氧化碳报警器的测试按钮。", "Hold the test button of the CO alarm.", (True,)),
    Step("water_leak", "请用湿布碰一下漏水探头。", "Touch the probe with a wet cloth.", (True,)),
    Step("occupancy", "请在传感器前走动。", "Walk about before the sensor.", (True,)),
    Step("button", "请按一下按钮。", "Press the button."),
)
"""Steps of what most devices are not for: tried where a device has said such a thing, or its family gives no other."""
ASIDE = frozenset(
    {
        *("battery", "battery_voltage", "battery_low", "charging"),
        *("link_quality", "signal_strength", "online", "tamper", "device_fault"),
    }
)
"""Signals that do not tell what a device is for."""
TESTED_BY_BUTTON = {"smoke": "alarm_test", "gas": "alarm_test", "carbon_monoxide": "alarm_test"}


PREFIX = "commissioning:"


@dataclass(frozen=True, slots=True)
class Tried:
    """One step that was tried: whether the gateway saw it, and when (UTC nanoseconds)."""

    signal: str
    seen: bool
    at_ns: int


def commissioning_key(device_id: str) -> str:
    """Name of the setting that keeps what was tried with a device."""
    return f"{PREFIX}{device_id}"


def tried_text(tried: Iterable[Tried]) -> str:
    """The value of that setting: JSON {"steps": {signal: {"seen": ..., "at_ns": ...}}}."""
    return json.dumps({"steps": {one.signal: {"seen": one.seen, "at_ns": one.at_ns} for one in tried}})


def tried_of(text: str | None) -> tuple[Tried, ...]:
    """The steps kept in that setting, in their order; none where it is absent or not readable.

    Older ones hold {"at_ns": ..., "steps": {signal: seen}}.
    """
    try:
        tree = json.loads(text or "{}")
        return tuple(_tried(signal, step, tree.get("at_ns", 0)) for signal, step in tree.get("steps", {}).items())
    except (ValueError, TypeError, KeyError, AttributeError):
        return ()


def merged(known: Iterable[Tried], new: Iterable[Tried]) -> tuple[Tried, ...]:
    """What is known after some steps were tried again."""
    return tuple({one.signal: one for one in (*known, *new)}.values())


def _tried(signal: str, step: Any, at_ns: int) -> Tried:
    if isinstance(step, bool):
        return Tried(signal, step, int(at_ns))
    return Tried(signal, step["seen"] is True, int(step["at_ns"]))


def steps_of(family: str, heard: Iterable[str]) -> list[Step]:
    """The steps for a device: of what its family can give, what this one has been heard to give; all if nothing yet.

    A bridge's family gives what dozens of kinds of device give; what one of them is shows in what it says. Raises
    UnknownFamilyError.
    """
    able = [step for step in STEPS if step.signal in find_driver(family).signals]
    said = set(heard)
    return [step for step in able if step.signal in said] or able


def step_of(signal: str) -> Step:
    """The step for any signal there is, with words made of its name where it has none. Raises KeyError."""
    row = SIGNALS[signal]
    known = {**{step.signal: step for step in METERS}, **STEP_OF}
    return known.get(signal) or Step(signal, f"请让设备给出：{row.zh}。", f"Make the device give: {row.en}.")


def what_to_try(family: str, heard: Iterable[str]) -> tuple[list[Step], bool]:
    """The steps for a device by what it was heard to give, and whether that is known to be what it can do.

    A family of one kind of device (a stream of its own, or one thing to try) is known before anything was heard; of a
    bridge's device only what it has said tells what it is. Raises UnknownFamilyError.
    """
    driver = find_driver(family)
    said = [one for one in dict.fromkeys(heard) if one in SIGNALS and one not in ASIDE]
    if said:
        return _worth_trying(said), True
    able = _worth_trying([one for one in driver.signals if one not in ASIDE])
    return able, driver.stream is not None or len(able) == 1


def _worth_trying(signals: list[str]) -> list[Step]:
    for table in (STEPS, METERS):
        found = [step for step in table if step.signal in signals]
        if found:
            return found
    return [step_of(one) for one in signals]


def picked(answer: str, number: int) -> list[int] | None:
    """Indices that "1, 3" means of so many; everything where empty; None where it means nothing."""
    words = answer.replace(",", " ").replace("，", " ").split()
    if not words:
        return list(range(number))
    wanted = [int(word) - 1 if word.isascii() and word.isdigit() else -1 for word in words]
    return sorted(set(wanted)) if all(0 <= one < number for one in wanted) else None


def well_done(step: Step, values: Iterable[Mapping[str, Any]], since_ns: int) -> bool:
    """Whether the device's live values show the step, received after `since_ns` (UTC nanoseconds)."""
    signals = {step.signal, TESTED_BY_BUTTON.get(step.signal, step.signal)}
    return any(
        value["signal"] in signals
        and value["received"]["ns"] >= since_ns
        and value["value"] is not None
        and (not step.values or value["value"] in step.values)
        for value in values
    )
