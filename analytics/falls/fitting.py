"""Fits one head of the fall model: a forest for each look, its calibration, and the operating points.

Forests of extremely randomised trees (Geurts, Ernst, Wehenkel 2006); Platt's calibration on people left out; operating
points where F-beta of whole trials is best on the same people, or within NEAR of it at a lower threshold, because the
curve is flat, a missed fall is worse, and a lower threshold is reached earlier: beta 1 is the normal point, 2 holds a
missed fall four times as dear as a false alarm, 0.5 the other way round.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from analytics import intervals
from analytics.falls.model import Forest, calibrated, log_odds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

TREES = 200
FOLDS = 6
TREES_OF_FOLD = 200
"""As many as in service: operating points found with 60 lay up to 0.2 apart from one set of people to the next."""
FEATURES_TRIED = 0.2
BETAS = {"low": 0.5, "normal": 1.0, "high": 2.0}
GRID = np.arange(0.02, 0.985, 0.005)
PLATEAU = 9
"""Points of the grid over which F-beta is averaged: a lone peak is chance."""
NEAR = 0.005
LEAST_FOUND = 0.9
"""Share of falls (lower 95 % bound) that every operating point finds, as far as any does."""
BINS = 10
KEPT = 8
_fitted: OrderedDict[str, Head] = OrderedDict()


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Examples of one head; see `train.Examples`. label: 1 fall, 0 none."""

    features: tuple[NDArray[np.float32], ...]
    complete: NDArray[np.bool_]
    followed: NDArray[np.bool_]
    label: NDArray[np.int8]
    weight: NDArray[np.float32]
    subject: NDArray[np.str_]
    trial: NDArray[np.str_]
    copy: NDArray[np.bool_]

    def digest(self, seed: int) -> str:
        """Identity of what is learned from."""
        parts = [
            *self.features,
            self.complete,
            self.followed,
            self.label,
            self.weight,
            self.subject,
            self.trial,
            self.copy,
        ]
        return sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts) + str(seed).encode()).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """forests: one for each look. points: by sensitivity its threshold and, of people left out, the share of falls that
    are found and of activities left alone. calibration: by look Brier score and error. Both JSON-ready.
    """

    forests: tuple[Forest, ...]
    points: Mapping[str, Mapping[str, Any]]
    calibration: Mapping[str, Any]

    def thresholds(self) -> dict[str, float]:
        """By sensitivity."""
        return {name: float(point["threshold"]) for name, point in self.points.items()}


def fit_head(rows: Rows, seed: int) -> Head:
    """The head of these rows; the same rows and seed give the same head. The latest few are remembered."""
    key = rows.digest(seed)
    if key not in _fitted:
        _fitted[key] = _fit_head(rows, seed)
        while len(_fitted) > KEPT:
            _fitted.popitem(last=False)
    _fitted.move_to_end(key)
    return _fitted[key]


def _fit_head(rows: Rows, seed: int) -> Head:
    shares = left_out_shares(rows, seed)
    lines = [_platt(shares[:, look], rows, look) for look in range(len(rows.features))]
    forests = tuple(_forest(rows, look, seed, line) for look, line in enumerate(lines))
    columns = [calibrated(shares[:, look], *line) for look, line in enumerate(lines)]
    scores = _highest(np.column_stack(columns), rows)
    quality = {f"look {look + 1}": _quality(columns[look], rows, look) for look in range(len(columns))}
    return Head(forests, _points(scores, rows), quality)


def left_out_shares(rows: Rows, seed: int) -> NDArray[np.float64]:
    """For each row and look the share of trees of a forest that learned from other people: float64 (k, looks)."""
    people = sorted(set(rows.subject.tolist()))
    shares = np.full((len(rows.label), len(rows.features)), 0.5)
    for fold in range(min(FOLDS, len(people))):
        out = np.isin(rows.subject, people[fold::FOLDS])
        if len(set(rows.label[~out].tolist())) < 2:
            continue
        for look, features in enumerate(rows.features):
            learner = _learner(rows, look, ~out, seed, TREES_OF_FOLD)
            shares[out, look] = learner.predict_proba(features[out])[:, 1]
    return shares


def _learner(rows: Rows, look: int, chosen: NDArray[np.bool_], seed: int, trees: int) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier

    learner = ExtraTreesClassifier(trees, max_features=FEATURES_TRIED, random_state=seed, n_jobs=2)
    used = _usable(rows, look, chosen)
    learner.fit(rows.features[look][used], rows.label[used], sample_weight=rows.weight[used])
    return learner


def _usable(rows: Rows, look: int, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What is known to its ends; all, if that leaves no fall or nothing else."""
    used = chosen & rows.complete[:, look]
    return used if len(set(rows.label[used].tolist())) == 2 else chosen


def _platt(share: NDArray[np.float64], rows: Rows, look: int) -> tuple[float, float]:
    """Slope and offset of the log odds, fitted to originals of people left out."""
    from sklearn.linear_model import LogisticRegression

    used = _usable(rows, look, ~rows.copy)
    line = LogisticRegression(C=10.0).fit(log_odds(share[used])[:, None], rows.label[used])
    return float(line.coef_[0, 0]), float(line.intercept_[0])


def _highest(probability: NDArray[np.float64], rows: Rows) -> NDArray[np.float64]:
    """The score that decides: the highest of the looks that were had."""
    had = np.where(rows.followed[:, None], probability, probability[:, :1])
    highest: NDArray[np.float64] = had.max(axis=1)
    return highest


def _points(scores: NDArray[np.float64], rows: Rows) -> dict[str, dict[str, Any]]:
    trials, position = np.unique(rows.trial[~rows.copy], return_inverse=True)
    score, fall = np.zeros(len(trials)), np.zeros(len(trials), np.bool_)
    np.maximum.at(score, position, scores[~rows.copy])
    np.logical_or.at(fall, position, rows.label[~rows.copy] == 1)
    alarms = score[None] >= GRID[:, None]
    hits, wrong = (alarms & fall).sum(axis=1), (alarms & ~fall).sum(axis=1)
    enough = np.array([intervals.share(int(found), int(fall.sum()))[0] >= LEAST_FOUND for found in hits])
    points = {}
    for name, beta in BETAS.items():
        dear = beta**2
        value = (1 + dear) * hits / ((1 + dear) * hits + dear * (fall.sum() - hits) + wrong)
        flat = np.convolve(np.pad(value, PLATEAU // 2, mode="edge"), np.ones(PLATEAU) / PLATEAU, mode="valid")
        flat = np.where(enough, flat, 0) if enough.any() else flat
        at = int(np.flatnonzero(flat >= flat.max() - NEAR)[0])
        points[name] = {
            "threshold": round(float(GRID[at]), 3),
            "sensitivity": _share(int(hits[at]), int(fall.sum())),
            "specificity": _share(int((~fall).sum() - wrong[at]), int((~fall).sum())),
        }
    return points


def _share(hits: int, of: int) -> dict[str, float]:
    low, high = intervals.share(hits, of)
    return {"value": round(hits / of, 4), "low": round(low, 4), "high": round(high, 4)}


def _quality(probability: NDArray[np.float64], rows: Rows, look: int) -> dict[str, float]:
    """Brier score, and expected calibration error over BINS equal bins."""
    used = _usable(rows, look, ~rows.copy)
    p, y = probability[used], rows.label[used].astype(np.float64)
    bins = np.minimum((p * BINS).astype(np.int64), BINS - 1)
    gap = sum(abs(float((p - y)[bins == one].sum())) for one in range(BINS))
    return {"brier": round(float(((p - y) ** 2).mean()), 4), "ece": round(gap / len(p), 4)}


def _forest(rows: Rows, look: int, seed: int, line: tuple[float, float]) -> Forest:
    learner = _learner(rows, look, np.ones(len(rows.label), np.bool_), seed, TREES)
    forest = exported(learner, *line)
    some = rows.features[look][:: max(1, len(rows.label) // 500)]
    if np.abs(forest.share(some) - learner.predict_proba(some)[:, 1]).max() > 1e-5:
        raise AssertionError("the exported trees do not say what the learner says")
    return forest


def exported(learner: Any, slope: float, offset: float) -> Forest:
    """The trees of a fitted forest of scikit-learn as arrays; a node's children lie side by side."""
    feature, threshold, left, value, roots = [], [], [], [], []
    start = 0
    for one in learner.estimators_:
        tree = one.tree_
        order, place = _side_by_side(tree.children_left, tree.children_right)
        leaf = tree.children_left[order] < 0
        limit = tree.threshold[order].astype(np.float32)
        limit = np.where(limit > tree.threshold[order], np.nextafter(limit, np.float32(-np.inf)), limit)
        counts = tree.value[order, 0]
        roots.append(start)
        feature.append(np.where(leaf, 0, tree.feature[order]))
        threshold.append(np.where(leaf, np.float32(np.inf), limit))
        left.append(start + np.where(leaf, np.arange(len(order)), place[tree.children_left[order]]))
        value.append(np.where(leaf, counts[:, 1] / counts.sum(axis=1), 0))
        start += len(order)
    return Forest(
        np.concatenate(feature).astype(np.uint8),
        np.concatenate(threshold).astype(np.float32),
        np.concatenate(left).astype(np.int32),
        np.concatenate(value).astype(np.float32),
        np.array(roots, np.int32),
        max(int(one.tree_.max_depth) for one in learner.estimators_),
        slope,
        offset,
    )


def _side_by_side(left: NDArray[np.int64], right: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Nodes in an order in which a right child follows its left brother, and the place of each node in it."""
    order = [0]
    for node in order:
        if left[node] >= 0:
            order += [int(left[node]), int(right[node])]
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return np.array(order), place
