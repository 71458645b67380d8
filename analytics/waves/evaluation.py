"""Figures of beats, heart rate and breathing from a bed's wave with known truth, through the windows that run live."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from analytics.waves import beats, rates
from analytics.waves.lane import Lane
from device_drivers.observations import Samples

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from analytics.waves.lane import Due

    Floats = NDArray[np.float64]

Report = dict[str, Any]
NEAR_S = 0.15
"""A beat is found if one is said so near to its J wave (less the median distance: the template's centre is its own)."""
SECOND_NS = 1_000_000_000
START_NS = 1_800_000_000 * SECOND_NS
BREATH_HZ = 25
DEVICE = "bed"


class Wave(Protocol):
    """A wave of a bed with its truth: J waves at j_s; disturbed (n,) where somebody moves or nobody lies there."""

    @property
    def rate_hz(self) -> float: ...
    @property
    def wave(self) -> Floats: ...
    @property
    def j_s(self) -> Floats: ...
    @property
    def disturbed(self) -> NDArray[np.bool_]: ...


class Night(Protocol):
    """One stretch. noise: against the height of the J wave. breaths: a minute, BREATH_HZ a second."""

    @property
    def name(self) -> str: ...
    @property
    def noise(self) -> float: ...
    @property
    def bed(self) -> Wave: ...
    @property
    def breaths(self) -> Floats: ...


def bed_lane() -> Lane:
    """The windows in which beats are looked for."""
    return Lane(beats.HZ, beats.WINDOW_S, beats.STEP_S)


def breath_lane() -> Lane:
    """The windows in which breathing is looked for."""
    return Lane(rates.HZ, rates.WINDOW_S, rates.STEP_S)


def evaluate_bed_wave(nights: Iterable[Night]) -> Report:
    """All figures by level of noise; JSON-ready."""
    by_noise: dict[float, list[Report]] = {}
    seconds = beds = 0.0
    for night in nights:
        began = time.process_time()
        said = _said(night)
        seconds += time.process_time() - began
        beds += len(night.bed.wave) / night.bed.rate_hz
        by_noise.setdefault(night.noise, []).append(said)
    return {
        "protocol": "made-up waves, causal: a beat is said 3 to 7 s after it",
        "hours": round(beds / 3600.0, 2),
        "core_us_per_bed_second": round(1e6 * seconds / beds, 1) if beds else None,
        "by_noise": {f"{noise:g}": _figures(said) for noise, said in sorted(by_noise.items())},
    }


def summary(result: Report) -> str:
    """The report in some lines of plain text."""
    lines = [f"{result['hours']} h; {result['protocol']}; {result['core_us_per_bed_second']} us of a core a bed-second"]
    for noise, f in result["by_noise"].items():
        lines.append(
            f"  noise {noise}: beats {f['beats']}, found {_share(f['found'])}, false {_share(f['false'])}; intervals "
            f"{f['intervals']}, error {f['interval_error_ms']['median']} ms, p95 {f['interval_error_ms']['p95']} ms"
        )
        for name in ("heart_rate", "respiratory_rate"):
            one = f[name]
            lines.append(
                f"    {name}: answered {_share(one['answered'])}, mean error {one['mean_error']}, p95 {one['p95']}"
            )
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _blocks(wave: Wave) -> Iterator[Samples]:
    size = round(wave.rate_hz)
    values = wave.wave.astype(np.float32)[:, None]
    for first in range(0, len(values), size):
        at_ns = START_NS + round(first / wave.rate_hz * SECOND_NS)
        yield Samples(DEVICE, "bed_wave", values[first : first + size], wave.rate_hz, at_ns, at_ns + SECOND_NS)


def _said(night: Night) -> Report:
    """What is said of one stretch, beside what is true."""
    lane, breathing = bed_lane(), breath_lane()
    lane.slot(DEVICE)
    breathing.slot(DEVICE)
    blocks = list(_blocks(night.bed))
    ends, windows = _windows(lane.take(blocks), beats.SIZE)
    found = beats.find_beats(windows)
    starts = ends - beats.WINDOW_S
    at = (starts[:, None] + found.at_s)[beats.is_new(found)]
    order = np.argsort(at)
    heart = [_median_rate(night.bed.j_s, start) for start in starts.tolist()]
    breath_ends, breaths = _windows(breathing.take(blocks), rates.SIZE)
    true = [_mean_rate(night.breaths, end) for end in breath_ends.tolist()]
    return {
        "wave": night.bed,
        "at": at[order],
        "interval": found.interval_s[beats.is_new(found)][order],
        "heart_rate": np.column_stack([beats.heart_rates(found)[0], heart]),
        "respiratory_rate": np.column_stack([rates.rate_of(breaths).rate, true]),
    }


def _windows(dues: Iterable[Due], size: int) -> tuple[Floats, Floats]:
    """Ends in s, and windows (rows, size): each stands alone, so all can be looked at together."""
    found = list(dues)
    ends = np.array([(int(due.end_ns[0]) - START_NS) / SECOND_NS for due in found])
    return ends, np.concatenate([due.wave for due in found] or [np.empty((0, size))])


def _median_rate(j_s: Floats, start: float) -> float:
    inside = j_s[(j_s >= start) & (j_s < start + beats.WINDOW_S)]
    return 60.0 / float(np.median(np.diff(inside))) if len(inside) > beats.LEAST_INTERVALS else np.nan


def _mean_rate(truth: Floats, end: float) -> float:
    last = round(end * BREATH_HZ)
    return float(truth[max(0, last - round(rates.WINDOW_S * BREATH_HZ)) : last].mean())


def _figures(said: list[Report]) -> Report:
    known = found = spoken = false = 0
    errors: list[float] = []
    intervals = 0
    for one in said:
        wave, at, interval = one["wave"], one["at"], one["interval"]
        true_at, calm = _calm_beats(wave)
        near, apart = _nearest(at, wave.j_s)
        shift = float(np.median(apart)) if len(apart) else 0.0
        right = np.abs(apart - shift) <= NEAR_S
        hit = np.zeros(len(wave.j_s), np.bool_)
        hit[near[right]] = True
        known, found = known + int(calm.sum()), found + int(hit[true_at][calm].sum())
        spoken, false = spoken + len(at), false + int((~right).sum())
        true = np.concatenate([[np.nan], np.diff(wave.j_s)])
        error = 1000.0 * np.abs(interval - true[near])[np.isfinite(interval)] if len(at) else np.empty(0)
        errors += error[np.isfinite(error)].tolist()
        intervals += int(np.isfinite(interval).sum())
    return {
        "beats": known,
        "found": round(found / known, 4) if known else None,
        "false": round(false / spoken, 4) if spoken else None,
        "intervals": intervals,
        "interval_error_ms": {
            "median": round(float(np.median(errors)), 1) if errors else None,
            "p95": round(float(np.quantile(errors, 0.95)), 1) if errors else None,
        },
        **{name: _rate_figures([one[name] for one in said]) for name in ("heart_rate", "respiratory_rate")},
    }


def _calm_beats(wave: Wave) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Beats that could have been said: after the first window, before the last; and which of them are undisturbed."""
    last = len(wave.wave) / wave.rate_hz - beats.WINDOW_S
    inside = np.flatnonzero((wave.j_s >= beats.WINDOW_S) & (wave.j_s < last))
    at = np.minimum((wave.j_s[inside] * wave.rate_hz).astype(np.int64), len(wave.disturbed) - 1)
    return inside, ~wave.disturbed[at]


def _nearest(at: Floats, true: Floats) -> tuple[NDArray[np.int64], Floats]:
    if not len(true) or not len(at):
        return np.empty(0, np.int64), np.empty(0)
    after = np.clip(np.searchsorted(true, at), 1, max(1, len(true) - 1))
    near = np.where(np.abs(true[after % len(true)] - at) < np.abs(true[after - 1] - at), after % len(true), after - 1)
    return near, at - true[near]


def _rate_figures(parts: list[Floats]) -> Report:
    pairs = np.concatenate(parts) if parts else np.empty((0, 2))
    asked = pairs[np.isfinite(pairs[:, 1])]
    error = np.abs(asked[:, 0] - asked[:, 1])
    error = error[np.isfinite(error)]
    return {
        "answered": round(len(error) / len(asked), 4) if len(asked) else None,
        "mean_error": round(float(error.mean()), 2) if len(error) else None,
        "p95": round(float(np.quantile(error, 0.95)), 2) if len(error) else None,
    }
