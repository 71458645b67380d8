"""What must be remembered of each wearable between frames: which frames came already, and how its clock runs.

All of it is bounded and can be lost at any time: a forgotten device costs at most a repeated frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field

WINDOW = 1024
"""Sequence numbers behind the newest in which a repeated frame is recognised: 17 minutes at one a second."""
KEPT_BOOTS = 4
KEPT_PRESSES = 32
DRIFT_PPM = 100
"""How much slower than UTC a device's clock may run: ten times what a common crystal does (+-10 ppm)."""
MOST_LAG_NS = 3_600 * 10**9
"""A live frame that seems older than this says that a clock was set, not that the frame was under way so long."""


class SequenceWindow:
    """Recognises sequence numbers that came before, out of the last 1024; older ones pass as new."""

    __slots__ = ("_newest", "_seen")

    def __init__(self) -> None:
        self._newest = -1
        self._seen = 0

    def take(self, sequence: int) -> bool:
        """True for a sequence number that is new, or too old to tell."""
        ahead = sequence - self._newest
        if ahead > 0:
            self._seen = (self._seen << ahead | 1) & _ALL if ahead < WINDOW else 1
            self._newest = sequence
            return True
        bit = 1 << -ahead if -ahead < WINDOW else 0
        if self._seen & bit:
            return False
        self._seen |= bit
        return True


_ALL = (1 << WINDOW) - 1


class ArrivalClock:
    """Places the times of a device whose clock counts from boot, by when its frames arrive.

    The offset to UTC is the smallest (received - device time) so far, that is the frame that was under way for the
    shortest time; it may rise by 100 ppm, so that a slow device clock is followed.
    """

    __slots__ = ("_offset", "_received")

    def __init__(self) -> None:
        self._offset: int | None = None
        self._received = 0

    def place(self, device_ns: int, duration_ns: int, received_ns: int, *, stored: bool) -> int:
        """UTC of the first sample of a block that lasts `duration_ns`, all in ns; never later than the receipt."""
        latest = received_ns - device_ns - duration_ns
        offset = self._offset
        if offset is None or latest <= offset:
            offset = latest
        elif not stored:
            offset = min(latest, offset + max(0, received_ns - self._received) * DRIFT_PPM // 1_000_000)
            if latest - offset > MOST_LAG_NS:
                offset = latest
        if not stored or self._offset is None:
            self._received = received_ns
        self._offset = offset
        return offset + device_ns


@dataclass(slots=True)
class Boot:
    """One life of a device between two starts. presses: counters of the live presses reported so far."""

    window: SequenceWindow = field(default_factory=SequenceWindow)
    clock: ArrivalClock = field(default_factory=ArrivalClock)
    presses: dict[int, None] = field(default_factory=dict)

    def is_repeat(self, counter: int) -> bool:
        """True where this press was reported before; remembers it."""
        if counter in self.presses:
            return True
        self.presses[counter] = None
        if len(self.presses) > KEPT_PRESSES:
            del self.presses[next(iter(self.presses))]
        return False


class Device:
    """One wearable: its id and its latest four boots."""

    __slots__ = ("boots", "device_id")

    def __init__(self, device_id: str) -> None:
        self.device_id = device_id
        self.boots: dict[int, Boot] = {}

    def boot(self, boot_id: int) -> Boot:
        """The state of that boot; the oldest of five is forgotten."""
        known = self.boots.get(boot_id)
        if known is None:
            known = self.boots[boot_id] = Boot()
            if len(self.boots) > KEPT_BOOTS:
                del self.boots[next(iter(self.boots))]
        return known
