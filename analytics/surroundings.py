"""What bed and main door tell about a fall, for whoever has to judge it.

It is evidence only and never clears or confirms: a bed sensor tells late that somebody has left (a radar after half a
minute), and a door may have been opened by a visitor. A carer who reads "left the bed 20 s before" or "the bed sensor
says in bed" knows where to look first, and what to make of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from device_drivers.observations import DeviceEvent, Quality

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analytics.findings import Evidence, Finding
    from device_drivers.observations import Observation

SECOND_NS = 1_000_000_000
NEAR_NS = 300 * SECOND_NS
"""What happened this long before or after an impact has to do with it."""
FRESH_NS = 3600 * SECOND_NS
"""A bed sensor that was silent for this long says nothing of now."""
KEPT = 4
_SAYS: dict[tuple[str, object], bool] = {
    ("bed_occupancy", "in"): True,
    ("bed_occupancy", "left"): False,
    ("door", "open"): True,
    ("door", True): True,
    ("door", "closed"): False,
    ("door", False): False,
}


@dataclass(slots=True)
class _Sensor:
    """changes: time (ns) and what was said from then on, the latest KEPT; heard_ns: when it last said anything."""

    resident_id: str
    place: str
    changes: list[tuple[int, bool]] = field(default_factory=list)
    heard_ns: int = 0
    signal: str = ""

    def note(self, at_ns: int, said: bool) -> None:
        """Keep a change; old ones that come late are only signs of life."""
        if at_ns < self.heard_ns:
            return
        self.heard_ns = at_ns
        if not self.changes or self.changes[-1][1] != said:
            self.changes.append((at_ns, said))
            del self.changes[:-KEPT]


class FallSurroundings:
    """A `Detector` that finds nothing by itself; `evidence` is asked for the surroundings of a fall."""

    signals: ClassVar[frozenset[str]] = frozenset({"bed_occupancy", "door"})

    def __init__(self) -> None:
        self._sensors: dict[str, _Sensor] = {}
        self._of: dict[str, set[str]] = {}

    def attach(self, device_id: str, resident_id: str | None, *, place: str = "") -> None:
        """Start to listen to a device, not to one that is nobody's. place: `main_door` for the door that counts."""
        known = self._sensors.get(device_id)
        if known is not None and known.resident_id == resident_id:
            known.place = place
            return
        self.detach(device_id)
        if resident_id is not None:
            self._sensors[device_id] = _Sensor(resident_id, place)
            self._of.setdefault(resident_id, set()).add(device_id)

    def detach(self, device_id: str) -> None:
        """Stop listening; unknown devices are ignored."""
        sensor = self._sensors.pop(device_id, None)
        if sensor is not None:
            own = self._of[sensor.resident_id]
            own.discard(device_id)
            if not own:
                del self._of[sensor.resident_id]

    def ingest(self, observations: Sequence[Observation]) -> None:
        """Note changes; what is stored or invalid is left out."""
        for o in observations:
            sensor = self._sensors.get(o.device_id)
            if sensor is None or type(o) is not DeviceEvent or o.stored or o.quality is Quality.INVALID:
                continue
            said = _SAYS.get((o.signal, o.value)) if isinstance(o.value, str | bool) else None
            if said is not None:
                sensor.signal = o.signal
                sensor.note(o.at_ns, said)

    def step(self, now_ns: int) -> list[Finding]:  # noqa: ARG002 - as all detectors
        """Nothing, ever."""
        return []

    def evidence(self, resident_id: str | None, impact_ns: int) -> dict[str, Evidence]:
        """What is known around an impact: `bed_left_s` (before it), `in_bed`, `bed_back_s`, `door_opened_s` (after it).

        Whole seconds; what is not known is left out.
        """
        found: dict[str, Evidence] = {}
        for device_id in sorted(self._of.get(resident_id or "", ())):
            sensor = self._sensors[device_id]
            if sensor.signal == "bed_occupancy":
                found.update(_bed(sensor, impact_ns))
            elif sensor.place == "main_door":
                found.update(_door(sensor, impact_ns))
        return found


def _bed(sensor: _Sensor, impact_ns: int) -> Iterator[tuple[str, Evidence]]:
    before = [change for change in sensor.changes if change[0] <= impact_ns]
    after = [change for change in sensor.changes if change[0] > impact_ns]
    if before and not before[-1][1] and impact_ns - before[-1][0] <= NEAR_NS:
        yield "bed_left_s", _seconds(impact_ns - before[-1][0])
    if before and before[-1][1] and not after and impact_ns - sensor.heard_ns <= FRESH_NS:
        yield "in_bed", True
    back = [at_ns for at_ns, inside in after if inside and at_ns - impact_ns <= NEAR_NS]
    if back and not (before and before[-1][1]):
        yield "bed_back_s", _seconds(back[0] - impact_ns)


def _door(sensor: _Sensor, impact_ns: int) -> Iterator[tuple[str, Evidence]]:
    opened = [at_ns for at_ns, is_open in sensor.changes if is_open and 0 < at_ns - impact_ns <= NEAR_NS]
    if opened:
        yield "door_opened_s", _seconds(opened[0] - impact_ns)


def _seconds(ns: int) -> int:
    return round(ns / SECOND_NS)
