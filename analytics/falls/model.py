"""Scores candidates: forests of random trees, one for each head and look, held as arrays and run in numpy.

A head is a wear site, or a wear site with a grade of equipment: what a sensor of a small range gives is judged by
forests that learned from such, at operating points of their own.

The shipped parameters are in model.npz beside this file; docs/fall-detection.md is their model card (data, subjects,
protocol, figures). `analytics.falls.train` makes them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analytics.falls.features import LOOKS, names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

SHIPPED = Path(__file__).with_name("model.npz")
WRIST, WAIST = "wrist", "waist"
WEAR_SITES = {"wrist": WRIST, "waist": WAIST, "hip": WAIST, "chest": WAIST, "pendant": WAIST}
"""Where a sensor is worn -> whose forests judge it; every other place, and none, is judged by all of them."""
GRADES = ("", "narrow")
"""What equipment a head was trained for: any, or of a small range."""
NARROW_G = 2.0
"""Sensors of this range or less are narrow."""
SENSITIVITIES = ("low", "normal", "high")
NORMAL = "normal"
STRIDE = 4
"""Levels that all walks go down together before those that have ended are left out."""
SURE_SHARE = 0.003
"""Shares of trees nearer than this to 0 or 1 are taken for this: 300 trees tell no finer."""


class ModelError(ValueError):
    """A model file does not fit this version of the features; says which and what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """The nodes of all trees in a row; roots: where each tree begins.

    feature uint8, threshold float32 (a value above it goes to left + 1, any other to left), left int32, value float32
    (share of falls in a leaf). A leaf is its own child. slope, offset: calibration on the log odds of the mean value.
    """

    feature: NDArray[np.uint8]
    threshold: NDArray[np.float32]
    left: NDArray[np.int32]
    value: NDArray[np.float32]
    roots: NDArray[np.int32]
    depth: int
    slope: float
    offset: float

    def share(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Mean value over the trees of each row (k, features): float64 (k,)."""
        rows, width = features.shape
        flat, trees = features.ravel(), len(self.roots)
        reached = np.tile(self.roots, rows)
        open_at = np.arange(rows * trees)
        node, first = reached, open_at // trees * width
        for level in range(1, self.depth + 1):
            before = node
            node = self.left.take(before) + (flat.take(first + self.feature.take(before)) > self.threshold.take(before))
            if level % STRIDE == 0 or level == self.depth:
                reached[open_at] = node
                going = np.flatnonzero(node != before)
                open_at, node, first = open_at[going], node[going], first[going]
        mean: NDArray[np.float64] = self.value.take(reached).reshape(rows, trees).mean(axis=1, dtype=np.float64)
        return mean

    def probability(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Calibrated probability that each row is a fall, as frequent as in training: float64 (k,)."""
        return calibrated(self.share(features), self.slope, self.offset)


def head_name(head: str, grade: str) -> str:
    """Name of the head for this grade of equipment."""
    return f"{head}.{grade}" if grade else head


def grade_of(full_scale_g: float | None) -> str:
    """The grade of a sensor of this range; None or NaN where it is not known."""
    return "narrow" if full_scale_g is not None and full_scale_g <= NARROW_G else ""


def calibrated(share: NDArray[np.float64], slope: float, offset: float) -> NDArray[np.float64]:
    """Probability from the share of trees (Platt 1999, on its log odds)."""
    probability: NDArray[np.float64] = 1 / (1 + np.exp(-(slope * log_odds(share) + offset)))
    return probability


def log_odds(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log odds of a share of trees, finite."""
    kept = np.clip(share, SURE_SHARE, 1 - SURE_SHARE)
    odds: NDArray[np.float64] = np.log(kept / (1 - kept))
    return odds


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """forests: for each head one for each look. points: for each head the score from which a candidate is a suspected
    fall, by sensitivity. version: what findings report. card: JSON text.
    """

    forests: Mapping[str, tuple[Forest, ...]]
    points: Mapping[str, Mapping[str, float]]
    version: str
    card: str

    def score(
        self, features: NDArray[np.float32], site: str | None = None, look: int = 0, grade: str = ""
    ) -> NDArray[np.float32]:
        """Probability (k,) that each row of features of this look is a fall; of an unknown site the mean of all."""
        chosen = [self.forests[one][look].probability(features) for one in self._heads(site, grade)]
        mean: NDArray[np.float32] = np.mean(chosen, axis=0).astype(np.float32)
        return mean

    def threshold(self, site: str | None = None, sensitivity: str = NORMAL, grade: str = "") -> float:
        """Score from which a candidate is a suspected fall; of an unknown site the mean of all."""
        return float(np.mean([self.points[one][sensitivity] for one in self._heads(site, grade)]))

    def _heads(self, site: str | None, grade: str) -> list[str]:
        head = WEAR_SITES.get(site or "", "")
        heads = [head] if head in self.forests else [one for one in self.forests if "." not in one]
        graded = [head_name(one, grade) for one in heads]
        return graded if all(one in self.forests for one in graded) else heads

    def save(self, path: Path) -> None:
        """Write as .npz."""
        parts: dict[str, Any] = {"version": self.version, "card": self.card, "points": json.dumps(dict(self.points))}
        parts["names"] = np.array([" | ".join(names(after)) for after in LOOKS])
        for site, looks in self.forests.items():
            for look, forest in enumerate(looks):
                parts |= {f"{site}.{look}.{field.name}": getattr(forest, field.name) for field in fields(Forest)}
        np.savez_compressed(path, **parts)

    @classmethod
    def load(cls, path: Path) -> Model:
        """Read an .npz of `save`. Raises ModelError if it was trained on other features, OSError if unreadable."""
        with np.load(path, allow_pickle=False) as stored:
            parts = {name: stored[name] for name in stored.files}
        if missing := {"version", "card", "points", "names"} - parts.keys():
            raise ModelError(f"{path}: lacks {sorted(missing)}; train it again with this version")
        if parts["names"].tolist() != [" | ".join(names(after)) for after in LOOKS]:
            raise ModelError(f"{path}: trained on other features than this version computes; train it again")
        points = json.loads(str(parts["points"]))
        try:
            forests = {site: tuple(_forest(parts, f"{site}.{look}") for look in range(len(LOOKS))) for site in points}
        except KeyError as error:
            raise ModelError(f"{path}: lacks {error}; train it again with this version") from error
        return cls(forests, points, str(parts["version"]), str(parts["card"]))


def _forest(parts: Mapping[str, Any], prefix: str) -> Forest:
    values = {field.name: parts[f"{prefix}.{field.name}"] for field in fields(Forest)}
    depth, slope, offset = int(values.pop("depth")), float(values.pop("slope")), float(values.pop("offset"))
    return Forest(**values, depth=depth, slope=slope, offset=offset)


@cache
def shipped() -> Model:
    """The model that comes with the package."""
    return Model.load(SHIPPED)
