"""Who is on call at a moment: rotations, holidays and overrides. Pure; the time and the time zone are arguments.

Hand-overs are times of the wall clock in the site's zone, so a change to summer time moves none of them; a time that
the clock skips is taken an hour later, one that comes twice is the first. What is asked is an instant (UTC
nanoseconds), so that a repeated hour is never mistaken for the other one.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

NS = 1_000_000_000
FIRST_YEAR, LAST_YEAR = 1971, 2200
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

Name = Annotated[str, StringConstraints(pattern=r"^\w([\w .-]{0,62}\w)?$")]
ContactId = Annotated[str, StringConstraints(min_length=1, max_length=64)]


def _as_person(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _plausible(value: date) -> date:
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise ValueError(f"a year from {FIRST_YEAR} to {LAST_YEAR}")
    return value


def _clock(value: time) -> time:
    if value.tzinfo is not None:
        raise ValueError("a time of the site's clock such as 08:00, without a zone")
    return value.replace(microsecond=0)


Person = Annotated[tuple[ContactId, ...], BeforeValidator(_as_person), Field(min_length=1, max_length=8)]
"""The contacts of one person (telephone, app ...); a single one may be written without brackets."""
Day = Annotated[date, AfterValidator(_plausible)]
Clock = Annotated[time, AfterValidator(_clock)]
Moment = Annotated[datetime, AfterValidator(_plausible)]
"""With an offset, or a time of the site's clock where it has none."""


class Model(BaseModel):
    """A part of the plan: what is not known is refused, nothing changes once made."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Hours(Model):
    """A part of the day by the site's clock; until a time before the beginning means the next day."""

    begins: Clock = Field(alias="from")
    ends: Clock = Field(alias="to")

    def covers(self, clock: time) -> bool:
        """Whether a time of day lies within; equal ends mean the whole day."""
        if self.begins < self.ends:
            return self.begins <= clock < self.ends
        return clock >= self.begins or clock < self.ends

    def span(self, day: date, zone: ZoneInfo) -> tuple[int, int]:
        """The instants of the part that begins on a day."""
        last = day if self.begins < self.ends else day + timedelta(days=1)
        return instant(day, self.begins, zone), instant(last, self.ends, zone)


class Rotation(Model):
    """People in order, each for a day or a week, from one hand-over to the next.

    start: the day on which the first of the list begins. hours: nobody outside them; they also give the hand-over
    where none is set. days: nobody on turns (where hours are set: parts of the day) that begin on other days of the
    week; a daily rotation goes on to its next person only on these days. Empty: all days.
    """

    people: tuple[Person, ...] = Field(min_length=1, max_length=100)
    period: Literal["daily", "weekly"] = "daily"
    handover: Clock | None = None
    weekday: Weekday = "mon"
    start: Day = date(2024, 1, 1)
    hours: Hours | None = None
    days: Annotated[tuple[Weekday, ...], Field(max_length=7)] = ()

    @property
    def change(self) -> time:
        """When one hands over to the next."""
        return self.handover or (self.hours.begins if self.hours else time(8))

    def turn_day(self, at_ns: int, zone: ZoneInfo) -> date:
        """The local day on which the turn that holds this instant began (for a week: the day within it)."""
        day = local(at_ns, zone).date()
        return day if at_ns >= instant(day, self.change, zone) else day - timedelta(days=1)

    def number(self, day: date) -> int:
        """How many turns after the first the turn of this day is."""
        if self.period == "daily":
            return self._counted((day - self.start).days)
        monday = timedelta(days=WEEKDAYS.index(self.weekday))
        return ((day - monday).toordinal() - 1) // 7 - ((self.start - monday).toordinal() - 1) // 7

    def covers(self, at_ns: int, zone: ZoneInfo) -> bool:
        """Whether somebody of this rotation is there at all at this instant."""
        if self.hours is None:
            return self._on(self.turn_day(at_ns, zone))
        today = local(at_ns, zone).date()
        begun = [day for day in (today, today - timedelta(days=1)) if self._on(day)]
        return any(begin <= at_ns < end for begin, end in (self.hours.span(day, zone) for day in begun))

    def _on(self, day: date) -> bool:
        return not self.days or WEEKDAYS[day.weekday()] in self.days

    def _counted(self, days: int) -> int:
        """How many of the days since the start, the day itself left out, are of this rotation."""
        if not self.days:
            return days
        weeks, rest = divmod(days, 7)
        return weeks * len(set(self.days)) + sum(self._on(self.start + timedelta(days=one)) for one in range(rest))


class Override(Model):
    """Somebody else for a while. note: why, for the one who takes over."""

    begins: Moment = Field(alias="from")
    ends: Moment = Field(alias="to")
    person: Person
    note: Annotated[str, StringConstraints(max_length=500)] = ""

    def span(self, zone: ZoneInfo) -> tuple[int, int]:
        """From and until as instants."""
        return _of(self.begins, zone), _of(self.ends, zone)


class Schedule(Model):
    """One on-call schedule. The first of its rotations that covers the instant says who it is.

    On holidays (counted by the day on which a turn begins) holiday_rotation takes the place of rotation, each holiday
    the next person. An override goes before everything, the last written first. note: what the next must know.
    """

    name: Name
    rotation: tuple[Rotation, ...] = Field(min_length=1, max_length=20)
    holidays: Annotated[tuple[Day, ...], Field(max_length=400)] = ()
    holiday_rotation: Annotated[tuple[Rotation, ...], Field(max_length=20)] = ()
    override: Annotated[tuple[Override, ...], Field(max_length=400)] = ()
    note: Annotated[str, StringConstraints(max_length=2000)] = ""

    @model_validator(mode="after")
    def _whole(self) -> Schedule:
        if self.holidays and not self.holiday_rotation:
            raise ValueError("holidays need a holiday_rotation that says who is on call then")
        for one in self.override:
            aware = (one.begins.tzinfo is None, one.ends.tzinfo is None)
            if aware[0] == aware[1] and one.ends <= one.begins:
                raise ValueError(f"override of {' '.join(one.person)}: `to` must be after `from`")
        return self


@dataclass(frozen=True, slots=True)
class Duty:
    """Who is on call. people: contact ids of one person. source: "override", "holiday" or "rotation"."""

    people: tuple[str, ...]
    source: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """Who it is from one instant until before another; duty None: nobody."""

    from_ns: int
    to_ns: int
    duty: Duty | None


def local(at_ns: int, zone: ZoneInfo) -> datetime:
    """An instant on the site's clock, to the second."""
    return datetime.fromtimestamp(at_ns // NS, UTC).astimezone(zone)


def instant(day: date, clock: time, zone: ZoneInfo) -> int:
    """A time of the site's clock as UTC nanoseconds."""
    return int(datetime.combine(day, clock, tzinfo=zone).timestamp()) * NS


def who(schedule: Schedule, at_ns: int, zone: ZoneInfo) -> Duty | None:
    """Who is on call at this instant, None for nobody."""
    for one in reversed(schedule.override):
        begin, end = one.span(zone)
        if begin <= at_ns < end:
            return Duty(one.person, "override", one.note or schedule.note)
    holidays = sorted(set(schedule.holidays))
    for rotation in schedule.holiday_rotation:
        day = rotation.turn_day(at_ns, zone)
        if day in holidays and rotation.covers(at_ns, zone):
            return Duty(rotation.people[holidays.index(day) % len(rotation.people)], "holiday", schedule.note)
    for rotation in schedule.rotation:
        day = rotation.turn_day(at_ns, zone)
        if day not in holidays and rotation.covers(at_ns, zone):
            return Duty(rotation.people[rotation.number(day) % len(rotation.people)], "rotation", schedule.note)
    return None


def turns(schedule: Schedule, from_ns: int, to_ns: int, zone: ZoneInfo) -> list[Turn]:
    """Everybody from one instant until another, in order and without a hole; equal neighbours are one."""
    edges = sorted({from_ns, to_ns, *(at for at in _edges(schedule, from_ns, to_ns, zone) if from_ns < at < to_ns)})
    found: list[Turn] = []
    for begin, end in itertools.pairwise(edges):
        duty = who(schedule, begin, zone)
        if found and found[-1].duty == duty:
            found[-1] = Turn(found[-1].from_ns, end, duty)
        else:
            found.append(Turn(begin, end, duty))
    return found


def first_gap(schedule: Schedule, from_ns: int, to_ns: int, zone: ZoneInfo) -> Turn | None:
    """The first time within which nobody is on call, None where there is always somebody."""
    return next((turn for turn in turns(schedule, from_ns, to_ns, zone) if turn.duty is None), None)


def _edges(schedule: Schedule, from_ns: int, to_ns: int, zone: ZoneInfo) -> Iterator[int]:
    """Every instant at which somebody else could be on call."""
    for one in schedule.override:
        yield from one.span(zone)
    day, last = (local(at, zone).date() for at in (from_ns, to_ns))
    day -= timedelta(days=1)
    while day <= last + timedelta(days=1):
        for rotation in (*schedule.rotation, *schedule.holiday_rotation):
            yield instant(day, rotation.change, zone)
            if rotation.hours is not None:
                yield from rotation.hours.span(day, zone)
        day += timedelta(days=1)


def _of(moment: datetime, zone: ZoneInfo) -> int:
    return int((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()) * NS
