"""Learns the fall model from recorded trials; needs the extra `train` (scikit-learn), which nothing at run time does.

The impacts of a trial are found by the gate itself. In a fall trial the highest one (within the marks, where the
authors marked the fall) is the fall and the others are left out; in an activity trial all are not falls, and together
weigh as the square root of their number, so that a hundred seconds of jogging do not drown a stumble.

Nothing may be learned from how a set was recorded. An example whose window is cut by the start or end of its trial is
not learned from as it is (activities are cut more often than falls); cuts are made at random in copies of all. And
activities of a set whose falls were recorded by a slower clock are learned from as that clock would have given them.

Calibration and operating points come from people whom the forests did not see (groups of subjects left out in turn).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from analytics.changed import Changed, clipped
from analytics.falls.candidates import CandidateFinder, outdone
from analytics.falls.features import BEFORE, LOOKS, describe
from analytics.falls.fitting import Rows, fit_head
from analytics.falls.model import GRADES, NARROW_G, WEAR_SITES, Model, head_name
from analytics.falls.variation import COPIES, through_clock, varied
from analytics.trials import EPOCH_NS, groups, play

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from analytics.falls.candidates import Candidates
    from analytics.trials import Trial

FALL, NO_FALL, UNUSED = 1, 0, -1
VERSION = "falls-2"
MARK_MARGIN_S = 0.5
COPY_WEIGHT = 0.6
WIDEST = BEFORE + 1 + LOOKS[-1]
FALL_CLOCKS_HZ = {"weda-fall": 39.8}
"""Sets whose falls were recorded by another clock than the activities."""


LIMITS = (
    "learned from acted falls of mostly young people: nobody knows how real falls of the old differ in all of it",
    "a slide or a slow collapse without an impact of 1.6 g is not a candidate",
    "12.5 Hz costs about four points of F1, a range of 2 g about two",
    "wear sites other than wrist and waist were not learned from",
)
"""What every model of these sets cannot do; part of its card."""


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Candidates of trials; varied copies follow the originals.

    features: of each look float32 (k, names); complete bool (k, looks): the window was known to its ends (and the last
    look is had); followed bool (k,): the last look is had: what it needs was known, and no harder impact follows in it.
    label int8 (k,): FALL, NO_FALL or UNUSED; weight float32 (k,); subject str (k,): the person as dataset/subject;
    site str (k,): where it was worn; trial str (k,): its name; grade str (k,): of the equipment; copy bool (k,).
    """

    features: tuple[NDArray[np.float32], ...]
    complete: NDArray[np.bool_]
    followed: NDArray[np.bool_]
    label: NDArray[np.int8]
    weight: NDArray[np.float32]
    subject: NDArray[np.str_]
    site: NDArray[np.str_]
    trial: NDArray[np.str_]
    grade: NDArray[np.str_]
    copy: NDArray[np.bool_]

    def take(self, kept: NDArray[np.bool_]) -> Examples:
        """The chosen ones only."""
        rows = {one.name: getattr(self, one.name)[kept] for one in _ROWS}
        return Examples(tuple(part[kept] for part in self.features), **rows)

    def without(self, subject: str) -> Examples:
        """Those of everybody else."""
        return self.take(self.subject != subject)


_ROWS = [one for one in fields(Examples) if one.name != "features"]


def examples(trials: Sequence[Trial], seed: int = 0, grades: Sequence[str] = GRADES) -> Examples:
    """What the gate finds in the trials, as equipment of these grades gives them, described and labelled, with copies.

    Raises ValueError if the gate finds nothing.
    """
    chance = np.random.default_rng(seed)
    parts = [_described(list(_found(_sent(trials, grade))), chance, grade) for grade in grades]
    if not sum(len(part.label) for part in parts):
        raise ValueError("no trial has an impact to learn from")
    looks = tuple(np.concatenate([part.features[look] for part in parts]) for look in range(len(LOOKS)))
    rows = {one.name: np.concatenate([getattr(part, one.name) for part in parts]) for one in _ROWS}
    return Examples(looks, **rows)


def _sent(trials: Sequence[Trial], grade: str) -> list[Trial]:
    """The trials as equipment of this grade would have sent them."""
    heard = [_heard(trial) for trial in trials]
    return [clipped(NARROW_G)(trial) for trial in heard] if grade == "narrow" else heard


def _described(found: list[_Found], chance: np.random.Generator, grade: str) -> Examples:
    """What was found, with its varied copies."""
    windows = np.concatenate([one.windows for one in found]) if found else np.empty((0, WIDEST, 3), np.float32)
    count = [len(one.label) for one in found]
    followed = np.isfinite(windows[:, -1, 0]) & ~outdone(windows)
    complete = np.column_stack([np.isfinite(windows[:, : BEFORE + 1 + after, 0]).all(axis=1) for after in LOOKS])
    complete[:, -1] &= followed
    times = 1 + len(COPIES[grade])
    copied = np.arange(times * len(windows)) >= len(windows)
    weight = np.tile(np.concatenate([one.weight for one in found] or [np.empty(0, np.float32)]), times)
    everything = np.concatenate([windows, *(varied(windows, chance, one) for one in COPIES[grade])])
    return Examples(
        tuple(describe(everything[:, : BEFORE + 1 + after]) for after in LOOKS),
        np.tile(complete, (times, 1)),
        np.tile(followed, times),
        np.tile(np.concatenate([one.label for one in found] or [np.empty(0, np.int8)]), times),
        np.where(copied, COPY_WEIGHT * weight, weight).astype(np.float32),
        np.tile(np.repeat([f"{one.trial.dataset}/{one.trial.subject}" for one in found], count).astype(np.str_), times),
        np.tile(np.repeat([one.trial.site for one in found], count).astype(np.str_), times),
        np.tile(np.repeat([one.trial.name for one in found], count).astype(np.str_), times),
        np.full(times * len(windows), grade),
        copied,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """The candidates of one trial."""

    windows: NDArray[np.float32]
    label: NDArray[np.int8]
    weight: NDArray[np.float32]
    trial: Trial


def _found(trials: Iterable[Trial]) -> Iterator[_Found]:
    for group in groups(trials):
        found = list(_candidates(group))
        slots = np.concatenate([part.slots for part in found]) if found else np.empty(0, np.int64)
        for slot in np.unique(slots).tolist():
            trial, own = group[slot], slots == slot
            at_s = (np.concatenate([part.at_ns for part in found])[own] - EPOCH_NS) / 1e9
            peak = np.concatenate([part.peak_g for part in found])[own]
            windows = np.concatenate([part.windows for part in found])[own]
            weight = np.full(len(peak), 1.0 if trial.is_fall else len(peak) ** -0.5, np.float32)
            yield _Found(windows, _labels(trial, at_s, peak), weight, trial)


def _candidates(group: list[Trial]) -> Iterator[Candidates]:
    """What the gate finds, as the last look sees it."""
    finder = CandidateFinder(len(group))
    for position in range(len(group)):
        finder.attach(str(position))  # slots of a new finder are given in order
    end_ns = EPOCH_NS
    for end_ns, blocks in play(group):
        yield from _last(finder.ingest(blocks))
        yield from _last(finder.step(end_ns))
    yield from _last(finder.step(end_ns + 10_000_000_000))


def _last(rounds: Iterable[list[Candidates]]) -> Iterator[Candidates]:
    return (one for looked in rounds for one in looked if one.look == len(LOOKS) - 1)


def _heard(trial: Trial) -> Trial:
    """The trial as the clock of its set's falls would have recorded it."""
    clock_hz = None if trial.is_fall else FALL_CLOCKS_HZ.get(trial.dataset)
    if clock_hz is None or len(trial.accel_g) < 3:
        return trial
    return replace(Changed.of(trial), accel_g=through_clock(trial.accel_g, trial.rate_hz, clock_hz))


def _labels(trial: Trial, at_s: NDArray[np.float64], peak: NDArray[np.float32]) -> NDArray[np.int8]:
    if not trial.is_fall:
        return np.full(len(at_s), NO_FALL, np.int8)
    label = np.full(len(at_s), UNUSED, np.int8)
    start = -np.inf if trial.fall_start_s is None else trial.fall_start_s - MARK_MARGIN_S
    end = np.inf if trial.fall_end_s is None else trial.fall_end_s + MARK_MARGIN_S
    inside = (at_s >= start) & (at_s <= end)
    label[np.where(inside, peak, -1.0).argmax()] = FALL
    return label


def fit(trials: Iterable[Trial], seed: int = 0, version: str = VERSION) -> Model:
    """A model of these trials, with its card; the same trials in the same order and the same seed give the same model.

    Raises ValueError if the gate finds nothing in them, ModuleNotFoundError without the extra `train`.
    """
    everything = [trial for trial in trials if len(trial.accel_g)]
    model = fit_examples(examples(everything, seed), seed, version)
    card = {
        "trained_on": sorted({trial.dataset for trial in everything}),
        "subjects": sorted({f"{trial.dataset}/{trial.subject}" for trial in everything}),
        "falls": sum(trial.is_fall for trial in everything),
        "activities": sum(not trial.is_fall for trial in everything),
        "seed": seed,
        "protocol": "events, streamed in blocks of one second; see docs/fall-detection.md",
        **json.loads(model.card),
        "limits": LIMITS,
        "figures": {},
    }
    return replace(model, card=json.dumps(card))


def with_figures(model: Model, protocol: str, reports: Iterable[Mapping[str, Any]]) -> Model:
    """The model with what was measured by this protocol on its card: the figures of each dataset of the reports.

    Raises KeyError for what is no report of falls.
    """
    card = json.loads(model.card)
    kept = ("falls", "activities", "sensitivity", "specificity", "f1", "false_alarms_per_hour")
    figures = {
        dataset: {name: part[name] for name in kept}
        for report in reports
        for dataset, part in report["by_dataset"].items()
    }
    return replace(model, card=json.dumps(card | {"figures": card["figures"] | {protocol: figures}}))


def fit_examples(data: Examples, seed: int = 0, version: str = VERSION) -> Model:
    """A model of labelled examples: a head for each wear site (and grade of equipment) that has falls and activities,
    or one for all together.

    Its card tells how well it is calibrated. Raises ModuleNotFoundError without the extra `train`.
    """
    data = data.take(data.label != UNUSED)
    head_of = np.array([WEAR_SITES.get(site, "") for site in data.site.tolist()])
    named = zip(head_of.tolist(), data.grade.tolist(), strict=True)
    head_of = np.array([head and head_name(head, grade) for head, grade in named])
    able = sorted(head for head in set(head_of.tolist()) - {""} if len(set(data.label[head_of == head].tolist())) == 2)
    if able:
        heads = {head: fit_head(_rows(data.take(head_of == head)), seed) for head in able}
    else:
        heads = {"any": fit_head(_rows(data), seed)}
    card = {
        "calibration": {head: fitted.calibration for head, fitted in heads.items()},
        "operating_points": {head: fitted.points for head, fitted in heads.items()},
    }
    forests = {head: fitted.forests for head, fitted in heads.items()}
    points = {head: fitted.thresholds() for head, fitted in heads.items()}
    return Model(forests, points, version, json.dumps(card))


def _rows(data: Examples) -> Rows:
    return Rows(
        data.features, data.complete, data.followed, data.label, data.weight, data.subject, data.trial, data.copy
    )
