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


DAY_MIN = 24 * 60
EVENTS: dict[str, Plan] = {
    "lastingly worse": Plan(("slow_change",), ("heart_rate_high", "respiratory_rate_high"), 6 * DAY_MIN + 660),
    "weight gain": Plan(("weight_gain",), (), 3 * DAY_MIN + 120),
    "stays in bed": Plan(("bed_long",), ("late_morning", "unusual_silence", "no_sign_of_life"), 16 * 60),
    "restless night": Plan(("restless_night",), (), 270),
    "not back": Plan(("not_back",), ("late_back",), 210),
    "late morning": Plan(("late_morning",), ("unusual_silence",), 240),
    "fever": Plan(("temperature_high",), (), 180),
    "high pressure": Plan(("blood_pressure_high",), (), 30),
    "low pressure": Plan(("blood_pressure_low",), (), 30),
    "low glucose": Plan(("glucose_low",), (), 30),
    "high glucose": Plan(("glucose_high",), (), 120),
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
    "late back": Plan(("late_back",), ("not_back",), 600),
    "door at night": Plan(("door_at_night",), (), 10),
    "at the gate": Plan(("zone_left",), (), 15),
    "gone": Plan(("zone_left", "not_seen"), ("signal_lost", "unusual_silence"), 75),
    "fridge open": Plan(("fridge_open",), (), 60),
    "cold room": Plan(("room_cold",), (), 240),
    "hot room": Plan(("room_hot",), (), 240),
    "stove on": Plan(("stove_on",), (), 120),
    "smoke": Plan(("smoke",), (), 10),
    "gas leak": Plan(("gas",), (), 10),
    "water leak": Plan(("water_leak",), (), 30),
    "wet bed": Plan(("incontinence",), (), 30),
    "help call": Plan(("help_call",), (), 5),
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
    "loose cuff": Plan((), ("signal_poor",), 720, 10),
    "somebody else on the scale": Plan((), (), 720, 40),
    "cold wrist": Plan((), (), 20),
}
"""What must not become a finding about a person."""
ILL = {
    "fever": {"body_temperature": 38.4},
    "cold wrist": {"body_temperature": 34.2},
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
