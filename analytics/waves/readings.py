"""Heart and respiratory rate from devices that send waves and not these numbers; they re-enter as readings.

    breath_wave             -> respiratory_rate    every 10 s, of 40 s
    bed_wave                -> heart_rate every 4 s of 12 s, respiratory_rate as above
    heart_wave              -> heart_rate          every 10 s, of 40 s (a radar's 5 points a second)
    pulse_wave (and accel)  -> heart_rate every 2 s of 8 s, respiratory_rate every 10 s of 40 s

A reading is dated to the end of its window, marked `derived`, and of good quality; where the wave is too poor for an
answer there is none. What a device has reported itself within the last OWN_S is not derived: no signal comes twice from
one device. Waves of unworn devices say nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from analytics.columns import SIGNAL_CODE, Columns, Slots, everything, wanted_codes
from analytics.ppg import breathing as pulse_breathing
from analytics.ppg import spectra
from analytics.ppg.tracker import PulseTracker
from analytics.slots import Column, SlotTable
from analytics.waves import beats, rates
from analytics.waves.lane import Due, Lane
from analytics.waves.ring import NEVER, WaveRing, batches
from device_drivers.observations import DeviceEvent, Reading, Samples
from device_drivers.signals import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from analytics.findings import Finding
    from device_drivers.observations import Observation

    Floats = NDArray[np.float64]

SECOND_NS = 1_000_000_000
OWN_S = 900.0
"""A device that reports a signal itself does so at least every quarter of an hour."""
PULSE_CHANNELS = 2
FORGET_S = 60.0
"""After so long without a pulse wave its heart rate may be anywhere."""
STILL_G = 0.02
"""Acceleration that varies less (standard deviation) is the sensor's noise, not movement."""
SLICE_NS = 8 * SECOND_NS
WAVES = ("breath_wave", "bed_wave", "heart_wave", "pulse_wave")
DERIVED = frozenset({"heart_rate", "respiratory_rate"})
_IS_WAVE, _WORN = wanted_codes(WAVES), SIGNAL_CODE["worn"]
_PULSE_HZ = pulse_breathing.HZ


@dataclass(slots=True)
class _Device:
    resident_id: str | None
    sends: set[str] = field(default_factory=set)
    own_ns: dict[str, int] = field(default_factory=dict)
    worn: bool = True


class WaveReadings:
    """Derives readings; finds nothing itself. `derived()` gives what came of the last `ingest`s."""

    signals = frozenset(WAVES) | DERIVED | {"accel", "worn"}

    def __init__(self) -> None:
        self._devices: dict[str, _Device] = {}
        self._slots, self._waving = Slots(), SlotTable({"waves": Column(np.bool_, False)})
        self._breath = Lane(rates.HZ, rates.WINDOW_S, rates.STEP_S)
        self._heart = Lane(rates.HZ, rates.WINDOW_S, rates.STEP_S)
        self._bed = Lane(beats.HZ, beats.WINDOW_S, beats.STEP_S)
        self._pulse = Lane(
            _PULSE_HZ, spectra.WINDOW_S, spectra.STEP_S, channels=PULSE_CHANNELS, spare_s=rates.WINDOW_S + 8.0
        )
        self._accel = WaveRing(_PULSE_HZ, spectra.WINDOW_S + 3 * spectra.STEP_S + rates.STEP_S, channels=3)
        self._accel_slots: dict[str, int] = {}
        self._tracker = PulseTracker(16)
        self._followed: dict[int, int] = {}
        self._queue: list[Samples] = []
        self._out: list[Reading] = []

    def attach(self, device_id: str, resident_id: str | None) -> None:
        """Start to watch a device; under another resident it has no past."""
        known = self._devices.get(device_id)
        if known is None or known.resident_id != resident_id:
            self.detach(device_id)
            self._devices[device_id] = _Device(resident_id)
            self._slots.put(device_id, self._waving.acquire())

    def detach(self, device_id: str) -> None:
        """Stop watching; unknown devices are ignored."""
        if self._devices.pop(device_id, None) is None:
            return
        self._waving.release(self._slots.remove(device_id))
        self._queue = [block for block in self._queue if block.device_id != device_id]
        for lane in (self._breath, self._heart, self._bed, self._pulse):
            slot = lane.forget(device_id)
            if slot is not None and lane is self._pulse:
                self._tracker.forget(slot)
                self._followed.pop(slot, None)
        slot = self._accel_slots.pop(device_id, None)
        if slot is not None:
            self._accel.release(slot)
        self._out = [one for one in self._out if one.device_id != device_id]

    def ingest(self, observations: Sequence[Observation]) -> None:
        """Take waves; remember what devices report themselves."""
        columns = Columns(observations)
        self.take(columns, everything(columns))

    def take(self, columns: Columns, chosen: NDArray[np.int64]) -> None:
        """The same with observations as arrays: only devices with waves cost anything."""
        slot, code = self._slots.of(columns, chosen), columns.signal[chosen]
        kept = (slot >= 0) & ~columns.stored[chosen]
        self._waving["waves"][slot[kept & _IS_WAVE[code] & ~columns.reading[chosen]]] = True
        kept &= (code == _WORN) | self._waving["waves"][slot]
        for i in np.flatnonzero(kept).tolist():
            o = columns.observations[chosen[i]]
            self._take_one(self._devices[o.device_id], o)
        self._settle()

    def _take_one(self, device: _Device, o: Observation) -> None:
        if type(o) is Samples:
            self._take_block(device, o)
        elif type(o) is Reading:
            if device.sends and not o.derived:
                device.own_ns[o.signal] = o.received_ns
        elif type(o) is DeviceEvent and o.signal == "worn" and isinstance(o.value, bool) and o.value != device.worn:
            self._settle()
            device.worn = o.value

    def step(self, now_ns: int) -> list[Finding]:  # noqa: ARG002 - as all detectors
        """Nothing: what is derived re-enters by `derived`."""
        return []

    def derived(self) -> list[Reading]:
        """Readings derived since the last call, in order of receipt."""
        out, self._out = self._out, []
        out.sort(key=lambda one: (one.received_ns, one.at_ns))
        return out

    def _take_block(self, device: _Device, block: Samples) -> None:
        name, signal = block.device_id, block.signal
        if signal == "accel":
            if name in self._accel_slots:
                self._queue.append(block)
            return
        if signal not in device.sends:
            device.sends.add(signal)
            if signal == "breath_wave" or (signal == "bed_wave" and "breath_wave" not in device.sends):
                self._breath.slot(name)
            if signal == "heart_wave":
                self._heart.slot(name)
            elif signal == "bed_wave":
                self._bed.slot(name)
            elif signal == "pulse_wave":
                self._tracker.grow(self._pulse.slot(name) + 1)
                self._accel_slots[name] = self._accel.acquire()
        self._queue.append(block)

    def _settle(self) -> None:
        """Work through the queue; acceleration first, so that it is there for the pulse of the same time."""
        if not self._queue:
            return
        queue, self._queue = self._queue, []
        by_signal: dict[str, list[Samples]] = {}
        for block in queue:
            by_signal.setdefault(block.signal, []).append(block)
        breaths = by_signal.get("breath_wave", [])
        pads = by_signal.get("bed_wave", [])
        breaths += [one for one in pads if "breath_wave" not in self._devices[one.device_id].sends]
        for due in self._breath.take(breaths):
            self._say(self._breath, due, "respiratory_rate", rates.rate_of(due.wave).rate)
        for due in self._heart.take(by_signal.get("heart_wave", [])):
            self._say(self._heart, due, "heart_rate", rates.rate_of(due.wave, rates.HEART).rate)
        for due in self._bed.take(pads):
            self._say(self._bed, due, "heart_rate", beats.heart_rates(beats.find_beats(due.wave))[0])
        self._pulses(by_signal.get("accel", []), by_signal.get("pulse_wave", []))

    def _pulses(self, accel: list[Samples], pulse: list[Samples]) -> None:
        """Slice by slice, so that the acceleration of each window is still there."""
        if not pulse:
            self._accelerate(accel)
            return
        for number in sorted({block.at_ns // SLICE_NS for block in [*accel, *pulse]}):
            self._accelerate([block for block in accel if block.at_ns // SLICE_NS == number])
            for due in self._pulse.take(block for block in pulse if block.at_ns // SLICE_NS == number):
                self._follow(due)
                self._breathing(due)

    def _accelerate(self, accel: list[Samples]) -> None:
        for batch in batches(accel, self._accel_slots, 3, self._accel.rates, self._pulse.counts):
            self._accel.write(batch)

    def _breathing(self, due: Due) -> None:
        full = np.flatnonzero(due.end % (pulse_breathing.STEP_S * _PULSE_HZ) == 0)
        if full.size:
            wave = self._pulse.ring.windows(due.slots[full], due.end[full], pulse_breathing.SIZE)[:, 0]
            part = Due(due.slots[full], due.end_ns[full], due.received_ns[full], wave, due.end[full])
            self._say(self._pulse, part, "respiratory_rate", pulse_breathing.pulse_breathing(wave).rate)

    def _follow(self, due: Due) -> None:
        """The heart rate of these windows, freed from movement."""
        for slot, end_ns in zip(due.slots.tolist(), due.end_ns.tolist(), strict=True):
            if not 0 <= end_ns - self._followed.get(slot, end_ns) <= FORGET_S * SECOND_NS:
                self._tracker.forget(slot)
            self._followed[slot] = end_ns
        own = np.array([self._accel_slots[self._pulse.device_at[slot]] for slot in due.slots.tolist()], np.int64)
        heads = self._accel.head[own]
        moved = self._accel.windows(own, due.end, self._pulse.size)
        never = heads == NEVER
        gone = heads - due.end > self._accel.capacity - self._pulse.size
        missing = ~never & ((heads < due.end) | gone | ~np.isfinite(moved).all(axis=(1, 2)))
        with np.errstate(invalid="ignore"):
            moved[never | (moved.std(axis=2).max(axis=1) < STILL_G)] = 0.0
        pulse = due.wave.copy()
        pulse[missing] = np.nan
        self._say(self._pulse, due, "heart_rate", self._tracker.step(pulse, moved, due.slots).rate)

    def _say(self, lane: Lane, due: Due, signal: str, values: Floats) -> None:
        row = SIGNALS[signal]
        for i in np.flatnonzero((values >= row.low) & (values <= row.high)).tolist():
            name, received = lane.device_at[int(due.slots[i])], int(due.received_ns[i])
            device = self._devices[name]
            own = device.own_ns.get(signal)
            if device.worn and (own is None or received - own > OWN_S * SECOND_NS):
                value = round(float(values[i]), 1)
                self._out.append(Reading(name, signal, value, int(due.end_ns[i]), received, derived=True))
