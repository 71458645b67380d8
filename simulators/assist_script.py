"""What the people of a 助急 centre do with an alert: when they acknowledge, set out, arrive, and what they find.

Pure: from a seed and the alert's id comes the same script every time, so that a scenario can be played again.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

STAFF = ("王芳", "李强", "张敏", "刘洋", "陈静")
Acknowledge = Literal["always", "never", "after_repeats"]
OUTCOMES: Mapping[str, str] = {
    "fall": "real_fall",
    **dict.fromkeys(("help_call", "smoke", "gas", "carbon_monoxide", "water_leak", "motionless"), "real_help"),
    **dict.fromkeys(("struggle", "long_stay", "unattended", "no_sign_of_life", "heart_rate_low"), "real_help"),
    **dict.fromkeys(("heart_rate_high", "spo2_low", "respiratory_rate_low", "glucose_low", "news2_high"), "real_help"),
}
"""What they find, by kind, where the alert was true; `other` for every kind that is not here."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How the centre works; delays are (median, spread) in seconds: log-normal, spread is the factor of one sigma.

    acknowledge: "always", "never", or "after_repeats" once an alert has been repeated `repeats` times. false_alarms:
    share of alerts that turn out to be none; what a scenario lets happen is real. ignores: share of alerts that
    nobody there takes. stop_after: last call-back it makes ("acknowledged" ... "resolved").
    """

    acknowledge: Acknowledge = "always"
    repeats: int = 1
    acknowledge_s: tuple[float, float] = (12.0, 1.6)
    en_route_s: tuple[float, float] = (45.0, 1.5)
    on_scene_s: tuple[float, float] = (480.0, 1.5)
    resolved_s: tuple[float, float] = (600.0, 1.5)
    false_alarms: float = 0.0
    ignores: float = 0.0
    stop_after: str = "resolved"
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Act:
    """One call-back: how long after the act before it, its type, and who makes it."""

    wait_s: float
    type: str
    by: str
    outcome: str | None = None


def script(manner: Manner, alert_id: str, kind: str, *, test: bool) -> list[Act]:
    """The call-backs to an alert, in order."""
    rng = random.Random(f"{manner.seed}:{alert_id}")
    answering, going = rng.choice(STAFF), rng.choice(STAFF)
    outcome = OUTCOMES.get(kind, "other")
    if rng.random() < manner.false_alarms:
        outcome = "false_alarm"
    acts = [
        Act(_delay(rng, manner.acknowledge_s), "acknowledged", answering),
        Act(_delay(rng, manner.en_route_s), "en_route", going),
        Act(_delay(rng, manner.on_scene_s), "on_scene", going),
        Act(_delay(rng, manner.resolved_s), "resolved", going, "test" if test else outcome),
    ]
    last = [act.type for act in acts].index(manner.stop_after)
    return acts[: last + 1]


def answers_now(manner: Manner, repeat: int, alert_id: str = "") -> bool:
    """Whether the centre begins to answer an alert of which this is the given repeat (0: the first message)."""
    if random.Random(f"ignores:{manner.seed}:{alert_id}").random() < manner.ignores:
        return False
    if manner.acknowledge == "after_repeats":
        return repeat >= manner.repeats
    return manner.acknowledge == "always"


def _delay(rng: random.Random, delay_s: tuple[float, float]) -> float:
    median, spread = delay_s
    return float(median * spread ** rng.gauss(0, 1))
