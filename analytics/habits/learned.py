"""What was learned of one resident: the latest days, and in how many of them each hour had which kind of event."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from analytics.habits.habit_table import (
    DAY_BEGINS_MIN,
    EVENT_KINDS,
    HABIT_RULES,
    KEPT_DAYS,
    KEPT_TRIPS,
    LEARN_DAYS,
    LEARN_TRIPS,
    NEW_USUAL,
    HabitRule,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

HOURS = 24
DAY_MIN = 24 * 60
OFTEN = 0.5
"""An hour is a usual one where it has the event on half of the days."""


class Words(NamedTuple):
    """One text in Chinese and in English."""

    zh: str
    en: str


@dataclass(slots=True)
class Learned:
    """Rings of the latest days (minutes) and trips, and by kind and hour the number of days with such an event.

    first: minute of the first activity, after 04:00. gaps: the longest time without activity while up. nights: visits
    to the bathroom by night. beds: minute of going to bed, after 04:00. trips: minutes away. days: known days ever.
    odd: by rule, values that were told as unusual; they teach nothing until there are NEW_USUAL of them.
    """

    days: int = 0
    first: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    nights: list[float] = field(default_factory=list)
    beds: list[float] = field(default_factory=list)
    trips: list[float] = field(default_factory=list)
    hours: list[list[float]] = field(default_factory=lambda: [[0.0] * HOURS for _ in EVENT_KINDS])
    odd: dict[str, list[float]] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether enough days are known to say something."""
        return self.days >= LEARN_DAYS

    def add_day(
        self,
        hours: Sequence[set[int]],
        times: tuple[float | None, float | None, float | None],
        nights: int,
        odd: Collection[str] = (),
    ) -> None:
        """One more known day. hours: by kind, the hours that had it. times: first activity, longest gap, to bed.
        odd: the rules by which the day was told as unusual.
        """
        first, gap, bed = times
        forget = 1.0 - 1.0 / KEPT_DAYS if self.days >= KEPT_DAYS else 1.0
        self.days += 1
        for row, had in zip(self.hours, hours, strict=True):
            row[:] = [count * forget + (hour in had) for hour, count in enumerate(row)]
        rings = (("late_morning", self.first, first), ("silence", self.gaps, gap))
        for rule, ring, value in (*rings, ("", self.beds, bed), ("", self.nights, float(nights))):
            if value is not None:
                self._keep(ring, value, KEPT_DAYS, rule if rule in odd else "")

    def add_trip(self, minutes: float, *, odd: bool = False) -> None:
        """One more time away. odd: it was told as unusual."""
        self._keep(self.trips, minutes, KEPT_TRIPS, "late_back" if odd else "")

    def _keep(self, ring: list[float], value: float, kept: int, odd: str) -> None:
        """What was told as unusual would hide the next one: it counts when it has become a habit."""
        values = [value]
        if odd:
            values = [*self.odd.pop(odd, []), value]
            if len(values) < NEW_USUAL:
                self.odd[odd], values = values, []
        ring += values
        del ring[:-kept]

    def limit(self, rule: HabitRule) -> float | None:
        """Minutes (after 04:00, or of a span) from which on it is not as usual; None: not known yet."""
        ring = self._ring(rule)
        if len(ring) < (LEARN_TRIPS if rule.name == "late_back" else LEARN_DAYS):
            return None
        largest = max(ring)
        return largest + max(rule.margin_min, rule.margin_share * largest)

    def largest(self, rule: HabitRule) -> float:
        """The largest value kept, 0 where there is none."""
        return max(self._ring(rule), default=0.0)

    def _ring(self, rule: HabitRule) -> list[float]:
        return {"late_morning": self.first, "silence": self.gaps, "late_back": self.trips}[rule.name]

    def usual_hours(self, kind: str) -> list[int]:
        """Hours of the local day that had such an event on at least half of the days."""
        kept = min(self.days, KEPT_DAYS)
        row = self.hours[EVENT_KINDS.index(kind)]
        return [hour for hour, count in enumerate(row) if kept and count >= OFTEN * kept]


def plain_learned(learned: Learned) -> dict[str, Any]:
    """As plain JSON."""
    names = ("days", "first", "gaps", "nights", "beds", "trips", "hours", "odd")
    return {name: getattr(learned, name) for name in names}


def learned_from(plain: Mapping[str, Any]) -> Learned:
    """From plain JSON. Raises ValueError where it does not fit."""
    try:
        days = int(plain["days"])
        rings = {name: _numbers(plain[name]) for name in ("first", "gaps", "nights", "beds", "trips")}
        hours = [_numbers(row) for row in plain["hours"]]
        odd = {rule.name: _numbers(plain.get("odd", {}).get(rule.name, [])) for rule in HABIT_RULES}
    except (KeyError, TypeError) as error:
        raise ValueError(f"not what was learned: {error!r}") from error
    if days < 0 or len(hours) != len(EVENT_KINDS) or any(len(row) != HOURS for row in hours):
        raise ValueError("not what was learned: another version")
    return Learned(days, hours=hours, odd={name: kept for name, kept in odd.items() if kept}, **rings)


def in_words(learned: Learned) -> list[Words]:
    """What was learned, for people: one sentence each."""
    if not learned.ready:
        zh = f"还在学习：已有 {learned.days} 天，共需 {LEARN_DAYS} 天。"
        return [Words(zh, f"Still learning: {learned.days} of {LEARN_DAYS} days.")]
    said = [
        Words(f"根据最近 {min(learned.days, KEPT_DAYS)} 天：", f"From the last {min(learned.days, KEPT_DAYS)} days:")
    ]
    if learned.first:
        low, high = _span(learned.first)
        zh = f"早上首次活动多在 {clock_text(low)}–{clock_text(high)}。"
        said.append(Words(zh, f"First activity of the morning mostly {clock_text(low)}-{clock_text(high)}."))
    if learned.beds:
        low, high = _span(learned.beds)
        said.append(
            Words(
                f"多在 {clock_text(low)}–{clock_text(high)} 上床。",
                f"To bed mostly {clock_text(low)}-{clock_text(high)}.",
            )
        )
    if learned.nights:
        middle = statistics.median(learned.nights)
        zh = f"每夜去卫生间 {middle:g} 次（最多 {max(learned.nights):g} 次）。"
        said.append(Words(zh, f"Bathroom {middle:g} times a night (at most {max(learned.nights):g})."))
    for kind, zh, en in (("kitchen", "常去厨房的钟点", "Usually in the kitchen at"), ("out", "常出门的钟点", "Out at")):
        hours = learned.usual_hours(kind)
        if hours:
            said.append(
                Words(f"{zh}：{'、'.join(map(str, hours))} 点。", f"{en}: {', '.join(f'{h}:00' for h in hours)}.")
            )
    if learned.gaps:
        longest = max(learned.gaps)
        zh = f"白天在家最长 {longest:.0f} 分钟没有活动。"
        said.append(Words(zh, f"Quiet at home by day for at most {longest:.0f} min."))
    if learned.trips:
        middle, longest = statistics.median(learned.trips), max(learned.trips)
        zh = f"外出一般 {middle:.0f} 分钟，最久 {longest:.0f} 分钟。"
        said.append(Words(zh, f"Away mostly for {middle:.0f} min, at most {longest:.0f} min."))
    return said


def _numbers(values: object) -> list[float]:
    if not isinstance(values, list) or not all(isinstance(one, int | float) and math.isfinite(one) for one in values):
        raise TypeError(f"not a list of numbers: {type(values).__name__}")
    return [float(one) for one in values]


def _span(ring: Sequence[float]) -> tuple[float, float]:
    """Without the tenth at either end."""
    ordered = sorted(ring)
    cut = len(ordered) // 10
    return ordered[cut], ordered[-1 - cut]


def clock_text(minute: float) -> str:
    """Minutes after 04:00 as a time of the day."""
    total = (round(minute) + DAY_BEGINS_MIN) % DAY_MIN
    return f"{total // 60:02d}:{total % 60:02d}"
