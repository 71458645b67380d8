"""An Eview / MiniFinder pendant without hardware: asks for the time, reports, repeats an alarm until it is answered.

Does no I/O: bytes of the server go into `feed`, which gives what the pendant says to them; `tick(now_ns)` gives what is
due by then. A frame that wants an answer is sent again after 10 s (our choice: the maker states none), and the
pendant connects anew (`wants_reconnect`) after three in vain.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from device_drivers.codec import CodecHealth
from device_drivers.framing import Framer
from device_drivers.minifinder import frames, items

if TYPE_CHECKING:
    from device_drivers.minifinder.frames import Item

SECOND_NS = 1_000_000_000
REPORT_S = 300
AGAIN_S = 10
PATIENCE = 3


@dataclass(slots=True)
class _Waiting:
    """A frame without an answer: its bytes, when it was sent last, and how often."""

    raw: bytes
    sent_ns: int
    times: int = 1

    @property
    def is_question(self) -> bool:
        """For the time, which each connection asks anew."""
        return self.raw[frames.HEAD_SIZE] == frames.SERVICES


class PendantDevice:
    """Model of one pendant. imei: 15 digits. clock_s: UTC seconds that the server told, None until it did."""

    def __init__(self, imei: str) -> None:
        self.imei = imei
        self.battery = 88
        self.place = (31.230416, 121.473701)
        self.clock_s: int | None = None
        self.wants_reconnect = False
        self._index = 0
        self._now_ns = 0
        self._reported_ns: int | None = None
        self._unanswered: dict[int, _Waiting] = {}
        self._out: list[bytes] = []
        self._framer = Framer(frames.SPEC, CodecHealth(), _ignore)

    @property
    def unanswered(self) -> int:
        """Frames that still wait for their answer."""
        return len(self._unanswered)

    def alarm(self, word: str, now_ns: int) -> None:
        """word: "sos", "fall" or another of the alarm bits."""
        self._now_ns = now_ns
        self._report(items.alarm_item(word, time_s=now_ns // SECOND_NS))

    def connect(self, now_ns: int) -> bytes:
        """A new connection: who it is and what the time is, then everything that has no answer yet."""
        self.wants_reconnect = False
        self._now_ns, self._reported_ns = now_ns, None
        self._framer = Framer(frames.SPEC, CodecHealth(), _ignore)
        self._unanswered = {index: one for index, one in self._unanswered.items() if not one.is_question}
        again = b"".join(one.raw for one in self._unanswered.values())
        for one in self._unanswered.values():
            one.sent_ns, one.times = now_ns, 1
        self._ask(frames.SERVICES, [items.imei_item(self.imei), (items.TIME_SERVICE, b"")])
        return self._flush() + again + self.tick(now_ns)

    def feed(self, data: bytes) -> bytes:
        """Takes answers and the time; acknowledges settings that want it."""
        for raw in self._framer.feed(data):
            frame = frames.parse(raw)
            if frame.type == frames.RESPONSE:
                self._unanswered.pop(frame.index, None)
            elif frame.type == frames.SERVICES:
                self._unanswered.pop(frame.index, None)
                told = dict(frame.items).get(items.TIME_SERVICE, b"")
                if len(told) == 4:
                    self.clock_s = struct.unpack("<I", told)[0]
            elif frame.type == frames.CONFIGURATION:
                self._out.append(frames.encode(frames.RESPONSE, [(0, b"")], frame.index))
        return self._flush()

    def tick(self, now_ns: int) -> bytes:
        """The periodic report, and frames that were not answered in time."""
        self._now_ns = now_ns
        if self._reported_ns is None or now_ns - self._reported_ns >= REPORT_S * SECOND_NS:
            self._reported_ns = now_ns
            self._report()
        for one in self._unanswered.values():
            if now_ns - one.sent_ns >= AGAIN_S * SECOND_NS:
                one.sent_ns, one.times = now_ns, one.times + 1
                self._out.append(one.raw)
                self.wants_reconnect |= one.times > PATIENCE
        return self._flush()

    def _report(self, *more: Item) -> None:
        now_s = self._now_ns // SECOND_NS
        said = [items.imei_item(self.imei), items.status_item(now_s, self.battery), *more, items.fix_item(*self.place)]
        self._ask(frames.DATA, said)

    def _ask(self, kind: int, said: list[Item]) -> None:
        """Send a frame, and again until it is answered."""
        self._index = self._index % 0xFFFF + 1
        raw = frames.encode(kind, said, self._index, frames.WANTS_ANSWER)
        self._unanswered[self._index] = _Waiting(raw, self._now_ns)
        self._out.append(raw)

    def _flush(self) -> bytes:
        out = b"".join(self._out)
        self._out.clear()
        return out


def _ignore(reason: str, raw: bytes, **detail: object) -> None:
    """A pendant says nothing about bytes it does not understand."""
