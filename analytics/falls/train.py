"""Learns the fall model from recorded trials; needs the extra `train` (scikit-learn), which nothing at run time does.

The impacts of a trial are found by the gate itself. In a fall trial the highest one (within the marks, where the
authors marked the fall) is the fall and the others are left out; in an activity trial all are not falls, and together
weigh as the square root of their number, so that a hundred seconds of jogging do not drown a stumble.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from analytics.falls.candidates import MINIMUM_AFTER, CandidateFinder
from analytics.falls.features import AFTER, BEFORE, NAMES, WIDTH, describe
from analytics.falls.model import Model
from analytics.trials import EPOCH_NS, groups, play

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from analytics.falls.candidates import Candidates
    from analytics.trials import Trial

FALL, NO_FALL, UNUSED = 1, 0, -1
DECISION = 0.55
"""Chosen on the figures of subjects left out; docs/fall-detection.md has those of other values."""
VERSION = "falls-1"
MARK_MARGIN_S = 0.5
DEGRADED_WEIGHT = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Candidates of trials.

    features float32 (k, names); label int8 (k,): FALL, NO_FALL or UNUSED; weight float32 (k,); subject str (k,): the
    person as dataset/subject.
    """

    features: NDArray[np.float32]
    label: NDArray[np.int8]
    weight: NDArray[np.float32]
    subject: NDArray[np.str_]

    def without(self, subject: str) -> Examples:
        """Those of everybody else."""
        kept = self.subject != subject
        return Examples(self.features[kept], self.label[kept], self.weight[kept], self.subject[kept])


def examples(trials: Iterable[Trial], seed: int = 0) -> Examples:
    """What the gate finds in the trials, described and labelled, each with one degraded copy.

    Raises ValueError if the gate finds nothing.
    """
    found = list(_found(trials))
    if not found:
        raise ValueError("no trial has an impact to learn from")
    windows = np.concatenate([one.windows for one in found])
    spoiled = degraded(windows, np.random.default_rng(seed))
    label, weight = np.concatenate([one.label for one in found]), np.concatenate([one.weight for one in found])
    subject = np.concatenate([np.full(len(one.label), one.subject) for one in found])
    return Examples(
        np.concatenate([describe(windows), describe(spoiled)]),
        np.concatenate([label, label]),
        np.concatenate([weight, DEGRADED_WEIGHT * weight]),
        np.concatenate([subject, subject]),
    )


def degraded(windows: NDArray[np.float32], chance: np.random.Generator) -> NDArray[np.float32]:
    """The windows as worse equipment would give them: cut short, with a hole, at 12.5 or 25 Hz, or clipped at 2 g."""
    spoiled = windows.copy()
    ways = (_cut, _hole, _coarse, _narrow)
    for row, way in enumerate(chance.integers(0, len(ways), len(windows)).tolist()):
        ways[way](spoiled[row], chance)
    return spoiled


def _cut(window: NDArray[np.float32], chance: np.random.Generator) -> None:
    window[BEFORE + 1 + int(chance.integers(MINIMUM_AFTER, AFTER)) :] = np.nan


def _hole(window: NDArray[np.float32], chance: np.random.Generator) -> None:
    length = int(chance.integers(15, 100))
    start = int(chance.integers(0, WIDTH - length))
    if not start - 5 <= BEFORE <= start + length + 5:
        window[start : start + length] = np.nan


def _coarse(window: NDArray[np.float32], chance: np.random.Generator) -> None:
    step = int(chance.choice([2, 4]))
    kept = np.arange(int(chance.integers(0, step)), WIDTH, step)
    for axis in range(3):
        window[:, axis] = np.interp(np.arange(WIDTH), kept, window[kept, axis])


def _narrow(window: NDArray[np.float32], chance: np.random.Generator) -> None:  # noqa: ARG001
    np.clip(window, -2, 2, out=window)


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """The candidates of one trial."""

    windows: NDArray[np.float32]
    label: NDArray[np.int8]
    weight: NDArray[np.float32]
    subject: str


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
            yield _Found(windows, _labels(trial, at_s, peak), weight, f"{trial.dataset}/{trial.subject}")


def _candidates(group: list[Trial]) -> Iterator[Candidates]:
    finder = CandidateFinder(len(group))
    for position in range(len(group)):
        finder.attach(str(position))  # slots of a new finder are given in order
    end_ns = EPOCH_NS
    for end_ns, blocks in play(group):
        yield from finder.ingest(blocks)
        yield from finder.step(end_ns)
    yield from finder.step(end_ns + 10_000_000_000)


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
        "decision": model.decision,
        "protocol": "events, streamed in blocks of one second; see docs/fall-detection.md",
        "figures": {},
    }
    return replace(model, card=json.dumps(card))


def with_figures(model: Model, reports: Mapping[str, Mapping[str, Any]]) -> Model:
    """The model with what was measured on its card: for each protocol the figures of each dataset of a report."""
    card = json.loads(model.card)
    kept = ("falls", "activities", "sensitivity", "specificity", "f1", "false_alarms_per_hour")
    card["figures"] = {
        protocol: {dataset: {name: part[name] for name in kept} for dataset, part in report["by_dataset"].items()}
        for protocol, report in reports.items()
    }
    return replace(model, card=json.dumps(card))


def fit_examples(data: Examples, seed: int = 0, version: str = VERSION) -> Model:
    """A model of labelled examples, without a card. Raises ModuleNotFoundError without the extra `train`."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    used = data.label != UNUSED
    learner = HistGradientBoostingClassifier(
        max_iter=300,
        max_leaf_nodes=8,
        learning_rate=0.05,
        min_samples_leaf=10,
        l2_regularization=1.0,
        max_features=0.3,
        random_state=seed,
        early_stopping=False,
    )
    learner.fit(data.features[used], data.label[used], sample_weight=data.weight[used])
    model = _exported(learner, version)
    wanted = learner.predict_proba(data.features[used])[:, 1]
    if np.abs(model.score(data.features[used]) - wanted).max() > 1e-4:
        raise AssertionError("the exported trees do not say what the learner says")
    return model


def _exported(learner: Any, version: str) -> Model:
    trees = [stage[0].nodes for stage in learner._predictors]  # noqa: SLF001
    shape = (len(trees), max(len(tree) for tree in trees))
    feature, left, right = (np.zeros(shape, np.int16) for _ in range(3))
    threshold, value = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    missing_left = np.zeros(shape, np.bool_)
    depth = 0
    for row, tree in enumerate(trees):
        nodes = np.arange(len(tree))
        leaf = tree["is_leaf"].astype(bool)
        columns = slice(0, len(tree))
        feature[row, columns] = np.where(leaf, 0, tree["feature_idx"])
        threshold[row, columns] = np.where(leaf, 0, tree["num_threshold"])
        missing_left[row, columns] = tree["missing_go_to_left"]
        left[row, columns] = np.where(leaf, nodes, tree["left"])
        right[row, columns] = np.where(leaf, nodes, tree["right"])
        value[row, columns] = np.where(leaf, tree["value"], 0)
        depth = max(depth, int(tree["depth"].max()))
    base = float(np.ravel(learner._baseline_prediction)[0])  # noqa: SLF001
    return Model(
        feature,
        threshold,
        missing_left,
        left,
        right,
        value,
        depth,
        base,
        DECISION,
        NAMES,
        version,
        "{}",
    )
