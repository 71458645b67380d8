"""Beats in windows of a bed's wave, all residents at once: the same shape comes again with every beat.

For each window: a band-pass (the recoil of the heart, not breathing), the period from the autocorrelation, a template
(the best of some loud places, averaged over where it comes again), and the chain of places that resemble it most while
their distances stay near the period. Quality is the correlation with the template, -1 to 1. Windows stand alone:
nothing is carried from one to the next, so no cutting of the stream changes a result and nothing is learned anew.

The idea of following the interval rather than a fixed wave is that of Bruser (2013, IEEE TBME 60) and Paalasmaa (2015,
IEEE JBHI 19); the way here is plainer and cheaper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

HZ = 50
WINDOW_S = 12.0
STEP_S = 4.0
"""Windows follow each other by this; what lies in their middle is new (`NEW_S`)."""
NEW_S = (5.0, 9.0)
SIZE = int(WINDOW_S * HZ)
LOW_HZ, FULL_HZ, HIGH_HZ, END_HZ = 1.6, 2.8, 10.0, 14.0
"""The band: rises from LOW to FULL, falls from HIGH to END."""
SHORTEST_S, LONGEST_S = 0.35, 1.6
"""Periods that are looked for: 37 to 171 a minute."""
HALF = 15
"""The template reaches so many samples to either side."""
FIRST_LIKE, LIKE = 0.35, 0.55
"""Correlation from which a place is averaged into the template, and from which it is a beat."""
WORTH, COVERED = 0.82, 0.6
"""A window whose beats' mean quality is below, or whose intervals cover less of it, gives nothing (chosen on made-up
waves: noise alone reaches 0.77 in one window of a hundred)."""
DISTURBED = 3.5
"""Half a second that is so many times louder than the window's median is movement."""
STIFF, GAP, CLOSEST = 4.0, 0.8, -0.6
LEAST_INTERVALS = 4
REACH = 24
"""The chain looks back so many places."""
MOST = 96
_PAD = 2 * SIZE
_ROUNDS = 1
ANCHORS = 4
_BEATS = int(WINDOW_S / (0.5 * SHORTEST_S)) + 1


class Beats(NamedTuple):
    """Of each window (rows, BEATS), in order of time, padded with NaN.

    at_s: seconds since the window began, where the template fits. interval_s: since the beat before, NaN where one of
    the two is doubtful. quality: correlation with the template; places below LIKE are not in here.
    """

    at_s: Floats
    interval_s: Floats
    quality: Floats


class _Places(NamedTuple):
    """Local maxima of resemblance: (rows, places) sample, height, position between samples; height -2 where none."""

    place: NDArray[np.int64]
    height: Floats
    at: Floats


def find_beats(wave: Floats) -> Beats:
    """Beats of windows (rows, SIZE) sampled at HZ. Rows with a missing sample, or flat, have none."""
    known = np.asarray(np.isfinite(wave).all(axis=1))
    heart = _band(np.where(known[:, None], wave, 0.0))
    calm = _calm(heart)
    loud = np.abs(heart).max(axis=1) > 1e-9
    period = _period(np.where(calm, heart, 0.0))
    energy = _running_energy(heart)
    spectrum = np.fft.rfft(heart, _PAD)
    template = _first_template(heart, calm, spectrum, energy, period)
    for _ in range(_ROUNDS):
        places = _places(np.where(calm, _resemblance(spectrum, energy, template), -1.0))
        kept = _chain(places, period)
        template = _average(heart, places, kept & (places.height >= FIRST_LIKE), template)
    places = _places(np.where(calm, _resemblance(spectrum, energy, template), -1.0))
    kept = _chain(places, period) & (known & loud)[:, None]
    return _beats(places, kept, calm)


def _first_template(
    heart: Floats, calm: NDArray[np.bool_], spectrum: NDArray[np.complex128], energy: Floats, period: Floats
) -> Floats:
    """Of the templates that some loud places give, the one that comes again best."""
    best, height = np.zeros((len(heart), 2 * HALF + 1)), np.full(len(heart), -np.inf)
    for anchor in _anchors(heart, calm).T:
        template = _segment(heart, anchor)
        places = _places(np.where(calm, _resemblance(spectrum, energy, template), -1.0))
        kept = _chain(places, period)
        template = _average(heart, places, kept & (places.height >= FIRST_LIKE), template)
        score = np.where(kept, places.height, 0.0).sum(axis=1) / np.maximum(kept.sum(axis=1), 0.8 * SIZE / period)
        better = score > height
        best[better], height[better] = template[better], score[better]
    return best


def _band(wave: Floats) -> Floats:
    hertz = np.fft.rfftfreq(_PAD, 1.0 / HZ)
    rise = np.clip((hertz - LOW_HZ) / (FULL_HZ - LOW_HZ), 0.0, 1.0)
    fall = np.clip((END_HZ - hertz) / (END_HZ - HIGH_HZ), 0.0, 1.0)
    gain = np.sin(0.5 * np.pi * rise) ** 2 * np.sin(0.5 * np.pi * fall) ** 2
    level = wave - wave.mean(axis=1, keepdims=True)
    whole = np.concatenate([level, level[:, ::-1]], axis=1)  # mirrored, so that the ends do not jump
    return np.asarray(np.fft.irfft(np.fft.rfft(whole) * gain, _PAD)[:, :SIZE])


def _calm(heart: Floats) -> NDArray[np.bool_]:
    """Samples without movement: (rows, SIZE)."""
    part = HZ // 2
    loudness = np.sqrt((heart.reshape(len(heart), SIZE // part, part) ** 2).mean(axis=2))
    usual = np.median(loudness, axis=1, keepdims=True)
    moved = loudness > DISTURBED * usual
    near = moved.copy()
    near[:, 1:] |= moved[:, :-1]
    near[:, :-1] |= moved[:, 1:]
    return np.repeat(~near, part, axis=1)


def _period(heart: Floats) -> Floats:
    """Samples from beat to beat: where the wave and its loudness are most like themselves a period later."""
    spectrum = np.abs(np.fft.rfft(heart, _PAD)) ** 2
    itself = np.fft.irfft(spectrum, _PAD)[:, : int(LONGEST_S * HZ * 1.05)]
    loudness = np.abs(heart)
    loudness = _smooth(loudness - loudness.mean(axis=1, keepdims=True), 6)
    again = np.fft.irfft(np.abs(np.fft.rfft(loudness, _PAD)) ** 2, _PAD)[:, : itself.shape[1]]
    lags = np.arange(itself.shape[1])
    fewer = SIZE / (SIZE - lags)
    alike = itself * fewer / np.maximum(itself[:, :1], 1e-12) + again * fewer / np.maximum(again[:, :1], 1e-12)
    first = int(SHORTEST_S * HZ)
    looked = alike[:, first:]
    peak = np.zeros(looked.shape, np.bool_)
    peak[:, 1:-1] = (looked[:, 1:-1] >= looked[:, :-2]) & (looked[:, 1:-1] > looked[:, 2:])
    heights = np.where(peak, looked, -9.0)
    best = heights.max(axis=1, keepdims=True)
    return np.asarray(first + np.argmax(heights >= best - 0.15 * np.abs(best), axis=1), np.float64)


def _smooth(wave: Floats, half: int) -> Floats:
    total = np.cumsum(np.pad(wave, ((0, 0), (half + 1, half))), axis=1)
    return np.asarray((total[:, 2 * half + 1 :] - total[:, : -2 * half - 1]) / (2 * half + 1))


def _anchors(heart: Floats, calm: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Where first templates are taken (rows, ANCHORS): the loudest place of each part of the window."""
    loudness = _smooth(np.where(calm, heart, 0.0) ** 2, 4)
    loudness[:, : HALF + 1] = loudness[:, -HALF - 1 :] = 0.0
    part = SIZE // ANCHORS
    return np.asarray(loudness.reshape(len(heart), ANCHORS, part).argmax(axis=2) + part * np.arange(ANCHORS))


def _segment(heart: Floats, at: NDArray[np.int64]) -> Floats:
    index = np.clip(at, HALF, SIZE - HALF - 1)[:, None] + np.arange(-HALF, HALF + 1)
    return np.asarray(np.take_along_axis(heart, index, axis=1))


def _running_energy(heart: Floats) -> Floats:
    """Root of the energy of the template's length around each sample."""
    return np.sqrt(np.maximum(_smooth(heart**2, HALF) * (2 * HALF + 1), 1e-18))


def _resemblance(spectrum: NDArray[np.complex128], energy: Floats, template: Floats) -> Floats:
    """Correlation with the template around each sample, -1 to 1; -1 where it does not reach."""
    own = np.fft.rfft(template, _PAD)
    product = np.fft.irfft(spectrum * own.conj(), _PAD)
    size = np.sqrt(np.maximum((template**2).sum(axis=1, keepdims=True), 1e-18))
    alike = np.full((len(template), SIZE), -1.0)
    alike[:, HALF : SIZE - HALF] = product[:, : SIZE - 2 * HALF] / (energy[:, HALF : SIZE - HALF] * size)
    return alike


def _places(alike: Floats) -> _Places:
    middle = alike[:, 1:-1]
    rows, columns = np.nonzero((middle >= alike[:, :-2]) & (middle > alike[:, 2:]) & (middle > 0.2))
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
    fits = rank < MOST
    rows, columns, rank = rows[fits], columns[fits] + 1, rank[fits]
    index = np.zeros((len(alike), MOST), np.int64)
    height = np.full((len(alike), MOST), -2.0)
    at = np.zeros((len(alike), MOST))
    before, here, after = alike[rows, columns - 1], alike[rows, columns], alike[rows, columns + 1]
    bend = np.minimum(before - 2.0 * here + after, -1e-12)
    index[rows, rank] = columns
    height[rows, rank] = here
    at[rows, rank] = columns + np.clip(0.5 * (before - after) / bend, -0.5, 0.5)
    return _Places(index, height, at)


def _chain(places: _Places, period: Floats) -> NDArray[np.bool_]:
    """The places that together resemble most while their distances stay near the period (dynamic programming).

    A distance costs STIFF times its squared log ratio to the period, at most GAP: then beats are missing in between.
    """
    rows, width = places.height.shape
    score = np.where(places.height > -2.0, places.height, -np.inf)
    before = np.full((rows, width), -1)
    length = np.log(period)[:, None]
    every = np.arange(rows)
    for i in range(1, int((places.height > -2.0).sum(axis=1).max(initial=0))):
        first = max(0, i - REACH)
        apart = places.at[:, i : i + 1] - places.at[:, first:i]
        ratio = np.log(np.maximum(apart, 1e-3)) - length
        cost = np.where(ratio < CLOSEST, np.inf, np.minimum(STIFF * ratio**2, GAP))
        ways = score[:, first:i] - cost
        best = ways.argmax(axis=1)
        gained = ways[every, best]
        better = gained > 0
        score[:, i] += np.where(better, gained, 0.0)
        before[:, i] = np.where(better, first + best, -1)
    kept = np.zeros((rows, width), np.bool_)
    at = score.argmax(axis=1)
    on = np.isfinite(score[every, at])
    for _ in range(_BEATS):
        if not on.any():
            break
        kept[every[on], at[on]] = True
        at = np.where(on, before[every, at], -1)
        on = at >= 0
    return kept


def _average(heart: Floats, places: _Places, kept: NDArray[np.bool_], before: Floats) -> Floats:
    """The mean of the wave around the kept places; the template as before where there are fewer than three."""
    rows, columns = np.nonzero(kept)
    centre = np.clip(places.place[rows, columns], HALF, SIZE - HALF - 1)
    parts = heart[rows[:, None], centre[:, None] + np.arange(-HALF, HALF + 1)]
    parts /= np.sqrt(np.maximum((parts**2).sum(axis=1, keepdims=True), 1e-18))
    count = kept.sum(axis=1)
    starts = np.concatenate([[0], np.cumsum(count)])[:-1]
    total = np.zeros_like(before)
    some = np.flatnonzero(count > 0)
    if some.size:
        total[some] = np.add.reduceat(parts, starts[some], axis=0)
    return np.where((count >= 3)[:, None], total / np.maximum(count, 1)[:, None], before)


def _beats(places: _Places, kept: NDArray[np.bool_], calm: NDArray[np.bool_]) -> Beats:
    good = kept & (places.height >= LIKE)
    order = np.argsort(np.where(kept, places.at, np.inf), axis=1, kind="stable")[:, :_BEATS]
    good = np.take_along_axis(good, order, axis=1)
    at = np.where(np.take_along_axis(kept, order, axis=1), np.take_along_axis(places.at, order, axis=1), np.nan)
    quality = np.where(good, np.take_along_axis(places.height, order, axis=1), np.nan)
    unrest = np.cumsum(~calm, axis=1)
    passed = np.take_along_axis(unrest, np.nan_to_num(at).astype(np.int64), axis=1)
    interval = np.full(at.shape, np.nan)
    follows = good[:, 1:] & good[:, :-1] & (passed[:, 1:] == passed[:, :-1])
    interval[:, 1:] = np.where(follows, np.diff(at, axis=1) / HZ, np.nan)
    count = np.maximum(good.sum(axis=1), 1)
    mean = np.where(good, quality, 0.0).sum(axis=1) / count
    covered = np.nansum(interval, axis=1) / (np.maximum(calm.sum(axis=1), 1) / HZ)
    worth = ((mean >= WORTH) & (covered >= COVERED))[:, None]
    at, interval, quality = (np.where(worth, of, np.nan) for of in (np.where(good, at / HZ, np.nan), interval, quality))
    return Beats(at, interval, quality)


def is_new(beats: Beats) -> NDArray[np.bool_]:
    """Which beats are in the part of the window that no other window speaks of."""
    return np.asarray((beats.at_s >= NEW_S[0]) & (beats.at_s < NEW_S[1]))


def heart_rates(beats: Beats) -> tuple[Floats, Floats]:
    """Heart rate a minute of each window (median interval) and its confidence 0 to 1; NaN and 0 where too few beats."""
    count = np.isfinite(beats.interval_s).sum(axis=1)
    enough = count >= LEAST_INTERVALS
    rate, sure = np.full(len(count), np.nan), np.zeros(len(count))
    if enough.any():
        rate[enough] = 60.0 / np.nanmedian(beats.interval_s[enough], axis=1)
        sure[enough] = np.clip(np.nanmean(beats.quality[enough], axis=1), 0.0, 1.0)
    return rate, sure
