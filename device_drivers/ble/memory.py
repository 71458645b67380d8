"""What is remembered of each Bluetooth device, to tell a press from its echo and news from restatement.

An advertisement is sent many times, heard by several gateways, and sometimes kept by one and sent later.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from device_drivers.ble.contents import Press

SECOND_NS = 1_000_000_000
ECHO_NS = 60 * SECOND_NS
"""The same packet number within a minute of its last hearing is the same packet; the number comes round after 256."""
LATE_NS = 10 * SECOND_NS
"""A smaller number within this is a late copy by another gateway; after it, of a device that began anew."""
SAME_PRESS_NS = 10 * SECOND_NS
"""Of devices that do not number their packets."""
RESTATE_NS = 60 * SECOND_NS
NOTE_NS = 10 * SECOND_NS
"""Facts that change with every advertisement (counters) must not push out the others."""
MAX_NOTES = 16
MAX_DEVICES = 2_000
MAX_PACKETS = 16
MAX_ONCE = 64
FRESH_COUNTER = 100
"""An encryption counter below this may be smaller than before: the battery was changed."""


@dataclass(slots=True)
class Known:
    """One device."""

    packets: OrderedDict[int, int] = field(default_factory=OrderedDict)
    presses: dict[Press, int] = field(default_factory=dict)
    stated: dict[str, tuple[Hashable, int]] = field(default_factory=dict)
    once: OrderedDict[bytes, None] = field(default_factory=OrderedDict)
    notes: dict[str, tuple[Mapping[str, Any], int]] = field(default_factory=dict)
    latest: int | None = None
    latest_ns: int = 0
    counter: int | None = None
    beacon_ns: int | None = None
    name: str | None = None

    def is_echo(self, packet: int, at_ns: int) -> bool:
        """Whether this packet has been heard before, lately."""
        before = self.packets.pop(packet, None)
        self.packets[packet] = at_ns
        if len(self.packets) > MAX_PACKETS:
            self.packets.popitem(last=False)
        echo = before is not None and abs(at_ns - before) <= ECHO_NS
        newer = self.latest is None or (packet - self.latest) % 256 < 128 or abs(at_ns - self.latest_ns) > LATE_NS
        if packet == self.latest or (newer and not echo):
            self.latest, self.latest_ns = packet, at_ns
        return echo

    def is_same_press(self, press: Press, at_ns: int) -> bool:
        """Whether a press without a packet number belongs to one heard before."""
        before = self.presses.get(press)
        self.presses[press] = at_ns
        return before is not None and abs(at_ns - before) < SAME_PRESS_NS

    def is_new_burst(self, at_ns: int, quiet_ns: int) -> bool:
        """Whether a beacon comes after silence; each one heard makes the silence begin anew."""
        before, self.beacon_ns = self.beacon_ns, at_ns
        return before is None or abs(at_ns - before) >= quiet_ns

    def is_measured_before(self, identity: bytes) -> bool:
        """Whether a measurement with this identity has come before."""
        if identity in self.once:
            return True
        self.once[identity] = None
        if len(self.once) > MAX_ONCE:
            self.once.popitem(last=False)
        return False

    def restates(self, signal: str, value: Hashable) -> bool:
        """Whether this value of a state only says what was so before."""
        return signal in self.stated and self.stated[signal][0] == value

    def is_due(self, signal: str, value: Hashable, now_ns: int) -> bool:
        """Whether to pass a value on: another one at once, the same one once a minute. Remembers it then."""
        if self.restates(signal, value) and 0 <= now_ns - self.stated[signal][1] < RESTATE_NS:
            return False
        self.stated[signal] = (value, now_ns)
        return True

    def is_replay(self, counter: int) -> bool:
        """Whether an encrypted packet is older than one opened before."""
        if self.counter is not None and FRESH_COUNTER <= counter < self.counter:
            return True
        self.counter = counter
        return False

    def is_news(self, kind: str, facts: Mapping[str, Any], now_ns: int) -> bool:
        """Whether these facts differ from those noted last, and some seconds have passed."""
        before = self.notes.get(kind)
        if before is not None and (before[0] == facts or 0 <= now_ns - before[1] < NOTE_NS):
            return False
        if before is None and len(self.notes) >= MAX_NOTES:
            return False
        self.notes[kind] = (dict(facts), now_ns)
        return True


class Memories:
    """All devices of a codec; the one silent for longest is forgotten first."""

    def __init__(self) -> None:
        self._devices: dict[str, Known] = {}

    def __len__(self) -> int:
        return len(self._devices)

    def of(self, device_id: str) -> Known:
        """The memory of a device, new if need be."""
        known = self._devices.pop(device_id, None) or Known()
        self._devices[device_id] = known
        if len(self._devices) > MAX_DEVICES:
            del self._devices[next(iter(self._devices))]
        return known
