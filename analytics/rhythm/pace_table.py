"""Slow and fast rhythm and pauses from beat intervals: the numbers in one place, with their sources.

"typical default" marks a value without a single source. A resident's own limits of heart rate hold here too.
"""

from __future__ import annotations

from typing import NamedTuple

SECOND_NS = 1_000_000_000
BEATS = 9
"""The rate is that of the middle one of so many intervals: single early, late or missed beats do not move it."""


class PaceRule(NamedTuple):
    """One row: `kind` begins when the rate has been beyond `begins` (beats a minute) for `held_s`, and ends when it
    has been back at `ends` for as long. limit_of: the row of limits on heart rate that a resident's own may replace.
    """

    kind: str
    begins: float
    ends: float
    held_s: float
    limit_of: str
    source: str


SLOW = PaceRule("slow_rhythm", 40.0, 45.0, 30.0, "heart_rate_low", "NEWS2 (<= 40/min); duration: typical default")
FAST = PaceRule(
    "fast_rhythm",
    *(130.0, 120.0, 30.0, "heart_rate_high"),
    "NEWS2 (>= 131/min); sustained: 30 s and more (ACC/AHA/HRS 2015, supraventricular tachycardia)",
)
PAUSE_KIND = "heart_pause"
PAUSE_MS = 3000.0
PAUSE_SOURCE = "ACC/AHA/HRS 2018, bradycardia: pauses of more than 3 s"
PAUSE_OVER_S = 1800.0
"""Pauses that follow each other within half an hour are one episode (typical default)."""
DOUBT_S = 60.0
"""A rate that is at once half, a third or double of the one before may be beats missed, or counted twice: it must
last so long (typical default)."""
DOUBT_SHARE = 0.08
BEFORE = 12
"""The rate before is that of so many beats earlier."""
REGULAR = 0.10
"""Fast and regular: but for one at either end, all of the BEATS lie within this share of the middle one."""
STEADY = 0.25
"""The same for the intervals before a pause: what is irregular can show no pause that stands out."""
NEAR_MULTIPLE = 0.15
"""An interval so near (in units of its neighbours) to a whole multiple of them is made of missed beats."""
LIKE_BEFORE = (0.5, 1.8)
"""The two beats after a pause confirm it: the sensor sees beats as before, between these multiples of the usual one."""
RESTING_MS = 750.0
"""In people without heart disease, intervals of 3 to 5 s within faster rhythm are holes in the recording (measured)."""
ESCAPES = 1.1
"""A heart that has paused starts again slowly: the first interval after it is this much longer than usual; one that
goes on as though nothing had been was not heard (typical default, chosen on the recordings of docs/vital-signs.md)."""
PAIR_NS = 60 * SECOND_NS
"""Without that, a pause is believed with a second one this near."""
SUDDEN = 1.25
"""A fast rhythm of the heart's own comes within BEFORE beats by this factor (chosen on the same recordings)."""
GRADUAL_S = 300.0
"""One that came by and by, as with stairs, must last so long (typical default)."""
JOINS_NS = 2 * SECOND_NS
"""An interval belongs to the beat before if the times of the two say so, to this tolerance (radio delays)."""
