"""A JT/T 808 terminal without hardware: registers, authenticates, reports where it is, and calls for help.

Does no I/O: bytes of the platform go into `feed`, which gives what the terminal says to them; `tick(now_ns)` gives what
is due by then. As the standard has it: nothing is reported before the registration (8100) and the authentication with
its token (8001) were answered; the SOS bit stands in every report until the platform has answered one of them. A
message is sent again after 10 s without an answer, three times, then the connection is made anew.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from device_drivers.codec import CodecHealth
from device_drivers.jt808 import location as locations
from device_drivers.jt808.codec import (
    ANSWER,
    ASK_LOCATION,
    AUTHENTICATE,
    HEARTBEAT,
    LOCATION,
    LOCATION_ANSWER,
    REGISTER,
    REGISTER_ANSWER,
    REPORT_INTERVAL,
    SET_PARAMETERS,
    TERMINAL_ANSWER,
)
from device_drivers.jt808.frames import Frame, Splitter, encode, phone
from device_drivers.jt808.location import Location

SECOND_NS = 1_000_000_000
HEARTBEAT_S = 60
AGAIN_S = 10
PATIENCE = 3
SOS_BIT = 1
MAKER, MODEL, TERMINAL = b"YLGPS", b"GB-W1", b"0000001"


@dataclass(slots=True)
class _Waiting:
    """A message without an answer."""

    message: int
    raw: bytes
    sent_ns: int
    sos: bool
    times: int = 1


class TerminalDevice:
    """Model of one terminal with a header of 2013. number: its telephone number, at most 12 digits."""

    def __init__(self, number: str) -> None:
        self.number = number
        self.location = Location(
            status=2, latitude=31.230416, longitude=121.473701, items={0x30: b"\x1c", 0x31: b"\x09"}
        )
        self.interval_s = 30
        self.online = False
        self.sos = False
        self.wants_reconnect = False
        self._phone = phone(number)
        self._serial = 0
        self._now_ns = 0
        self._reported_ns: int | None = None
        self._beaten_ns = 0
        self._unanswered: dict[int, _Waiting] = {}
        self._out: list[bytes] = []
        self._splitter = Splitter(CodecHealth(), _ignore)

    def press(self, now_ns: int) -> None:
        """The SOS button."""
        self.sos = True
        self._now_ns = now_ns
        if self.online:
            self._report()

    def connect(self, now_ns: int) -> bytes:
        """A new connection begins with the registration."""
        self.online = self.wants_reconnect = False
        self._now_ns = now_ns
        self._unanswered.clear()
        self._out.clear()
        self._splitter = Splitter(CodecHealth(), _ignore)
        body = struct.pack(">HH", 31, 115) + MAKER + MODEL.ljust(20, b"\0") + TERMINAL + b"\0"
        self._ask(REGISTER, body)
        return self._flush()

    def feed(self, data: bytes) -> bytes:
        """Takes answers, obeys commands."""
        for frame in self._splitter.feed(data):
            if frame.phone == self._phone:
                self._take(frame)
        return self._flush()

    def tick(self, now_ns: int) -> bytes:
        """Reports, heartbeats, and what was not answered in time."""
        self._now_ns = now_ns
        if self.online:
            self._routine(now_ns)
        for one in self._unanswered.values():
            if now_ns - one.sent_ns >= AGAIN_S * SECOND_NS:
                one.sent_ns, one.times = now_ns, one.times + 1
                self._out.append(one.raw)
                self.wants_reconnect |= one.times > PATIENCE
        return self._flush()

    def _routine(self, now_ns: int) -> None:
        if self._reported_ns is None or now_ns - self._reported_ns >= self.interval_s * SECOND_NS:
            self._report()
        if now_ns - self._beaten_ns >= HEARTBEAT_S * SECOND_NS:
            self._beaten_ns = now_ns
            self._ask(HEARTBEAT, b"")

    def _take(self, frame: Frame) -> None:
        match frame.message:
            case message if message == REGISTER_ANSWER and len(frame.body) > 3 and frame.body[2] == 0:
                self._unanswered.pop(int.from_bytes(frame.body[:2], "big"), None)
                self._ask(AUTHENTICATE, frame.body[3:])
            case message if message == ANSWER and len(frame.body) == 5:
                self._answered(*struct.unpack(">HHB", frame.body))
            case message if message == ASK_LOCATION:
                self._say(LOCATION_ANSWER, frame.serial.to_bytes(2, "big") + self._record())
            case message if message == SET_PARAMETERS and frame.body[1:5] == REPORT_INTERVAL.to_bytes(4, "big"):
                self.interval_s = int.from_bytes(frame.body[6:10], "big")
                self._say(TERMINAL_ANSWER, struct.pack(">HHB", frame.serial, SET_PARAMETERS, 0))

    def _answered(self, serial: int, message: int, result: int) -> None:
        done = self._unanswered.pop(serial, None)
        if done is None or result != 0 or done.message != message:
            return
        if message == AUTHENTICATE:
            self.online, self._reported_ns, self._beaten_ns = True, None, self._now_ns
        elif done.sos:
            self.sos = False

    def _report(self) -> None:
        self._reported_ns = self._now_ns
        self._ask(LOCATION, self._record())

    def _record(self) -> bytes:
        return locations.encode(replace(self.location, alarm=SOS_BIT * self.sos, device_ns=self._now_ns))

    def _ask(self, message: int, body: bytes) -> None:
        raw = self._say(message, body)
        self._unanswered[self._serial] = _Waiting(message, raw, self._now_ns, self.sos)

    def _say(self, message: int, body: bytes) -> bytes:
        self._serial = (self._serial + 1) & 0xFFFF
        raw = encode(Frame(message, self._phone, self._serial, body))
        self._out.append(raw)
        return raw

    def _flush(self) -> bytes:
        out = b"".join(self._out)
        self._out.clear()
        return out


def _ignore(reason: str, raw: bytes, **detail: object) -> None:
    """A terminal says nothing about bytes it does not understand."""
