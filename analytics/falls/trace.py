"""What an evaluation may watch while the detector works: which samples passed the gate, and what the model said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Trace(Protocol):
    """Told by the detector as it goes; slots int64 (k,), at_ns int64 (k,): time of each impact, UTC nanoseconds."""

    def hits(self, slots: NDArray[np.int64], at_ns: NDArray[np.int64]) -> None:
        """Samples that passed the gate."""

    def scored(
        self,
        slots: NDArray[np.int64],
        at_ns: NDArray[np.int64],
        peak_g: NDArray[np.float32],
        scores: NDArray[np.float32],
        sure: NDArray[np.float32],
    ) -> None:
        """Candidates with their peaks, their scores (k,), and how sure the rule alone was (k,), 0 where silent."""
