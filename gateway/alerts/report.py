"""The monthly report: the statistics as a page for people, in Chinese or English; `report_csv.py` has the table."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING

from analytics.kinds import KINDS
from gateway.alerts.oncall import instant
from gateway.alerts.report_words import (
    ABOUT,
    COLUMNS,
    FAST,
    HEADINGS,
    MEASURES,
    NO_ROWS,
    NOTES,
    NOTES_TITLE,
    TITLE,
    UNITS,
)
from gateway.tables import Part, Row, document, tables

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from gateway.alerts.statistics import KindNumbers, Spread, Statistics

NS = 1_000_000_000
NONE = "–"


@dataclass(frozen=True, slots=True)
class Number:
    """One measured number: how many, of how many, a rate, or a spread of seconds; None: does not belong to it."""

    count: int | None = None
    of: int | None = None
    rate: float | None = None
    share: float | None = None
    spread: Spread | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What the page is made of. site: its name; month: "2026-11"; names: of the sources, in Chinese and English.

    limited: a reader who may see some residents only.
    """

    site: str
    month: str
    statistics: Statistics
    made_ns: int
    zone: ZoneInfo
    names: Mapping[str, tuple[str, str]]
    english: bool
    limited: bool = False

    @property
    def title(self) -> str:
        """The heading."""
        return f"{self.site} · {TITLE[self.english]} {self.month}"

    @property
    def about(self) -> tuple[str, ...]:
        """What the numbers are about, as sentences: the period, how long was counted, who, how many carers."""
        of = self.statistics
        _, end_ns = span_of(self.month, self.zone)
        facts = {
            "begin": self._clock(of.from_ns),
            "end": self._clock(of.to_ns),
            "counted": self._clock(of.counted_from_ns),
            "made": self._clock(self.made_ns),
            "residents": str(of.residents),
            "days": f"{of.resident_days:.1f}",
            "carers": f"{of.carers:g}",
        }
        chosen = (
            ("period", True),
            ("going_on", of.to_ns < end_ns),
            ("counted", of.counted_from_ns > of.from_ns),
            ("limited", self.limited),
            ("people", True),
            ("made", True),
        )
        return tuple(ABOUT[name][self.english].format(**facts) for name, said in chosen if said)

    @property
    def notes(self) -> tuple[str, ...]:
        """The words of the tables, explained, and where the usual targets come from."""
        return tuple(note[self.english] for note in NOTES)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The tables for people."""
        measured = measures(self.statistics)
        rows: dict[str, list[Row]] = {
            "many": [
                (self.measure_name(code), self._plain(number), MEASURES[code].target[self.english])
                for code, number in measured.items()
                if code not in FAST
            ],
            "fast": [
                (
                    self.measure_name(code),
                    self._plain(measured[code]),
                    *self._times(measured[code].spread),
                    MEASURES[code].target[self.english],
                )
                for code in FAST
            ],
            "kinds": [
                (
                    self.kind_name(one.kind),
                    *map(str, (one.raised, one.real, one.false, one.recovered, one.other, one.open)),
                    percent(one.precision),
                )
                for one in self.statistics.kinds
                if not one.technical
            ],
            "equipment": [
                (self.kind_name(one.kind), *map(str, (one.raised, one.recovered, by_person(one), one.open)))
                for one in self.statistics.kinds
                if one.technical
            ],
            "top": [
                (self.source_name(one.subject), self.kind_name(one.kind), str(one.raised), percent(one.share))
                for one in self.statistics.top
            ],
        }
        return tuple(
            Part(name, HEADINGS[name][self.english], COLUMNS[name][self.english], tuple(mine), self._no_rows(name))
            for name, mine in rows.items()
        )

    def _no_rows(self, name: str) -> str:
        return NO_ROWS[name][self.english] if name in NO_ROWS else ""

    def measure_name(self, code: str) -> str:
        """What a measure is called."""
        return MEASURES[code].words[self.english].format(carers=f"{self.statistics.carers:g}")

    def kind_name(self, name: str) -> str:
        """What a kind is called; its own name where it is of another version."""
        row = KINDS.get(name)
        return (row.zh, row.en)[self.english] if row else name

    def source_name(self, subject: str) -> str:
        """What a source is called."""
        return self.names[subject][self.english] if subject in self.names else subject

    def _clock(self, at_ns: int) -> str:
        return f"{datetime.fromtimestamp(at_ns // NS, self.zone):%Y-%m-%d %H:%M}"

    def _plain(self, number: Number) -> str:
        """A number of the measures without its times."""
        count, of = (number.spread.number, number.spread.of) if number.spread else (number.count, number.of)
        if count is None:
            return percent(number.share) if number.share is not None else rate(number.rate)
        if of is None:
            return str(count)
        among = together(("{} / {}", "{} of {}")[self.english].format(count, of))
        return f"{among} ({percent(count / of)})" if of else among

    def _times(self, spread: Spread | None) -> tuple[str, str]:
        if spread is None:
            return "", ""
        return self._seconds(spread.median), self._seconds(spread.p95)

    def _seconds(self, seconds: float | None) -> str:
        if seconds is None:
            return NONE
        for least, size, unit in UNITS:
            if seconds >= least:
                return together(f"{seconds / size:.1f} {unit[self.english]}")
        return NONE


def measures(of: Statistics) -> dict[str, Number]:
    """Every measure that is one number or one spread, by its code."""
    return {
        "raised": Number(of.raised),
        "persons": Number(of.persons),
        "equipment": Number(of.equipment),
        "high": Number(of.by_priority["high"], of.raised),
        "per_resident_day": Number(rate=of.per_resident_day),
        "per_carer_hour": Number(rate=of.per_carer_hour),
        "peak_10min": Number(of.peak_10min),
        "floods": Number(of.floods),
        "flood_share": Number(share=of.flood_share),
        "chattering": Number(of.chattering),
        "stale": Number(of.stale),
        "to_delivered": Number(spread=of.to_delivered),
        "to_acknowledged": Number(spread=of.to_acknowledged),
        "to_on_scene": Number(spread=of.to_on_scene),
        "answered_60s": Number(of.urgent_in_time, of.urgent_judged),
        "never_answered": Number(of.never_answered, of.raised),
        "ended_unanswered": Number(of.ended_unanswered, of.never_answered),
    }


def by_person(one: KindNumbers) -> int:
    """How many a person ended, whatever it was."""
    return one.real + one.false + one.other


def span_of(month: str, zone: ZoneInfo) -> tuple[int, int]:
    """The instants at which a month such as "2026-11" begins and ends. Raises ValueError."""
    first = date.fromisoformat(f"{month}-01")
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return instant(first, time(), zone), instant(following, time(), zone)


def so_far(from_ns: int, to_ns: int, now_ns: int) -> tuple[int, int]:
    """A span up to now: what has not been yet is neither quiet nor open. Raises ValueError where it has not begun."""
    if from_ns >= now_ns:
        raise ValueError("has not begun")
    return from_ns, min(to_ns, now_ns)


def body_html(report: Report) -> str:
    """What stands below the heading: the sentences, the tables, and what their words mean."""
    about = "".join(f"<p class='y-about'>{html.escape(line)}</p>" for line in report.about)
    notes = "".join(f"<li>{html.escape(line)}</li>" for line in report.notes)
    shown = tables(report.parts, english=report.english)
    return f"{about}{shown}<h2>{NOTES_TITLE[report.english]}</h2><ul class='y-notes'>{notes}</ul>"


def as_html(report: Report) -> str:
    """One page without anything from elsewhere."""
    return document(report.title, body_html(report), english=report.english)


def percent(share: float | None) -> str:
    """0.25 as "25.0 %", in one line."""
    return NONE if share is None else together(f"{share * 100:.1f} %")


def together(text: str) -> str:
    """With blanks at which no line ends: a number stays with its unit."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def rate(value: float | None) -> str:
    """Two decimals; below 1 as many as three digits need, so that little is not nothing."""
    if value is None:
        return NONE
    if value == 0 or value >= 1:
        return f"{value:.2f}" if value else "0"
    return f"{value:.{2 - math.floor(math.log10(value))}f}"
