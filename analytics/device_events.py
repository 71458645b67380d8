"""What a device concludes by itself becomes a finding: a radar's fall, a pressed button, smoke, gas, water.

Each device has at most one open episode of a kind. What is reported again while it is open raises nothing; a further
signal of the same kind (motionless after a fall) is a further finding of the same episode. `False` ends the episode
with a `cleared` finding, which is information: kinds that latch stay alerts until a person resolves them.

An answer to a poll (`repeat`) raises like the event itself when nothing is known of the device: what happened while the
gateway was down is not missed. After a person has closed the episode, only a new event raises, not the same state
polled again. Stored events never raise. A person presses several times when nobody comes at once: presses that
follow each other within `PRESS_WINDOW_S` are one call.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from analytics.findings import Evidence, Finding, Phase
from device_drivers.observations import DeviceEvent, Quality

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from device_drivers.observations import Observation

SECOND_NS = 1_000_000_000
PRESS_WINDOW_S = 10.0
"""Zigbee and Bluetooth buttons send one press two or three times; people press again at once."""
KEPT_EPISODES = 16
VERSION = 1


@dataclass(frozen=True, slots=True)
class Meaning:
    """What True of a signal means: the kind, how sure, and with what confidence (typical defaults, not measured).

    words: for a signal of words, those that mean it; every other word of the signal's row ends it.
    """

    kind: str
    phase: Phase
    confidence: float
    words: frozenset[str] = frozenset()

    def holds(self, value: bool | str | None) -> bool | None:
        """Whether a value means it; None for one that says nothing."""
        if self.words:
            return value in self.words if isinstance(value, str) else None
        return value if isinstance(value, bool) else None


MEANINGS: Mapping[str, Meaning] = {
    "fall": Meaning("fall", Phase.CONFIRMED, 0.9),
    "fall_warning": Meaning("fall", Phase.SUSPECTED, 0.5),
    "static_stay": Meaning("fall", Phase.CONFIRMED, 0.9),
    "help_button": Meaning("help_call", Phase.CONFIRMED, 0.99),
    "smoke": Meaning("smoke", Phase.CONFIRMED, 0.95),
    "gas": Meaning("gas", Phase.CONFIRMED, 0.95),
    "carbon_monoxide": Meaning("carbon_monoxide", Phase.CONFIRMED, 0.95),
    "water_leak": Meaning("water_leak", Phase.CONFIRMED, 0.95),
    "motionless_alarm": Meaning("motionless", Phase.CONFIRMED, 0.8),
    "struggle": Meaning("struggle", Phase.CONFIRMED, 0.7, frozenset({"abnormal"})),
    "dwell_alarm": Meaning("long_stay", Phase.CONFIRMED, 0.8),
    "unattended": Meaning("unattended", Phase.CONFIRMED, 0.7, frozenset({"abnormal"})),
    "fence": Meaning("fence_left", Phase.CONFIRMED, 0.8, frozenset({"out", "crossed"})),
    "sleep_anomaly": Meaning("sleep_anomaly", Phase.CONFIRMED, 0.6, frozenset({"short", "long", "absent"})),
    "bed_wet": Meaning("incontinence", Phase.CONFIRMED, 0.9),
    "tamper": Meaning("tamper", Phase.CONFIRMED, 0.95),
}


@dataclass(slots=True)
class _Episode:
    name: str
    phase: Phase
    last_ns: int
    active: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Device:
    resident_id: str | None
    open: dict[str, _Episode] = field(default_factory=dict)
    true: set[str] = field(default_factory=set)
    recent: OrderedDict[str, None] = field(default_factory=OrderedDict)
    testing: bool = False

    def is_new(self, episode: str) -> bool:
        """False for the event of an earlier episode delivered a second time."""
        if episode in self.recent:
            return False
        self.recent[episode] = None
        if len(self.recent) > KEPT_EPISODES:
            self.recent.popitem(last=False)
        return True


class DeviceEvents:
    """Detector of what devices report themselves. press_window_s: presses this close together are one call."""

    signals: ClassVar[frozenset[str]] = frozenset(MEANINGS) | {"alarm_test"}

    def __init__(self, *, press_window_s: float = PRESS_WINDOW_S) -> None:
        self._press_window_ns = int(press_window_s * SECOND_NS)
        self._devices: dict[str, _Device] = {}
        self._queue: list[DeviceEvent] = []
        self._found: list[Finding] = []

    def attach(self, device_id: str, resident_id: str | None) -> None:
        """Start to watch a device. Attaching again under another resident moves it and forgets its past."""
        known = self._devices.get(device_id)
        if known is None or known.resident_id != resident_id:
            self._settle()
            self._devices[device_id] = _Device(resident_id)

    def detach(self, device_id: str) -> None:
        """Stop watching; unknown devices are ignored."""
        self._settle()
        self._devices.pop(device_id, None)

    def ingest(self, observations: Sequence[Observation]) -> None:
        """Queue the events that mean something; everything else is ignored."""
        devices, signals = self._devices, self.signals
        self._queue.extend(
            o
            for o in observations
            if type(o) is DeviceEvent
            and o.signal in signals
            and not o.stored
            and o.device_id in devices
            and _means(o) is not None
        )

    def step(self, now_ns: int) -> list[Finding]:  # noqa: ARG002 - events carry their own time
        """Findings of all events since the last step, in order of time."""
        self._settle()
        found = sorted(self._found, key=lambda finding: finding.at_ns)
        self._found.clear()
        return found

    def close(self, episode: str) -> None:
        """A person has resolved it: the next event begins a new episode, the same state polled again does not."""
        self._settle()
        for device in self._devices.values():
            for kind in [kind for kind, known in device.open.items() if known.name == episode]:
                del device.open[kind]

    def resume(self, finding: Finding, now_ns: int) -> bool:  # noqa: ARG002 - as all detectors
        """An alert of a fault that is still open from before this start: it ends when its device says so.

        False where it is not of this detector: alerts about a person wait for a person.
        """
        signal = str(finding.evidence.get("signal", ""))
        device = self._devices.get(finding.devices[0]) if finding.devices else None
        if device is None or signal not in MEANINGS or MEANINGS[signal].kind != finding.kind:
            return False
        device.open[finding.kind] = _Episode(finding.episode, finding.phase, finding.at_ns, {signal})
        device.true.add(signal)
        device.is_new(finding.episode)
        return True

    def _settle(self) -> None:
        for o in self._queue:
            device = self._devices[o.device_id]
            if o.signal == "alarm_test":
                device.testing = o.value is True
            elif _means(o):
                self._begin(device, o)
                device.true.add(o.signal)
            else:
                self._end(device, o)
                device.true.discard(o.signal)
        self._queue.clear()

    def _begin(self, device: _Device, o: DeviceEvent) -> None:
        meaning = MEANINGS[o.signal]
        known = device.open.get(meaning.kind)
        if o.repeat and o.signal in device.true:
            return
        if known is not None and meaning.kind == "help_call":
            if abs(o.at_ns - known.last_ns) <= self._press_window_ns:
                known.last_ns = max(known.last_ns, o.at_ns)
                return
            known = None
        if known is None:
            token = o.at_ns if o.token is None else o.token
            name = f"{meaning.kind}:{o.device_id}:{token}"
            if device.is_new(name):
                known = device.open[meaning.kind] = _Episode(name, meaning.phase, o.at_ns, {o.signal})
                self._emit(device, known, o, meaning.phase)
        elif o.signal not in known.active:
            known.active.add(o.signal)
            if meaning.phase is Phase.CONFIRMED:
                known.phase = Phase.CONFIRMED
                self._emit(device, known, o, Phase.CONFIRMED)

    def _end(self, device: _Device, o: DeviceEvent) -> None:
        """False of the last signal that held the episode open. A released button takes nothing back."""
        meaning = MEANINGS[o.signal]
        known = device.open.get(meaning.kind)
        if known is None or o.signal not in known.active or meaning.kind == "help_call":
            return
        known.active.discard(o.signal)
        if not known.active:
            del device.open[meaning.kind]
            self._emit(device, known, o, Phase.CLEARED)

    def _emit(self, device: _Device, known: _Episode, o: DeviceEvent, phase: Phase) -> None:
        meaning = MEANINGS[o.signal]
        evidence: dict[str, Evidence] = {
            "rule": f"device_event/{VERSION}",
            "signal": o.signal,
            o.signal: o.value if o.value is not None else False,
        }
        if o.repeat:
            evidence["polled"] = True
        if o.quality is not Quality.GOOD:
            evidence["quality"] = str(o.quality)
        if device.testing:
            evidence["alarm_test"] = True
        confidence = meaning.confidence
        finding = Finding(
            known.name, meaning.kind, device.resident_id, o.at_ns, phase, confidence, (o.device_id,), evidence
        )
        self._found.append(finding)


def _means(o: DeviceEvent) -> bool | None:
    if o.signal == "alarm_test":
        return o.value if isinstance(o.value, bool) else None
    return MEANINGS[o.signal].holds(o.value)
