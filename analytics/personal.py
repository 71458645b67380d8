"""What a resident's own outcomes teach about the sensitivity of their fall detection: a pure rule with narrow bounds.

Carers say of each fall alert what it was. Somebody who drops into chairs, or drums on tables, gets false alarms again
and again; for them alone the detector may be set from `normal` to `low`, and back. It may never go further, and only

* when `low` itself is known to find at least FLOOR of the falls of people the model never saw,
* after NEEDED false alarms within WINDOW_NS, of which at least HELPED would not have been raised at `low`,
* and never for somebody of whom a real fall was alerted that `low` would have missed, or nearly so (MARGIN).

A real fall of the last kind ends a `low` that was learned; so does a model whose `low` finds too little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

NORMAL, LOW = "normal", "low"
FLOOR = 0.9
"""Share of falls (exact lower 95 % bound, people left out of training) that `low` must find."""
NEEDED = 5
WINDOW_NS = 30 * 24 * 3600 * 1_000_000_000
HELPED = 0.6
MARGIN = 0.1
"""A real fall must have scored so much above the threshold of `low`."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One fall alert that a carer judged: when it happened, the detector's score, and whether it was a fall."""

    at_ns: int
    score: float
    was_fall: bool


@dataclass(frozen=True, slots=True)
class Learned:
    """The sensitivity to use, and why."""

    sensitivity: str
    reason: str


def learned_sensitivity(
    judged: Sequence[Judged], *, current: str, low_threshold: float, low_finds: float | None, now_ns: int
) -> Learned:
    """The sensitivity that these outcomes allow. current: normal or low, as learned before.

    low_threshold: score from which `low` suspects a fall. low_finds: share of falls that it finds at least, None where
    that is not known. Any other `current` was set by a person and stays.
    """
    if current not in {NORMAL, LOW}:
        return Learned(current, "set by a person")
    if low_finds is None or low_finds < FLOOR:
        return Learned(NORMAL, f"low sensitivity is not known to find {FLOOR:.0%} of falls")
    if any(one.was_fall and one.score < low_threshold + MARGIN for one in judged):
        return Learned(NORMAL, "a real fall would have been missed, or nearly")
    if current == LOW:
        return Learned(LOW, "learned before")
    wrong = [one for one in judged if not one.was_fall and 0 <= now_ns - one.at_ns <= WINDOW_NS]
    if len(wrong) < NEEDED:
        return Learned(NORMAL, f"{len(wrong)} of {NEEDED} false alarms needed")
    quiet = sum(one.score < low_threshold for one in wrong)
    if quiet < HELPED * len(wrong):
        return Learned(NORMAL, f"only {quiet} of {len(wrong)} false alarms would not have been raised")
    return Learned(LOW, f"{quiet} of {len(wrong)} false alarms would not have been raised")
