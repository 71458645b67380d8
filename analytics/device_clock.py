"""Devices' clocks: whose can be believed, how far the others are off, and when everything of theirs really happened.

A device's time is compared with the time of receipt. A time in the future is always a wrong clock. A time in the past
may be one, or the message was kept on its way: by a broker while the gateway was away, by the device out of reach. So
the past is believed of a device whose clock was seen right before, and of every device that comes through a broker,
until its messages stay behind by the same amount while time goes on: what was kept comes faster than it happened.

What a wrong clock dates is moved by the least delay seen, not set to the receipt, so that samples keep their distances.
History that such a device had stored is moved by the same amount.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from analytics.findings import Evidence, Finding, Phase
from device_drivers.observations import Samples

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from device_drivers.observations import Observation

SECOND_NS = 1_000_000_000
AHEAD_NS = 2 * SECOND_NS
"""More than this ahead of the receipt cannot be."""
WRONG_NS = 120 * SECOND_NS
"""More than this off is worth telling somebody; less is the ordinary error of a clock and of the way."""
WATCHED_NS = 10 * SECOND_NS
STEADY_NS = 5 * SECOND_NS
"""Off by the same amount, give or take this much, over at least that long: the clock is off, not the way slow."""
DRIFT_PPM = 100
JUMP_NS = 60 * SECOND_NS
ZONE_NS = 1_800 * SECOND_NS
ZONE_TOLERANCE_NS = 180 * SECOND_NS
LARGEST_ZONE_NS = 14 * 3600 * SECOND_NS
RIGHT_TIMES = 2
MAX_DEVICES = 20_000
RULE = "clock_wrong/1"


@dataclass(slots=True)
class _Clock:
    """A clock in doubt. offset_ns: what must be added to its times. since: where the present offset was first seen."""

    offset_ns: int
    since_at_ns: int
    since_ns: int
    last_ns: int
    confirmed: bool = False
    episode: str | None = None
    right: int = 0
    right_at_ns: int = 0

    def follow(self, at_ns: int, received_ns: int) -> None:
        """One more live time of this clock: the offset is the least delay, following a slow clock by 100 ppm."""
        lag = received_ns - at_ns
        if abs(lag - self.offset_ns) > JUMP_NS:
            self.offset_ns, self.since_at_ns, self.since_ns, self.confirmed = lag, at_ns, received_ns, False
        gone = max(0, received_ns - self.since_ns)
        steady = abs((at_ns - self.since_at_ns) - gone) <= STEADY_NS
        if not steady and not self.confirmed:
            self.since_at_ns, self.since_ns = at_ns, received_ns
        self.confirmed |= steady and gone >= WATCHED_NS
        self.offset_ns = min(lag, self.offset_ns + max(0, received_ns - self.last_ns) * DRIFT_PPM // 1_000_000)
        self.last_ns = received_ns


class DeviceClocks:
    """Judges what devices say about when. `judge` on everything that arrives, `step` for the findings."""

    def __init__(self) -> None:
        self._right: set[str] = set()
        self._doubted: dict[str, _Clock] = {}
        self._resumed: dict[str, Finding] = {}
        self._found: list[Finding] = []

    def judge(self, observations: Sequence[Observation], *, direct: bool) -> list[Observation]:
        """The same observations, dated when they happened. direct: nothing lies between that could have kept them."""
        judged: list[Observation] = []
        doubted, right = self._doubted, self._right
        for one in observations:
            lag = one.received_ns - one.at_ns
            if -AHEAD_NS <= lag <= WRONG_NS:
                device_id = one.device_id
                if lag and not one.stored and (device_id in doubted or device_id not in right):
                    self._seems_right(device_id, one.at_ns, one.received_ns)
                judged.append(one)
            elif one.stored:
                judged.append(self._history(one))
            else:
                judged.append(self._doubt(one, direct=direct))
        return judged

    def step(self, owners: Mapping[str, str | None]) -> list[Finding]:
        """Findings since the last step. owners: device -> resident; only devices in it are told of."""
        found = [replace(one, resident_id=owners[one.devices[0]]) for one in self._found if one.devices[0] in owners]
        self._found.clear()
        return found

    def keep(self, device_ids: Collection[str]) -> None:
        """Forget every other device."""
        self._right.intersection_update(device_ids)
        self._doubted = {one: clock for one, clock in self._doubted.items() if one in device_ids}
        self._resumed = {one: finding for one, finding in self._resumed.items() if one in device_ids}

    def resume(self, finding: Finding) -> bool:
        """An alert still open from before this start: it ends when the device shows the right time."""
        if finding.kind != "clock_wrong" or not finding.devices:
            return False
        self._resumed[finding.devices[0]] = finding
        self._right.discard(finding.devices[0])
        return True

    def wrong(self) -> dict[str, int]:
        """How many ns each clock that is told of is ahead (negative: behind)."""
        return {one: -clock.offset_ns for one, clock in self._doubted.items() if clock.episode is not None}

    def _seems_right(self, device_id: str, at_ns: int, received_ns: int) -> None:
        clock = self._doubted.get(device_id)
        if clock is None and device_id not in self._resumed:
            self._believe(device_id)
            return
        if clock is None:
            clock = self._doubted[device_id] = _Clock(0, at_ns, received_ns, received_ns)
        if clock.right_at_ns != at_ns:
            clock.right_at_ns, clock.right = at_ns, clock.right + 1
        if clock.right >= RIGHT_TIMES:
            del self._doubted[device_id]
            before = self._resumed.pop(device_id, None)
            episode = clock.episode or (before.episode if before is not None else None)
            if episode is not None:
                self._tell(device_id, episode, received_ns, Phase.CLEARED, {"reason": "clock_right"})
            self._believe(device_id)

    def _believe(self, device_id: str) -> None:
        if len(self._right) < MAX_DEVICES:
            self._right.add(device_id)

    def _doubt(self, one: Observation, *, direct: bool) -> Observation:
        """A live time that is off: what it was in truth, as far as that is known."""
        device_id, at_ns = one.device_id, _end_ns(one)
        clock = self._doubted.get(device_id)
        if clock is None:
            if len(self._doubted) >= MAX_DEVICES:
                return _moved(one, one.received_ns - at_ns)
            clock = self._doubted[device_id] = _Clock(one.received_ns - at_ns, at_ns, one.received_ns, one.received_ns)
        clock.right = 0
        clock.follow(at_ns, one.received_ns)
        if clock.confirmed and self._off(clock):
            self._right.discard(device_id)
            self._raise(device_id, clock, one)
        ahead = at_ns > one.received_ns + AHEAD_NS
        believed = not ahead and not clock.confirmed and (device_id in self._right or not direct)
        return one if believed else _moved(one, clock.offset_ns)

    def _history(self, one: Observation) -> Observation:
        """What the device had stored, with the same clock."""
        clock = self._doubted.get(one.device_id)
        if clock is not None and clock.confirmed and one.at_ns + clock.offset_ns <= one.received_ns:
            return _moved(one, clock.offset_ns)
        return one if one.at_ns <= one.received_ns + AHEAD_NS else _moved(one, one.received_ns - _end_ns(one))

    def _off(self, clock: _Clock) -> bool:
        return abs(clock.offset_ns) > WRONG_NS

    def _raise(self, device_id: str, clock: _Clock, one: Observation) -> None:
        if clock.episode is not None:
            return
        before = self._resumed.pop(device_id, None)
        if before is not None:
            clock.episode = before.episode
            return
        clock.episode = f"clock_wrong:{device_id}:{one.received_ns}"
        ahead_ns = -clock.offset_ns
        evidence: dict[str, Evidence] = {"offset_s": round(ahead_ns / SECOND_NS), "time_zone": _is_zone(ahead_ns)}
        self._tell(device_id, clock.episode, one.received_ns, Phase.CONFIRMED, evidence)

    def _tell(self, device_id: str, episode: str, at_ns: int, phase: Phase, evidence: dict[str, Evidence]) -> None:
        facts = {"rule": RULE} | evidence
        self._found.append(Finding(episode, "clock_wrong", None, at_ns, phase, 1.0, (device_id,), facts))


def _end_ns(one: Observation) -> int:
    """The latest time that the observation speaks of."""
    return one.at_ns + int(len(one.values) / one.rate_hz * 1e9) if isinstance(one, Samples) else one.at_ns


def _moved(one: Observation, offset_ns: int) -> Observation:
    return replace(one, at_ns=one.at_ns + offset_ns)


def _is_zone(ahead_ns: int) -> bool:
    """Off by whole half hours, as a clock with the wrong time zone is."""
    off = abs(ahead_ns)
    away = off % ZONE_NS
    return min(away, ZONE_NS - away) <= ZONE_TOLERANCE_NS and ZONE_NS // 2 < off <= LARGEST_ZONE_NS + ZONE_TOLERANCE_NS
