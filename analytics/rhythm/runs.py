"""Runs and states along the last axis of arrays, for many series at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Kind = TypeVar("Kind", bound=np.generic)

NEVER = -(2**62)
"""Before all time; far enough from the ends of int64 that differences with it do not overflow."""


def held(up: NDArray[np.bool_], down: NDArray[np.bool_], start: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """True from where `up` is until where `down` is; (..., k), from `start` (...,) on."""
    return _chosen(up, latest(up | down), start)


def last(values: NDArray[Kind], where: NDArray[np.bool_], start: NDArray[Kind]) -> NDArray[Kind]:
    """The value at the latest place, up to each, where `where` holds; `start` before the first."""
    return _chosen(values, latest(where), start)


def latest(where: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Index of the latest place, up to each, where `where` holds; -1 before the first."""
    return np.maximum.accumulate(np.where(where, np.arange(where.shape[-1]), -1), axis=-1)


def _chosen(values: NDArray[Any], index: NDArray[np.int64], start: NDArray[Any]) -> NDArray[Any]:
    found = np.take_along_axis(values, np.maximum(index, 0), axis=-1)
    return np.where(index >= 0, found, start[..., None])
