"""What a site writes about a device that has no driver: where in its JSON which signal stands. Checked at start.

Every setting that is wrong is told with its place: a mapping that is silently ignored would be a sensor that is
silently dead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from device_drivers.generic_json.paths import JsonPath, PathError, as_text, compile_path
from device_drivers.observations import Quality
from device_drivers.signals import SIGNALS, Signal, SignalKind
from device_drivers.units import conversion

EDGES = frozenset({"help_button", "button"})
"""Signals that happen rather than last: each message is a new one."""
_VALUE_KEYS = {"path", "signal", "unit", "scale", "offset", "range", "absent", "words", "value", "when", "time", "edge"}
_YES_NO: Mapping[str, bool] = {"true": True, "false": False, "1": True, "0": False}


class MappingError(ValueError):
    """A mapping is wrong: where, what, and what is allowed."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")


class BadValueError(ValueError):
    """What the device sent does not fit the mapping."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Holds where one of the texts stands at the path."""

    path: JsonPath
    equals: frozenset[str]

    def holds(self, tree: Any) -> bool:
        return any(as_text(value) in self.equals for value in self.path.find(tree))


@dataclass(frozen=True, slots=True)
class ValueRule:
    """One value. path None: `constant` holds whenever the message comes (and `when` holds).

    factor, offset: from the number sent to our unit. low, high: what is valid, in our unit. absent: what stands for
    "no value". words: texts sent and what they mean; empty: our own words.
    """

    signal: Signal
    path: JsonPath | None
    factor: float
    offset: float
    low: float
    high: float
    absent: frozenset[str]
    words: Mapping[str, bool | str | None]
    constant: bool | str | float | None
    when: Condition | None
    time: JsonPath | None
    edge: bool

    def reading(self, raw: Any) -> tuple[float | None, Quality]:
        """A number in our unit, or None and why. Raises BadValueError."""
        if raw is None:
            return None, Quality.INVALID
        if as_text(raw) in self.absent:
            return None, Quality.NO_CONTACT
        sent = _number(raw)
        if math.isnan(sent):
            return None, Quality.INVALID
        value = sent * self.factor + self.offset
        if not self.low <= value <= self.high:
            return None, Quality.OUT_OF_RANGE
        return round(value, 9), Quality.GOOD

    def event(self, raw: Any) -> tuple[bool | str | None, Quality]:
        """A word of the signal, or None and why. Raises BadValueError for a word that the mapping does not know."""
        text = as_text(raw)
        if raw is None or text in self.absent:
            return None, Quality.INVALID
        if text not in self.words:
            raise BadValueError(f"{text[:80]!r} is none of {', '.join(self.words)}")
        word = self.words[text]
        return word, Quality.GOOD if word is not None else Quality.INVALID


def value_rule(given: Any, where: str) -> ValueRule:
    """Check one value's mapping: text is the name of the signal at a path of its own. Raises MappingError."""
    if isinstance(given, str):
        given = {"signal": given}
    if not isinstance(given, Mapping) or not set(given) <= _VALUE_KEYS:
        raise MappingError(where, f"{given!r}; allowed are {', '.join(sorted(_VALUE_KEYS))}")
    signal = SIGNALS.get(str(given.get("signal")))
    if signal is None or signal.kind is SignalKind.WAVEFORM:
        raise MappingError(where, f"signal {given.get('signal')!r} is no reading or event of docs/devices.md")
    reading = signal.kind is SignalKind.READING
    factor, offset = _factor(given, signal, where) if reading else (1.0, 0.0)
    low, high = _range(given.get("range"), signal, where)
    return ValueRule(
        signal=signal,
        path=_path(given["path"], where) if "path" in given else None,
        factor=factor,
        offset=offset,
        low=low,
        high=high,
        absent=_texts(given.get("absent", []), where),
        words={} if reading else _words(given.get("words"), signal, where),
        constant=_constant(given["value"], signal, where) if "value" in given else None,
        when=condition(given["when"], f"{where}.when") if "when" in given else None,
        time=_path(given["time"], where) if "time" in given else None,
        edge=bool(given.get("edge", signal.name in EDGES)),
    )


def condition(given: Any, where: str) -> Condition:
    """Check a condition: {path = ..., equals = text or list}. Raises MappingError."""
    if not isinstance(given, Mapping) or set(given) != {"path", "equals"}:
        raise MappingError(where, f"{given!r}; write {{path = ..., equals = ...}}")
    return Condition(_path(given["path"], where), _texts(given["equals"], where))


def _path(text: Any, where: str) -> JsonPath:
    try:
        return compile_path(text)
    except PathError as error:
        raise MappingError(where, str(error)) from error


def _texts(given: Any, where: str) -> frozenset[str]:
    listed = given if isinstance(given, list | tuple) else [given]
    if any(isinstance(one, Mapping | list) for one in listed):
        raise MappingError(where, f"{given!r}; write a value or a list of values")
    return frozenset(map(as_text, listed))


def _factor(given: Mapping[str, Any], signal: Signal, where: str) -> tuple[float, float]:
    """`unit` is that of the number after `scale` and `offset`."""
    scale, offset = given.get("scale", 1.0), given.get("offset", 0.0)
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in (scale, offset)):
        raise MappingError(where, f"scale {scale!r} and offset {offset!r} must be numbers")
    unit = given.get("unit", signal.unit)
    converted = conversion(str(unit), signal.unit)
    if converted is None:
        raise MappingError(where, f"unit {unit!r} cannot become {signal.unit!r}, the unit of {signal.name}")
    return scale * converted[0], offset * converted[0] + converted[1]


def _range(given: Any, signal: Signal, where: str) -> tuple[float, float]:
    if given is None:
        return signal.low, signal.high
    good = isinstance(given, list | tuple) and len(given) == 2
    if not good or not all(isinstance(one, int | float) and not isinstance(one, bool) for one in given):
        raise MappingError(where, f"range {given!r}; write [lowest, highest] in {signal.unit}")
    return max(float(given[0]), signal.low), min(float(given[1]), signal.high)


def _words(given: Any, signal: Signal, where: str) -> Mapping[str, bool | str | None]:
    if given is None:
        return {word: word for word in signal.words} or _YES_NO
    if not isinstance(given, Mapping) or not given:
        raise MappingError(where, f"words {given!r}; write {{ sent = meaning }}")
    meanings = {as_text(sent): None if meaning == "" else meaning for sent, meaning in given.items()}
    for meaning in meanings.values():
        if meaning is not None and not _is_word(meaning, signal):
            raise MappingError(where, f"{meaning!r} is no word of {signal.name}: {_allowed(signal)}")
    return meanings


def _constant(given: Any, signal: Signal, where: str) -> bool | str | float:
    if signal.kind is SignalKind.READING:
        if isinstance(given, bool) or not isinstance(given, int | float):
            raise MappingError(where, f"value {given!r} must be a number")
        return float(given)
    if not _is_word(given, signal):
        raise MappingError(where, f"value {given!r} is no word of {signal.name}: {_allowed(signal)}")
    return bool(given) if isinstance(given, bool) else str(given)


def _is_word(meaning: Any, signal: Signal) -> bool:
    return meaning in signal.words if signal.words else isinstance(meaning, bool)


def _allowed(signal: Signal) -> str:
    return ", ".join(signal.words) or "true, false"


def _number(raw: Any) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise BadValueError(f"{str(raw)[:80]!r} is no number")
    try:
        found = float(raw)
    except (ValueError, OverflowError) as error:
        raise BadValueError(f"{str(raw)[:80]!r} is no number") from error
    if math.isinf(found):
        raise BadValueError(f"{str(raw)[:80]!r} is no number")
    return found
