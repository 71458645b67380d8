"""Whether the box's clock is right: what a time server says, and the `Date` of the 助急 service's answers. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from gateway.box_watch import CLOCK_WRONG, Condition
from gateway.sntp import Offset

if TYPE_CHECKING:
    from pathlib import Path

    from analytics.findings import Evidence

NTP, ASSIST = "ntp", "assist"
ORDER = (NTP, ASSIST)
"""The time server goes before the 助急 service, whose own clock may be the wrong one."""
FRESH_S = 7200.0
WHOLE_S = 0.5
"""A `Date` has whole seconds: the middle of its second is meant, and half of it may be missing."""
TIMESYNC = "run/systemd/timesync"


@dataclass(frozen=True, slots=True)
class _Heard:
    offset: Offset
    at_s: float


class ClockBook:
    """The latest word of each source. Times are monotonic seconds. limit_s: an offset beyond it is wrong."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._heard: dict[str, _Heard] = {}

    def add(self, source: str, offset: Offset, now_s: float) -> None:
        """What a source (`ORDER`) says."""
        self._heard[source] = _Heard(offset, now_s)

    def best(self, now_s: float) -> tuple[str, Offset] | None:
        """The word that counts now, None where none is fresh."""
        for source in ORDER:
            heard = self._heard.get(source)
            if heard is not None and now_s - heard.at_s <= FRESH_S:
                return source, heard.offset
        return None

    def condition(self, now_s: float) -> Condition:
        """Wrong, right or not known."""
        found = self.best(now_s)
        if found is None:
            return Condition(CLOCK_WRONG, "box:clock", None)
        source, offset = found
        evidence: dict[str, Evidence] = {"source": source, "behind_s": round(offset.offset_s, 1)}
        return Condition(CLOCK_WRONG, "box:clock", abs(offset.offset_s) - offset.error_s > self._limit_s, evidence)


def offset_of_date(date: str | None, sent_ns: int, took_s: float) -> Offset | None:
    """What the `Date` of an answer says; None where there is none. sent_ns: our clock when we asked."""
    if date is None:
        return None
    try:
        at = parsedate_to_datetime(date)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    ours_s = sent_ns / 1e9 + took_s / 2
    return Offset(at.timestamp() + WHOLE_S - ours_s, WHOLE_S + took_s / 2)


def kept_in_step(root: Path) -> bool | None:
    """Whether systemd-timesyncd has set the clock since the boot; None where it does not run. root: "/"."""
    folder = root / TIMESYNC
    return (folder / "synchronized").exists() if folder.is_dir() else None
