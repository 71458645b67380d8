"""Commissioning: what an installer does with a device before it is relied on, and how it shows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from device_drivers.registry import find_driver

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
