"""What is planned in the simulated ward: events that somebody must be told of, artefacts that nobody should."""

from __future__ import annotations

from typing import NamedTuple


class Truth(NamedTuple):
    """Something that really happens. kinds: any of them says what it is; also: may rightly be said beside. minutes of
    the whole time.
    """

    resident: int
    name: str
    kinds: tuple[str, ...]
    also: tuple[str, ...]
    begin: int
    end: int


class Plan(NamedTuple):
    """One row: what says it, what may be said beside, how long it lasts in minutes, resident-days for each one."""

    kinds: tuple[str, ...]
    also: tuple[str, ...]
    minutes: int
    every: int = 5


EVENTS: dict[str, Plan] = {
    "late morning": Plan(("late_morning",), ("unusual_silence",), 240),
    "fast heart": Plan(("heart_rate_high",), (), 30),
    "slow heart": Plan(("heart_rate_low",), (), 15),
    "low oxygen": Plan(("spo2_low",), (), 20),
    "fast breath": Plan(("respiratory_rate_high",), (), 20),
    "falling ill": Plan(
        ("news2_medium", "news2_high"), ("heart_rate_high", "respiratory_rate_high", "slow_change"), 180
    ),
    "very ill": Plan(("news2_high", "news2_medium"), ("spo2_low", "respiratory_rate_high", "heart_rate_high"), 120),
    "not back in bed": Plan(("unattended",), (), 70),
    "stuck in the bathroom": Plan(("long_stay",), ("unusual_silence",), 90),
    "lies at home": Plan(("no_sign_of_life", "unusual_silence"), ("not_worn",), 420),
    "quiet day": Plan(("unusual_silence",), (), 300),
    "late back": Plan(("late_back",), (), 600),
    "door at night": Plan(("door_at_night",), (), 10),
    "at the gate": Plan(("zone_left",), (), 15),
    "gone": Plan(("zone_left", "not_seen"), ("signal_lost", "unusual_silence"), 75),
    "fridge open": Plan(("fridge_open",), (), 60),
    "cold room": Plan(("room_cold",), (), 240),
}
"""What is to be found."""
ARTEFACTS: dict[str, Plan] = {
    "motion artefact": Plan((), ("signal_poor",), 20),
    "flat line": Plan((), ("signal_poor",), 60),
    "outliers": Plan((), (), 60),
    "exercise": Plan((), (), 20),
    "short dip": Plan((), (), 1),
    "taken off": Plan((), ("not_worn",), 45),
    "drop-out": Plan((), ("signal_lost",), 10),
    "past the gate": Plan((), (), 1),
    "tag silent": Plan((), ("signal_lost",), 45, 20),
    "dead motion sensor": Plan((), (), 480, 70),
}
"""What must not become a finding about a person."""
ILL = {
    "fast heart": {"heart_rate": 150.0},
    "slow heart": {"heart_rate": 35.0},
    "low oxygen": {"spo2": 85.0},
    "fast breath": {"respiratory_rate": 31.0},
    "falling ill": {"heart_rate": 114.0, "respiratory_rate": 22.0, "spo2": 94.5},
    "very ill": {"heart_rate": 118.0, "respiratory_rate": 26.5, "spo2": 91.0},
    "flat line": {"heart_rate": 71.0},
    "motion artefact": {"heart_rate": 155.0},
    "short dip": {"spo2": 87.0},
    "exercise": {"heart_rate": 138.0, "respiratory_rate": 27.0},
}
