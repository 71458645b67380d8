"""What no model may talk away: a drop, a blow, another position, and then stillness.

The model has learned from acted falls of people who were moving, and gives less to a fall out of sitting or standing
still. A window that shows all four signs is a fall whatever went before.

Measured on WEDA-FALL and SisFall: 1 of 1,182 and 1 of 4,790 impacts of daily activities show all four, and 2.8 % and
48.8 % of the falls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analytics.falls.features import NAMES

if TYPE_CHECKING:
    from numpy.typing import NDArray

FREE_FALL_MS = 150.0
IMPACT_G = 3.0
TURNED_DEG = 60.0
STILL_G = 0.1
SURE = 0.9
RULE = "drop, blow, turn, stillness"


def unmistakable(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 (k,): SURE for windows (rows of `describe`, (k, names)) that show all four signs, else 0."""
    low_ms, peak, tilt, wobble = (features[:, NAMES.index(name)] for name in ("low_ms", "peak", "tilt", "after_wobble"))
    shown = (low_ms >= FREE_FALL_MS) & (peak >= IMPACT_G) & (tilt >= TURNED_DEG) & (wobble < STILL_G)
    return np.where(shown, SURE, 0.0).astype(np.float32)
