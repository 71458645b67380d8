"""In which room a tag is: by the distances that the receivers in the rooms estimate.

Per tag and room the median of the last distances counts, at most 30 s old. A tag moves to another room when that has
been nearer by a metre for five seconds, or when its own room has not heard it for 30 s; five minutes unheard, it has
left. Radio distances jump by metres: this tells rooms, not places in them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from device_drivers.observations import DeviceEvent, Quality

if TYPE_CHECKING:
    from collections.abc import Iterator

SECOND_NS = 1_000_000_000
WINDOW_NS = 30 * SECOND_NS
KEPT_DISTANCES = 5
BETTER_M = 1.0
HOLD_NS = 5 * SECOND_NS
LEFT_NS = 300 * SECOND_NS
RESTATE_NS = 60 * SECOND_NS
MAX_TAGS = 2_000
MAX_ROOMS = 32
"""Rooms remembered for one tag: nobody is heard in more at a time."""
PATH_LOSS = 2.5
"""Exponent of free space is 2, of rooms with furniture 2 to 3.5."""
TX_POWER = -59
"""dBm at one metre of a common tag."""


@dataclass(slots=True)
class _Tag:
    heard_ns: int
    room: str | None = None
    stated_ns: int = 0
    rival: str | None = None
    rival_ns: int = 0
    distances: dict[str, deque[tuple[int, float]]] = field(default_factory=dict)


class Locator:
    """All tags of one codec; the one unheard for longest is forgotten first."""

    def __init__(self) -> None:
        self._tags: dict[str, _Tag] = {}

    def __len__(self) -> int:
        return len(self._tags)

    def room_of(self, device_id: str) -> str | None:
        """The room as it is known now."""
        tag = self._tags.get(device_id)
        return tag.room if tag else None

    def sight(self, device_id: str, room: str, distance_m: float, received_ns: int) -> list[DeviceEvent]:
        """The tag was heard in a room: its room where that is news, or a restatement once a minute."""
        left = list(self._left(received_ns))
        tag = self._tags.pop(device_id, None) or _Tag(received_ns)
        self._tags[device_id] = tag
        if len(self._tags) > MAX_TAGS:
            del self._tags[next(iter(self._tags))]
        tag.heard_ns = received_ns
        tag.distances.setdefault(room, deque(maxlen=KEPT_DISTANCES)).append((received_ns, distance_m))
        before = tag.room
        self._decide(tag, _medians(tag, received_ns), received_ns)
        if tag.room == before and 0 <= received_ns - tag.stated_ns < RESTATE_NS:
            return left
        tag.stated_ns = received_ns
        event = DeviceEvent(device_id, "room", tag.room, received_ns, received_ns, repeat=tag.room == before)
        return [*left, event]

    def _left(self, now_ns: int) -> Iterator[DeviceEvent]:
        """Tags that nobody has heard for five minutes; the order of the table is that of hearing."""
        while self._tags:
            device_id, tag = next(iter(self._tags.items()))
            if now_ns - tag.heard_ns < LEFT_NS:
                return
            del self._tags[device_id]
            yield DeviceEvent(device_id, "room", None, tag.heard_ns + LEFT_NS, now_ns, Quality.NO_CONTACT)

    @staticmethod
    def _decide(tag: _Tag, medians: dict[str, float], now_ns: int) -> None:
        best = min(medians, key=medians.__getitem__)
        own = medians.get(tag.room) if tag.room is not None else None
        if own is None:
            tag.room, tag.rival = best, None
        elif best == tag.room or medians[best] > own - BETTER_M:
            tag.rival = None
        elif tag.rival != best:
            tag.rival, tag.rival_ns = best, now_ns
        elif now_ns - tag.rival_ns >= HOLD_NS:
            tag.room, tag.rival = best, None


def distance_m(rssi: float, tx_power: float = TX_POWER) -> float:
    """Metres, by the loss of strength since one metre."""
    return float(10 ** ((tx_power - rssi) / (10 * PATH_LOSS)))


def _medians(tag: _Tag, now_ns: int) -> dict[str, float]:
    """The median distance by room; rooms without a recent one are forgotten."""
    found = {}
    for room, kept in list(tag.distances.items()):
        while kept and not 0 <= now_ns - kept[0][0] <= WINDOW_NS:
            kept.popleft()
        if kept:
            found[room] = median(distance for _, distance in kept)
        if not kept or len(tag.distances) > MAX_ROOMS:
            del tag.distances[room]
    return found
