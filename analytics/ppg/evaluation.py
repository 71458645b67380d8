"""Figures of the heart rate under motion: error by recording, and how many windows are answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from analytics import intervals
from analytics.ppg.spectra import RATES, STEP_S, WINDOW_S, magnitudes
from analytics.ppg.tracker import PulseTracker

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

Report = dict[str, Any]


class PulseWave(Protocol):
    """A recording: pulse (c, n), accel (3, n) at rate_hz; truth (w,) heart rate of each window, NaN where unknown."""

    @property
    def name(self) -> str: ...
    @property
    def rate_hz(self) -> float: ...
    @property
    def pulse(self) -> NDArray[np.float64]: ...
    @property
    def accel(self) -> NDArray[np.float64]: ...
    @property
    def truth(self) -> NDArray[np.float64]: ...


def windows(one: PulseWave) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Pulse and acceleration of each window, as (channels, samples)."""
    size, step = round(WINDOW_S * one.rate_hz), round(STEP_S * one.rate_hz)
    for start in range(0, one.pulse.shape[1] - size + 1, step):
        yield one.pulse[:, start : start + size], one.accel[:, start : start + size]


def rates(one: PulseWave) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rate (NaN: no answer) and confidence of each window, window by window as live."""
    tracker = PulseTracker(1)
    said = [tracker.step(pulse[None], accel[None]) for pulse, accel in windows(one)]
    return np.array([one.rate[0] for one in said]), np.array([one.confidence[0] for one in said])


def naive(one: PulseWave) -> NDArray[np.float64]:
    """For comparison: the highest peak of the pulse spectrum of each window."""
    heights = [np.nanmean(magnitudes(pulse), axis=0) for pulse, _ in windows(one)]
    return np.array([RATES[height.argmax()] for height in heights])


def evaluate_heart_rate(recordings: Sequence[PulseWave]) -> Report:
    """All figures; JSON-ready. The mean error is that of the recordings' means, as is usual for this set."""
    each = {one.name: _figures(one) for one in recordings}
    answered, asked = sum(f["answered"] for f in each.values()), sum(f["windows"] for f in each.values())
    low, high = intervals.share(answered, asked) if asked else (0.0, 1.0)
    errors = [f["mean_error"] for f in each.values() if f["mean_error"] is not None]
    return {
        "protocol": f"causal, windows of {WINDOW_S:g} s every {STEP_S:g} s",
        "recordings": len(each),
        "windows": asked,
        "answered": {"value": round(answered / asked, 4), "low": round(low, 4), "high": round(high, 4)}
        if asked
        else None,
        "mean_error": round(float(np.mean(errors)), 3) if errors else None,
        "worst_recording": round(max(errors), 3) if errors else None,
        "naive_mean_error": round(float(np.mean([f["naive_error"] for f in each.values()])), 3) if each else None,
        "by_recording": each,
    }


def summary(result: Report) -> str:
    """The report in some lines of plain text."""
    share = result["answered"] or {"value": 0.0, "low": 0.0, "high": 1.0}
    error, worst, plain = result["mean_error"], result["worst_recording"], result["naive_mean_error"]
    lines = [
        f"{result['recordings']} recordings, {result['windows']} windows; {result['protocol']}",
        f"  mean absolute error {error} /min, worst recording {worst} (highest peak alone: {plain})",
        f"  answered {share['value']:.4f} ({share['low']:.4f} to {share['high']:.4f})",
    ]
    return "\n".join([*lines, *(f"  {name}: {f['mean_error']}" for name, f in result["by_recording"].items())])


def _figures(one: PulseWave) -> Report:
    rate, _ = rates(one)
    plain = naive(one)
    count = min(len(rate), len(one.truth))
    truth = one.truth[:count]
    known = np.isfinite(truth)
    answered = known & np.isfinite(rate[:count])
    error = np.abs(rate[:count] - truth)[answered]
    return {
        "windows": int(known.sum()),
        "answered": int(answered.sum()),
        "mean_error": round(float(error.mean()), 3) if error.size else None,
        "within_5": round(float((error <= 5).mean()), 4) if error.size else None,
        "naive_error": round(float(np.abs(plain[:count] - truth)[known].mean()), 3) if known.any() else 0.0,
    }
