"""Scores candidates: a small ensemble of decision trees, held as arrays and run in numpy.

The shipped parameters are in model.npz beside this file; docs/fall-detection.md is their model card (data, subjects,
protocol, figures). `analytics.falls.train` makes them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analytics.falls.features import NAMES

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHIPPED = Path(__file__).with_name("model.npz")


class ModelError(ValueError):
    """A model file does not fit this version of the features; says which and what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """Trees as arrays (trees, nodes): node 0 is the root, a leaf is its own child.

    feature int16, threshold float32 (go left where value <= threshold), missing_left bool, left, right int16,
    value float32 (of leaves). base: log odds before the first tree. decision: score from which a candidate is a
    suspected fall. names: the features it was trained on. version: what findings report. card: JSON text.
    """

    feature: NDArray[np.int16]
    threshold: NDArray[np.float32]
    missing_left: NDArray[np.bool_]
    left: NDArray[np.int16]
    right: NDArray[np.int16]
    value: NDArray[np.float32]
    depth: int
    base: float
    decision: float
    names: tuple[str, ...]
    version: str
    card: str

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probability (k,) that each row (k, features) is a fall, as frequent as in training."""
        rows, trees = np.arange(len(features))[:, None], np.arange(len(self.value))[None]
        node = np.zeros((len(features), len(self.value)), np.int16)
        for _ in range(self.depth):
            value = features[rows, self.feature[trees, node]]
            go_left = np.where(np.isnan(value), self.missing_left[trees, node], value <= self.threshold[trees, node])
            node = np.where(go_left, self.left[trees, node], self.right[trees, node])
        odds = self.base + self.value[trees, node].sum(axis=1, dtype=np.float64)
        probability: NDArray[np.float32] = (1 / (1 + np.exp(-odds))).astype(np.float32)
        return probability

    def save(self, path: Path) -> None:
        """Write as .npz."""
        parts: dict[str, Any] = {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}
        np.savez_compressed(path, **parts)

    @classmethod
    def load(cls, path: Path) -> Model:
        """Read an .npz of `save`. Raises ModelError if it was trained on other features, OSError if unreadable."""
        with np.load(path, allow_pickle=False) as stored:
            if missing := {field.name for field in fields(cls)} - set(stored.files):
                raise ModelError(f"{path}: lacks {sorted(missing)}; train it again with this version")
            parts = {field.name: stored[field.name] for field in fields(cls)}
        for name, kind in (("depth", int), ("base", float), ("decision", float), ("version", str), ("card", str)):
            parts[name] = kind(parts[name])
        parts["names"] = tuple(str(name) for name in parts["names"])
        if parts["names"] != NAMES:
            raise ModelError(f"{path}: trained on other features than this version computes; train it again")
        return cls(**parts)


@cache
def shipped() -> Model:
    """The model that comes with the package."""
    return Model.load(SHIPPED)
