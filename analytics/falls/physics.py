"""What no model may talk away: a drop, a blow, another position, and then stillness.

The model has learned from acted falls of people who were moving, and gives less to a fall out of sitting or standing
still. A window that shows all four signs is a fall whatever went before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analytics.falls.features import BEFORE, NAMES, RATE_HZ

if TYPE_CHECKING:
    from numpy.typing import NDArray

FREE_FALL_MS = 150.0
IMPACT_G = 3.0
TURNED_DEG = 60.0
STILL_G = 0.1
SURE = 0.99
RULE = "drop, blow, turn, stillness"
_AFTERMATH = slice(BEFORE + round(0.7 * RATE_HZ), None)


def unmistakable(
    features: NDArray[np.float32], windows: NDArray[np.float32], clipped: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """float32 (k,): SURE for candidates that show all four signs, else 0.

    features: rows of `describe` of the first look; windows: those it was made of; clipped bool (k,): the sensor was at
    its limit, so that the blow was harder than it could say. Stillness counts where at least half of it was measured.
    """
    low_ms, peak, tilt, wobble = (features[:, NAMES.index(name)] for name in ("low_ms", "peak", "tilt", "after_wobble"))
    known = np.isfinite(windows[:, _AFTERMATH, 0]).mean(axis=1) >= 0.5
    shown = (
        (low_ms >= FREE_FALL_MS) & ((peak >= IMPACT_G) | clipped) & (tilt >= TURNED_DEG) & (wobble < STILL_G) & known
    )
    return np.where(shown, SURE, 0.0).astype(np.float32)
