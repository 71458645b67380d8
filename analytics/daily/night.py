"""The report of one night of one resident: when in bed, how long asleep, times out of bed, heart and breath, restless.

Sleep comes from the radar's own sleep states where it reports them, else from body movement by the weights of Cole and
Kripke (`analytics.daily.sleep`), else it stays unknown. What is not known is absent (None), never a number. Everything
goes in as what was kept of the night, so that the same report comes out whenever it is made.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from analytics.daily import sleep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

MINUTE_NS = 60_000_000_000
BREAK_MIN = 120
"""Out of bed for longer ends the night's rest: what follows is another one (typical default)."""
LEAST_MIN = 60
"""A rest shorter than this is no night."""
STATE_HOLDS_MIN = 20
"""How long a reported sleep state stands for now (the staleness limit of `sleep_state`)."""
MOVEMENT_SCALE = 0.12
"""Brings a radar's body movement (mean of a minute, 0 to 100) to the counts of Cole and Kripke: awake from a
steady mean of about 12 on. Set by the R60ABD1 manual's words (1: only breathing, 2-30: slight, above: turning); not
validated against polysomnography."""
RESTLESS_MOVEMENT = 30.0
"""A minute with more is a restless one (vendor manual R60ABD1: 31-60 turning, 61-100 large movement)."""
ENOUGH_VALUES_MIN = 30
ASLEEP_WORDS = frozenset({"deep", "light"})


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """What was kept of one night. Minute i begins at start_ns + i minutes.

    beds: (time, device, in or not) in order of time. states: (time, word) of `sleep_state`, in order of time.
    movement, heart_rate, respiratory_rate, spo2: mean of each minute, NaN where nothing came. derived: those of which
    the gateway has computed values from a wave.
    """

    start_ns: int
    minutes: int
    beds: Sequence[tuple[int, str, bool]]
    states: Sequence[tuple[int, str]]
    movement: NDArray[np.float64]
    heart_rate: NDArray[np.float64]
    respiratory_rate: NDArray[np.float64]
    spo2: NDArray[np.float64]
    derived: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class NightReport:
    """One night. Times are UTC ns, durations minutes, shares 0 to 1; None: not known.

    to_ns: None while still in bed when the report was made. source: "radar", "movement" or "none" (sleep unknown).
    latency_min: from going to bed to sleep. heart_rate_low: 10th percentile. restless_share: of the minutes in bed.
    longest_exit_min: the longest time out of bed of those after which the person came back. heart_rate_derived,
    respiratory_rate_derived: whether the gateway has computed any of that night's values from a wave.
    """

    from_ns: int
    to_ns: int | None
    in_bed_min: int
    exits: int
    longest_exit_min: int
    source: str
    asleep_min: int | None = None
    latency_min: int | None = None
    awake_min: int | None = None
    awakenings: int | None = None
    efficiency: float | None = None
    restless_share: float | None = None
    heart_rate: float | None = None
    heart_rate_low: float | None = None
    respiratory_rate: float | None = None
    spo2: float | None = None
    spo2_lowest: float | None = None
    heart_rate_derived: bool = False
    respiratory_rate_derived: bool = False


def plain_report(report: NightReport) -> dict[str, Any]:
    """The report as plain JSON."""
    return asdict(report)


def report_from(plain: Mapping[str, Any]) -> NightReport:
    """The report from plain JSON; fields of another version are left out. Raises TypeError where one is missing."""
    known = {one.name for one in fields(NightReport)}
    return NightReport(**{name: value for name, value in plain.items() if name in known})


def make_report(kept: Kept) -> NightReport | None:
    """The report, None where nobody was known to be in bed for an hour."""
    taken = _in_bed(kept)
    span = _rest(taken)
    if span is None:
        return None
    first, last = span
    in_bed = np.zeros(kept.minutes, dtype=np.bool_)
    in_bed[first : last + 1] = taken[first : last + 1]
    outs = _runs(~taken[first : last + 1])
    still = last == kept.minutes - 1
    source, slept = _asleep(kept, in_bed)
    return NightReport(
        from_ns=kept.start_ns + first * MINUTE_NS,
        to_ns=None if still else kept.start_ns + (last + 1) * MINUTE_NS,
        in_bed_min=int(in_bed.sum()),
        exits=len(outs),
        longest_exit_min=max((end - begin for begin, end in outs), default=0),
        source=source,
        **_sleep_numbers(slept, in_bed),
        restless_share=_restless(kept, in_bed),
        **_vital_numbers(kept, in_bed),
    )


def _in_bed(kept: Kept) -> NDArray[np.bool_]:
    """Minute by minute: taken while one of the sensors says so; where none speaks of it, while a sleep state does."""
    changes = sorted(kept.beds)
    taken = np.zeros(kept.minutes, dtype=np.bool_)
    for device in sorted({name for _, name, _ in changes}):
        mine = [(at, inside) for at, name, inside in changes if name == device]
        for (at, inside), (until, _) in zip(mine, [*mine[1:], (_end(kept), False)], strict=True):
            if inside:
                taken[_minute(kept, at) : max(_minute(kept, at) + 1, _minute(kept, until))] = True
    if not changes:
        for begin, end, word in _state_spans(kept):
            taken[begin:end] |= word != "none"
    return taken


def _rest(taken: NDArray[np.bool_]) -> tuple[int, int] | None:
    """First and last minute of the longest rest, short times out of bed included."""
    best: tuple[int, int] | None = None
    current: tuple[int, int] | None = None
    for begin, end in _runs(taken):
        joined = current is not None and begin - current[1] - 1 <= BREAK_MIN
        current = (current[0] if joined and current else begin, end - 1)
        if best is None or current[1] - current[0] > best[1] - best[0]:
            best = current
    if best is None or int(taken[best[0] : best[1] + 1].sum()) < LEAST_MIN:
        return None
    return best


def _asleep(kept: Kept, in_bed: NDArray[np.bool_]) -> tuple[str, NDArray[np.bool_] | None]:
    """Where it is known from, and which minutes were asleep (None: unknown)."""
    known, slept = np.zeros_like(in_bed), np.zeros_like(in_bed)
    for begin, end, word in _state_spans(kept):
        known[begin:end] = True
        slept[begin:end] = word in ASLEEP_WORDS
    minutes = max(1, int(in_bed.sum()))
    if (known & in_bed).sum() >= sleep.KNOWN_SHARE * minutes:
        return "radar", slept & in_bed
    if (~np.isnan(kept.movement) & in_bed).sum() >= sleep.KNOWN_SHARE * minutes:
        return "movement", sleep.asleep(kept.movement[None], "cole_kripke_mean", MOVEMENT_SCALE)[0] & in_bed
    return "none", None


def _sleep_numbers(slept: NDArray[np.bool_] | None, in_bed: NDArray[np.bool_]) -> dict[str, Any]:
    if slept is None:
        return {}
    found = sleep.summed(slept[None], in_bed[None], np.ones((1, len(slept)), dtype=np.bool_))
    if np.isnan(found.asleep[0]):
        return {"asleep_min": 0, "efficiency": 0.0}
    return {
        "asleep_min": int(found.asleep[0]),
        "latency_min": int(found.latency[0]),
        "awake_min": int(found.awake_after_onset[0]),
        "awakenings": int(found.awakenings[0]),
        "efficiency": round(float(found.efficiency[0]), 3),
    }


def _restless(kept: Kept, in_bed: NDArray[np.bool_]) -> float | None:
    known = kept.movement[in_bed & ~np.isnan(kept.movement)]
    if len(known) < ENOUGH_VALUES_MIN:
        return None
    return round(float((known > RESTLESS_MOVEMENT).mean()), 3)


def _vital_numbers(kept: Kept, in_bed: NDArray[np.bool_]) -> dict[str, Any]:
    beats, breaths, oxygen = (_known(values, in_bed) for values in (kept.heart_rate, kept.respiratory_rate, kept.spo2))
    return {
        "heart_rate": _rounded(np.median(beats)) if beats is not None else None,
        "heart_rate_low": _rounded(np.percentile(beats, 10)) if beats is not None else None,
        "respiratory_rate": _rounded(np.median(breaths)) if breaths is not None else None,
        "spo2": _rounded(np.median(oxygen)) if oxygen is not None else None,
        "spo2_lowest": _rounded(oxygen.min()) if oxygen is not None else None,
        "heart_rate_derived": beats is not None and "heart_rate" in kept.derived,
        "respiratory_rate_derived": breaths is not None and "respiratory_rate" in kept.derived,
    }


def _known(values: NDArray[np.float64], in_bed: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    known = values[in_bed & ~np.isnan(values)]
    return known if len(known) >= ENOUGH_VALUES_MIN else None


def _rounded(value: Any) -> float:
    return round(float(value), 1)


def _state_spans(kept: Kept) -> list[tuple[int, int, str]]:
    """(first minute, end, word): each state until the next one, or until it is stale."""
    spans = []
    following = [*(at for at, _ in kept.states[1:]), _end(kept)][: len(kept.states)]
    for (at, word), until in zip(kept.states, following, strict=True):
        begin = _minute(kept, at)
        spans.append((begin, min(_minute(kept, until), begin + STATE_HOLDS_MIN), word))
    return spans


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, end) of each run of true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(begin), int(end)) for begin, end in zip(edges[::2], edges[1::2], strict=True)]


def _minute(kept: Kept, at_ns: int) -> int:
    return min(max(0, (at_ns - kept.start_ns) // MINUTE_NS), kept.minutes)


def _end(kept: Kept) -> int:
    return kept.start_ns + kept.minutes * MINUTE_NS
