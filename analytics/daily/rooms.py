"""In which room a tag steadily is: radio jumps between neighbouring rooms though nobody moves.

A person who lies on the floor must not seem alive because their tag is heard next door for some seconds now and then. A
room counts once the tag has been heard there for STEADY_S without a break; drivers restate the room once a minute.
"""

from __future__ import annotations

STEADY_S = 110.0
"""Less than the two minutes after which a room is restated for the second time: where a tag is heard next door in one
minute of twenty, two in a row come every seven hours and three every six days (typical default)."""
_STEADY_NS = int(STEADY_S * 1_000_000_000)


class SteadyRooms:
    """The rooms of some tags."""

    def __init__(self) -> None:
        self._steady: dict[str, str] = {}
        self._next: dict[str, tuple[str, int]] = {}

    def hear(self, device_id: str, room: str, at_ns: int) -> bool:
        """The tag is heard in a room: whether it has steadily moved there now. The first room counts at once."""
        known = self._steady.get(device_id)
        if known is None or known == room:
            self._steady[device_id] = room
            self._next.pop(device_id, None)
            return known is None
        heading, since_ns = self._next.get(device_id, ("", 0))
        if heading != room or at_ns < since_ns:
            self._next[device_id] = (room, at_ns)
            return False
        if at_ns - since_ns < _STEADY_NS:
            return False
        self._steady[device_id] = room
        del self._next[device_id]
        return True

    def room_of(self, device_id: str) -> str | None:
        """Where it steadily is; None of a tag that was never heard."""
        return self._steady.get(device_id)

    def forget(self, device_id: str) -> None:
        """Nothing is known of it any more."""
        self._steady.pop(device_id, None)
        self._next.pop(device_id, None)
