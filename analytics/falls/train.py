"""Learns the fall model from recorded trials; needs the extra `train` (scikit-learn), which nothing at run time does.

The impacts of a trial are found by the gate itself. In a fall trial the highest one (within the marks, where the
authors marked the fall) is the fall and the others are left out; in an activity trial all are not falls, and together
weigh as the square root of their number, so that a hundred seconds of jogging do not drown a stumble.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from analytics.falls.candidates import CandidateFinder
from analytics.falls.features import NAMES, describe
from analytics.falls.model import Model
from analytics.trials import EPOCH_NS, groups, play

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from analytics.falls.candidates import Candidates
    from analytics.trials import Trial

FALL, NO_FALL, UNUSED = 1, 0, -1
DECISION = 0.4
MARK_MARGIN_S = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Candidates of trials.

    features float32 (k, names); label int8 (k,): FALL, NO_FALL or UNUSED; weight float32 (k,); trial int64 (k,): the
    position of the trial; subject str (k,): its person as dataset/subject.
    """

    features: NDArray[np.float32]
    label: NDArray[np.int8]
    weight: NDArray[np.float32]
    trial: NDArray[np.int64]
    subject: NDArray[np.str_]

    def without(self, subject: str) -> Examples:
        """Those of everybody else."""
        kept = self.subject != subject
        return Examples(self.features[kept], self.label[kept], self.weight[kept], self.trial[kept], self.subject[kept])


def examples(trials: Iterable[Trial]) -> Examples:
    """What the gate finds in the trials, described and labelled. Raises ValueError if it finds nothing."""
    parts: list[tuple[NDArray[np.float32], NDArray[np.int8], NDArray[np.float32], int, str]] = []
    number = 0
    for group in groups(trials):
        for position, (features, at_s, peak) in _by_trial(group):
            trial = group[position]
            label = _labels(trial, at_s, peak)
            weight = np.full(len(label), 1.0 if trial.is_fall else len(label) ** -0.5, np.float32)
            parts.append((features, label, weight, number + position, f"{trial.dataset}/{trial.subject}"))
        number += len(group)
    if not parts:
        raise ValueError("no trial has an impact to learn from")
    return Examples(
        np.concatenate([part[0] for part in parts]),
        np.concatenate([part[1] for part in parts]),
        np.concatenate([part[2] for part in parts]),
        np.concatenate([np.full(len(part[1]), part[3]) for part in parts]),
        np.concatenate([np.full(len(part[1]), part[4]) for part in parts]),
    )


def _by_trial(
    group: list[Trial],
) -> Iterator[tuple[int, tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float32]]]]:
    found = list(_candidates(group))
    if not found:
        return
    slots = np.concatenate([part.slots for part in found])
    features = np.concatenate([describe(part.windows) for part in found])
    at_s = (np.concatenate([part.at_ns for part in found]) - EPOCH_NS) / 1e9
    peak = np.concatenate([part.peak_g for part in found])
    for slot in np.unique(slots):
        own = np.flatnonzero(slots == slot)
        own = own[np.argsort(at_s[own])]
        yield int(slot), (features[own], at_s[own], peak[own])


def _candidates(group: list[Trial]) -> Iterator[Candidates]:
    finder = CandidateFinder(len(group))
    for position in range(len(group)):
        if finder.attach(str(position)) != position:
            raise AssertionError("slots of a new finder are given in order")
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


def fit(trials: Iterable[Trial], seed: int = 0, *, version: str = "falls-1", card: str = "{}") -> Model:
    """A model of these trials; the same trials in the same order and the same seed give the same model."""
    return fit_examples(examples(trials), seed, version=version, card=card)


def fit_examples(data: Examples, seed: int = 0, *, version: str = "falls-1", card: str = "{}") -> Model:
    """A model of examples that are labelled already. Raises ModuleNotFoundError without the extra `train`."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    used = data.label != UNUSED
    learner = HistGradientBoostingClassifier(
        max_iter=150,
        max_leaf_nodes=8,
        learning_rate=0.08,
        min_samples_leaf=20,
        l2_regularization=1.0,
        random_state=seed,
        early_stopping=False,
    )
    learner.fit(data.features[used], data.label[used], sample_weight=data.weight[used])
    model = _exported(learner, version, card)
    wanted = learner.predict_proba(data.features[used])[:, 1]
    if np.abs(model.score(data.features[used]) - wanted).max() > 1e-4:
        raise AssertionError("the exported trees do not say what the learner says")
    return model


def _exported(learner: Any, version: str, card: str) -> Model:
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
        json.dumps(json.loads(card)),
    )
