"""What is remembered of each Zigbee device, to tell news from re-publication.

Zigbee2MQTT publishes a device's *whole* state with every message and re-publishes cached states when it starts, so
`smoke: true` may be hours old. News are: a value that differs from the one known; or one never known before, unless
it comes as the device's first message within 30 s of a connect and its `last_seen` is old or missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from device_drivers.zigbee2mqtt.payload import SECOND_NS

RESTORE_WINDOW_NS = 30 * SECOND_NS
OLD_NS = 10 * SECOND_NS
SOS_WINDOW_NS = 10 * SECOND_NS
"""Buttons send one press two or three times within a second; within 10 s it is the same call for help."""
TEST_WINDOW_NS = 600 * SECOND_NS
"""A detector that claims to be in test for longer is taken seriously: a false alarm is better than a hidden fire."""
MAX_DEVICES = 2_000
MAX_UNMAPPED = 64

Word = bool | str | None


@dataclass(slots=True)
class Memory:
    """One device: last known values, its latest `last_seen`, and the running call for help or test."""

    known: dict[str, Word] = field(default_factory=dict)
    seen_ns: int | None = None
    session: int = -1
    sos_ns: int | None = None
    test_ns: int | None = None
    transaction: str | None = None
    unmapped: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Moment:
    """How one message stands in time.

    restored: it may be a cached state. older: its `last_seen` lies before the last one. advanced: after it.
    """

    at_ns: int
    received_ns: int
    restored: bool = False
    older: bool = False
    advanced: bool = True


class Memories:
    """The memory of all devices of a broker, bounded: the one silent for longest is forgotten first."""

    def __init__(self) -> None:
        self._devices: dict[str, Memory] = {}
        self._session = 0
        self._opened_ns: int | None = None
        self._expecting = False

    def __len__(self) -> int:
        return len(self._devices)

    def of(self, name: str) -> Memory:
        """The memory of a device, new if need be."""
        memory = self._devices.pop(name, None) or Memory()
        self._devices[name] = memory
        if len(self._devices) > MAX_DEVICES:
            del self._devices[next(iter(self._devices))]
        return memory

    def expect_cached(self, now_ns: int | None = None) -> None:
        """Cached states follow: we have connected (the window opens with the next time told), or the bridge has."""
        self._session += 1
        self._opened_ns = now_ns
        self._expecting = True

    def time_is(self, now_ns: int) -> None:
        """Open the window if a connect waits for the time, close it when it is over."""
        if self._expecting and self._opened_ns is None:
            self._opened_ns = now_ns
        if self._opened_ns is not None and not 0 <= now_ns - self._opened_ns <= RESTORE_WINDOW_NS:
            self._expecting = False

    def moment(self, memory: Memory, seen_ns: int | None, at_ns: int, received_ns: int) -> Moment:
        """Judge a message and remember its `last_seen`."""
        self.time_is(received_ns)
        first = self._expecting and memory.session != self._session
        before, memory.session = memory.seen_ns, self._session
        if seen_ns is None:
            return Moment(at_ns, received_ns, restored=first)
        memory.seen_ns = seen_ns
        if before is None:
            return Moment(at_ns, received_ns, restored=first and received_ns - seen_ns > OLD_NS)
        # Outside the window an earlier `last_seen` only means that a clock was set back.
        older = first and seen_ns < before
        return Moment(at_ns, received_ns, restored=first and seen_ns <= before, older=older, advanced=seen_ns > before)


def is_repeat(memory: Memory, signal: str, value: Word, moment: Moment) -> bool:
    """Whether this value only restates what was so before; remembers the value."""
    if moment.older:
        return True
    repeat = memory.known[signal] == value if signal in memory.known else moment.restored
    memory.known[signal] = value
    return repeat


def is_same_call(memory: Memory, moment: Moment) -> bool:
    """Whether a call for help belongs to the one running; begins a new one otherwise."""
    if memory.sos_ns is not None and abs(moment.at_ns - memory.sos_ns) < SOS_WINDOW_NS:
        return True
    memory.sos_ns = moment.at_ns
    return False


def in_test(memory: Memory, moment: Moment, *, testing: bool) -> bool:
    """Whether a hazard in this message is only a test of the detector."""
    if not testing:
        memory.test_ns = None
        return False
    if memory.test_ns is None or moment.at_ns < memory.test_ns:
        memory.test_ns = moment.at_ns
    return moment.at_ns - memory.test_ns <= TEST_WINDOW_NS
