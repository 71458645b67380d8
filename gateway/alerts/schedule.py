"""When a message is tried again: pure, from the number of attempts so far.

The most urgent alerts are tried 0, 2, 5, 10, 20 and 30 s after the first attempt and then every 30 s; the general
schedule of Standard Webhooks (minutes to hours) is too slow for a person on the floor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.kinds import Priority

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

WAITS_S: Mapping[Priority, tuple[float, ...]] = {
    Priority.HIGH: (2.0, 3.0, 5.0, 10.0, 10.0, 30.0),
    Priority.MEDIUM: (5.0, 25.0, 60.0, 300.0, 600.0, 1800.0),
    Priority.LOW: (30.0, 300.0, 1800.0, 3600.0),
}
"""Seconds from a failed attempt to the next one; the last is used for all that follow."""
BUDGET: Mapping[Priority, int] = {Priority.HIGH: 24, Priority.MEDIUM: 8, Priority.LOW: 5}
"""Attempts before a message is given up; one that nobody has answered yet and is most urgent never is."""
REPORT_AFTER = 6
"""Failed attempts of one message after which people are told that a contact cannot be reached (about 30 s)."""
UNREACHED_AFTER = 3
"""Failed attempts of one message after which escalation no longer waits for its contact (5 s for the most urgent)."""
JITTER = 0.2
URGENT_LONGEST_S = 30.0


def wait_s(priority: Priority, attempts: int, rng: random.Random, retry_after_s: float | None = None) -> float:
    """Seconds until the next attempt after `attempts` (at least 1) have failed, with +-20 % jitter.

    A far side may ask for longer (Retry-After, at most a day); the most urgent never wait more than 30 s.
    """
    waits = WAITS_S[priority]
    wait = waits[min(attempts, len(waits)) - 1] * rng.uniform(1 - JITTER, 1 + JITTER)
    wait = max(wait, min(retry_after_s or 0.0, 86_400.0))
    return min(wait, URGENT_LONGEST_S) if priority is Priority.HIGH else wait
