"""Puts detectors together: each gets only the signals it asks for, and falls come out as one stream for each resident.

A part is any `Detector`. What it may offer beyond the protocol is used when it is there: `signals` (the names it wants;
absent or None: all), further keyword arguments of `attach` (options of a device), `close(episode)`,
`resume(finding, now_ns)`, `set_care(resident_id, care)`, `pending_devices()`, `derived()` (readings that it has made of
waves; parts that ask for their signals by name get them), `take(columns, chosen)` (in place of `ingest`, see
`analytics/columns.py`), and what `analytics.memory` describes.

A part that raises keeps no other from its work: `ingest` and `step` see all parts through and then raise
`PartsFailedError`. What the others have found is given out by the next `step`, after the failed parts were exchanged
(`analytics/mending.py`).
"""

from __future__ import annotations

import inspect
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from analytics.apnoea.watch import ApnoeaWatch
from analytics.clocks import CHINA_S
from analytics.columns import UNKNOWN, Columns, Names, wanted_codes
from analytics.daily.home import HomeWatch
from analytics.daily.zones import ZoneWatch
from analytics.device_events import PRESS_WINDOW_S, DeviceEvents
from analytics.fusion import WINDOW_S, FallFusion
from analytics.habits.watch import HabitWatch
from analytics.limit_table import RULES, Rule
from analytics.limits import VitalLimits
from analytics.rhythm.watch import RhythmWatch
from analytics.surroundings import FallSurroundings
from analytics.technical import TechnicalWatch
from analytics.vitals.watch import VitalWatch
from analytics.vitals.weight import WeightGain
from analytics.waves.readings import WaveReadings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from analytics.care import Care
    from analytics.findings import Detector, Finding
    from device_drivers.observations import Observation, Reading

Part = TypeVar("Part")


class UnknownOptionError(TypeError):
    """No part of the engine knows this option of a device."""

    def __init__(self, option: str, known: Iterable[str]) -> None:
        super().__init__(f"unknown device option {option!r}; known: {', '.join(sorted(known))}")
        self.option = option


class PartsFailedError(Exception):
    """Parts of the engine raised; the others have done their work. `errors` says which (by number) and why."""

    def __init__(self, errors: dict[int, Exception]) -> None:
        super().__init__("; ".join(f"part {number}: {error!r}" for number, error in sorted(errors.items())))
        self.errors = errors


class Engine:
    """Several detectors as one; itself a `Detector`.

    detectors: the parts; with a tuple (detector, signals) the signals are given for a part that does not name them.
    fusion: joins the falls of a resident.
    """

    def __init__(self, *detectors: Detector | tuple[Detector, Iterable[str]], fusion: FallFusion | None = None) -> None:
        self._fusion = fusion or FallFusion()
        self._found: list[Finding] = []
        self.derived: list[Reading] = []
        """Readings that came of waves in the last `ingest`."""
        self._parts: list[Detector] = []
        self._wants: list[frozenset[str] | None] = []
        for part in detectors:
            detector, signals = part if isinstance(part, tuple) else (part, getattr(part, "signals", None))
            self._parts.append(detector)
            self._wants.append(None if signals is None else frozenset(signals))
        self._wanted = [wanted_codes(wants) for wants in self._wants]
        self._options = [_option_names(part) for part in self._parts]
        self._names = Names()

    def part(self, kind: type[Part]) -> Part:
        """The part of this class, for example to set a resident's limits. Raises LookupError."""
        for part in self._parts:
            if isinstance(part, kind):
                return part
        raise LookupError(f"the engine has no {kind.__name__}")

    def attach(self, device_id: str, resident_id: str | None, **options: Any) -> None:
        """Start to watch a device. Each part gets the options it knows; UnknownOptionError if none knows one."""
        known = frozenset().union(*self._options)
        for option in options:
            if option not in known:
                raise UnknownOptionError(option, known)
        self._names.add(device_id)
        for part, names in zip(self._parts, self._options, strict=True):
            part.attach(device_id, resident_id, **{name: options[name] for name in names if name in options})

    def detach(self, device_id: str) -> None:
        """Stop watching; unknown devices are ignored."""
        self._names.remove(device_id)
        for part in self._parts:
            part.detach(device_id)
        self._fusion.forget(device_id)

    def ingest(self, observations: Sequence[Observation]) -> None:
        """Hand each part what it asks for."""
        self.derived = []
        if not observations:
            return
        columns = Columns(observations, self._names)
        errors: dict[int, Exception] = {}
        for number, part in enumerate(self._parts):
            chosen = np.flatnonzero(self._wanted[number][columns.signal])
            try:
                self._give(number, part, columns, chosen)
            except Exception as error:  # noqa: BLE001 - told to the caller when the others are done
                errors[number] = error
        self._derive(errors)
        if errors:
            raise PartsFailedError(errors)

    def step(self, now_ns: int) -> list[Finding]:
        """Everything that can be concluded by now, falls joined, in order of time."""
        errors: dict[int, Exception] = {}
        for number, part in enumerate(self._parts):
            try:
                self._found += part.step(now_ns)
            except Exception as error:  # noqa: BLE001 - told to the caller when the others are done
                errors[number] = error
        if errors:
            raise PartsFailedError(errors)
        found = sorted(self._found, key=_when)
        fused = self._fusion.fuse(found)
        self._found.clear()
        return fused

    def detector(self, number: int) -> tuple[Detector, frozenset[str] | None]:
        """One part by its number, and the signals that it is given (None: all)."""
        return self._parts[number], self._wants[number]

    def parts(self) -> tuple[Detector, ...]:
        """All parts, in the order of their numbers."""
        return tuple(self._parts)

    def options_of(self, number: int) -> frozenset[str]:
        """Names of the options of a device that a part knows."""
        return self._options[number]

    def exchange(self, number: int, part: Detector, found: Sequence[Finding] = ()) -> None:
        """Put another part in the place of a failed one. found: what it has found already, given out by `step`."""
        self._parts[number] = part
        self._found += found

    def resume(self, finding: Finding, now_ns: int) -> bool:
        """An alert of a fault that is still open from before this start: whether a part has taken it over."""
        resumes = [getattr(part, "resume", None) for part in self._parts]
        return any(resume(finding, now_ns) for resume in resumes if resume is not None)

    def set_care(self, resident_id: str, care: Care) -> None:
        """What is set for one resident, from now on."""
        for part in self._parts:
            take = getattr(part, "set_care", None)
            if take is not None:
                take(resident_id, care)

    def remember(self, only: Collection[str] | None = None) -> dict[str, dict[str, Any]]:
        """What the parts have learned of these residents (None: of all), as plain JSON: part -> resident -> state."""
        return {part.memory: part.remember(only) for part in self._parts if hasattr(part, "remember")}  # type: ignore[attr-defined]

    def recall(self, states: Mapping[str, Mapping[str, Any]]) -> None:
        """Go on from what was learned; to be called before devices are attached."""
        for part in self._parts:
            if hasattr(part, "recall") and hasattr(part, "memory") and part.memory in states:
                part.recall(states[part.memory])

    def answered(self, episode: str) -> None:
        """A person has taken the alert of this episode: a further call for help is a new one."""
        self._fusion.answered(episode)

    def close(self, episode: str) -> None:
        """A person has resolved or cancelled the alert of this episode: new evidence begins a new one."""
        for name in {episode, *self._fusion.close(episode)}:
            for part in self._parts:
                close = getattr(part, "close", None)
                if close is not None:
                    close(name)

    def pending_devices(self) -> set[str]:
        """Devices whose latest observations may still lead to a finding, so that they should not be forgotten yet."""
        asked = (getattr(part, "pending_devices", None) for part in self._parts)
        return set().union(*(pending() for pending in asked if pending is not None))

    def _derive(self, errors: dict[int, Exception]) -> None:
        """Readings that parts have made of waves, handed to those who ask for such signals by name."""
        for number, part in enumerate(self._parts):
            derive = getattr(part, "derived", None)
            if derive is not None and number not in errors:
                self.derived += derive()
        if not self.derived:
            return
        columns = Columns(self.derived, self._names)
        for number, part in enumerate(self._parts):
            if self._wants[number] is None or hasattr(part, "derived"):
                continue
            try:
                self._give(number, part, columns, np.flatnonzero(self._wanted[number][columns.signal]))
            except Exception as error:  # noqa: BLE001 - told to the caller when the others are done
                errors[number] = error

    def _give(self, number: int, part: Detector, columns: Columns, chosen: NDArray[np.int64]) -> None:
        if not chosen.size:
            return
        if _takes_columns(type(part)):
            part.take(columns, chosen)  # type: ignore[attr-defined]
            return
        wants, own = self._wants[number], [columns.observations[i] for i in chosen.tolist()]
        if wants is not None and self._wanted[number][UNKNOWN]:
            own = [o for o in own if o.signal in wants]
        if own:
            part.ingest(own)


def default_engine(
    *,
    rules: Sequence[Rule] = RULES,
    fusion_window_s: float = WINDOW_S,
    press_window_s: float = PRESS_WINDOW_S,
    path_delay_s: float = 0.0,
    path_grace_s: float = 120.0,
    fall_detector: Detector | None = None,
    offset_s: Callable[[int], int] = lambda _: CHINA_S,
) -> Engine:
    """The detectors as shipped: falls from acceleration, devices' own events, limits of vital signs, equipment.

    offset_s: seconds east of UTC at a time in UTC ns, for whatever goes by the site's clock.
    fall_detector: takes the place of `FallDetector()`, for one with other settings.
    """
    if fall_detector is None:
        from analytics.falls.detector import FallDetector

        fall_detector = FallDetector()
    signals = getattr(fall_detector, "signals", None) or ("accel", "worn")
    engine = Engine(
        (fall_detector, signals),
        DeviceEvents(press_window_s=press_window_s),
        VitalLimits(rules),
        WeightGain(),
        VitalWatch(offset_s),
        HomeWatch(offset_s),
        HabitWatch(offset_s),
        ZoneWatch(),
        WaveReadings(),
        RhythmWatch(),
        ApnoeaWatch(offset_s),
        TechnicalWatch(path_delay_s=path_delay_s, path_grace_s=path_grace_s),
        FallSurroundings(),
        fusion=FallFusion(
            window_s=fusion_window_s,
            around=lambda resident_id, at_ns: engine.part(FallSurroundings).evidence(resident_id, at_ns),
        ),
    )
    return engine


@cache
def _takes_columns(kind: type[Detector]) -> bool:
    """Whether its `take` stands for its `ingest`: a subclass that has only an `ingest` of its own means that one."""
    own = next((one for one in kind.__mro__ if "take" in vars(one) or "ingest" in vars(one)), kind)
    return "take" in vars(own)


def _when(finding: Finding) -> int:
    return finding.at_ns


def _option_names(part: Detector) -> frozenset[str]:
    """Names of the options that a part's `attach` takes: its own keywords, or those of its `attach_options`."""
    parameters = inspect.signature(part.attach).parameters.values()
    named = {p.name for p in parameters if p.kind in {p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD}}
    return frozenset(named - {"device_id", "resident_id"}) | frozenset(getattr(part, "attach_options", ()))
