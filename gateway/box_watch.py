"""The box's own faults as findings: a condition that lasts begins one, and it ends when that has been gone for a while.

Pure: what is seen and the time are arguments. One condition is one finding, however often it is looked at. What is not
known (no time server has answered yet) changes nothing. What was open before a start is ended by the first look that
finds the cause gone, or when nobody looks at such a thing any more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analytics.findings import Evidence, Finding, Phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ASSIST_SILENT, QUEUE_LATE, TEST_FAILED = "assist_silent", "queue_late", "test_failed"
DISK_LOW, DISK_FAULT = "disk_low", "disk_fault"
CLOCK_WRONG, MAINS_LOST = "box_clock_wrong", "mains_lost"
KINDS_HERE = frozenset({ASSIST_SILENT, QUEUE_LATE, TEST_FAILED, DISK_LOW, DISK_FAULT, CLOCK_WRONG, MAINS_LOST})
BOX_FAULT, DATABASE = "box_fault", "box:database"
"""Faults inside the box are others' affair, but for that of a database that had to be replaced."""
FORGOTTEN_S = 300.0
"""A fault from before the start that nobody looks at for so long has been taken out of the settings."""
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that may be wrong, as it stands now. thing: what a finding about it is filed under ("box:disk").

    bad: None where it is not known. begin_s, end_s: how long it must be wrong, or well, before that counts.
    """

    kind: str
    thing: str
    bad: bool | None
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    begin_s: float = 0.0
    end_s: float = 0.0


@dataclass(slots=True)
class _State:
    """since_s: when it turned bad or well, monotonic."""

    bad: bool
    since_s: float
    episode: str | None = None


class BoxWatch:
    """Looks at conditions again and again. Times: now_ns UTC, now_s monotonic seconds."""

    def __init__(self) -> None:
        self._states: dict[Key, _State] = {}
        self._resumed: dict[Key, str] = {}
        self._first_s: float | None = None

    @property
    def open(self) -> frozenset[Key]:
        """Kind and thing of everything that is wrong now."""
        going = {key for key, state in self._states.items() if state.episode is not None}
        return frozenset(going | set(self._resumed))

    def resume(self, finding: Finding) -> bool:
        """An alert still open from before this start; False where it is not of this part."""
        if not finding.devices or not _here(finding):
            return False
        self._resumed[finding.kind, finding.devices[0]] = finding.episode
        return True

    def look(self, conditions: Iterable[Condition], now_ns: int, now_s: float) -> list[Finding]:
        """What has begun and what is over."""
        self._first_s = now_s if self._first_s is None else self._first_s
        found = [one for condition in conditions if (one := self._follow(condition, now_ns, now_s)) is not None]
        if now_s - self._first_s >= FORGOTTEN_S:
            for (kind, thing), episode in self._resumed.items():
                found.append(_finding(kind, thing, episode, Phase.CLEARED, now_ns, {"reason": "not_watched"}))
            self._resumed.clear()
        return found

    def _follow(self, condition: Condition, now_ns: int, now_s: float) -> Finding | None:
        if condition.bad is None:
            return None
        key = (condition.kind, condition.thing)
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = _State(condition.bad, now_s, self._resumed.pop(key, None))
        if condition.bad != state.bad:
            state.bad, state.since_s = condition.bad, now_s
        for_s = now_s - state.since_s
        if state.episode is None and state.bad and for_s >= condition.begin_s:
            state.episode = f"{condition.kind}:{condition.thing}:{now_ns}"
            return _finding(*key, state.episode, Phase.CONFIRMED, now_ns, condition.evidence)
        if state.episode is not None and not state.bad and for_s >= condition.end_s:
            episode, state.episode = state.episode, None
            return _finding(*key, episode, Phase.CLEARED, now_ns, condition.evidence)
        return None


def _here(finding: Finding) -> bool:
    return finding.kind in KINDS_HERE or (finding.kind == BOX_FAULT and finding.devices[0] == DATABASE)


def _finding(
    kind: str, thing: str, episode: str, phase: Phase, now_ns: int, evidence: Mapping[str, Evidence]
) -> Finding:
    return Finding(episode, kind, None, now_ns, phase, 1.0, (thing,), {"rule": f"{kind}/1", **evidence})
