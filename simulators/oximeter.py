"""Finger oximeters without hardware: five-byte (BCI), Contec V7.0 and Nonin.

They do no I/O: bytes of the host go into `feed`, which gives the answers; `tick(now_ns)` gives the frames due by then.
A Contec device sends only after it was started, and falls silent without its keep-alive, as the real ones.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from device_drivers.bci import frames as bci
from device_drivers.codec import CodecHealth
from device_drivers.contec import frames as contec
from device_drivers.framing import Framer
from device_drivers.nonin import values as nonin

if TYPE_CHECKING:
    from collections.abc import Sequence

SECOND_NS = 1_000_000_000
MAX_CATCH_UP_S = 10
KEEP_ALIVE_LIMIT_NS = 12 * SECOND_NS
"""The vendor asks for a keep-alive every 5 s and does not say when the device gives up; two lost ones is our choice."""
CHINA = timezone(timedelta(hours=8))


@dataclass(slots=True)
class Finger:
    """What the sensor sees. pulse and spo2 of None: it searches. finger: one is in."""

    pulse: int | None = 72
    spo2: int | None = 97
    perfusion: float = 3.2
    finger: bool = True


class Oximeter(ABC):
    """What all have in common: the finger, and frames at a fixed rate."""

    rate_hz: int

    def __init__(self) -> None:
        self.state = Finger()
        self._due_ns: int | None = None
        self._sent = 0

    def feed(self, data: bytes) -> bytes:  # noqa: ARG002 - most take no commands
        """Answers to the host's bytes."""
        return b""

    def tick(self, now_ns: int) -> bytes:
        """Every frame due by `now_ns`; after a jump of the clock it goes on from now."""
        due = self._due_ns if self._due_ns is not None else now_ns
        if abs(now_ns - due) > MAX_CATCH_UP_S * SECOND_NS:
            due = now_ns
        out = b""
        while due <= now_ns:
            out += self._frame(now_ns)
            self._sent += 1
            due += SECOND_NS // self.rate_hz
        self._due_ns = due
        return out

    @abstractmethod
    def _frame(self, now_ns: int) -> bytes:
        """The next frame."""

    def _wave(self) -> int:
        """The pulse wave, 0 to 100."""
        beat = (self.state.pulse or 0) / 60 * self._sent / self.rate_hz
        return round(50 + 50 * math.sin(2 * math.pi * beat)) if self.state.finger else 0

    def _values(self) -> dict[str, Any]:
        return {"pr": self.state.pulse, "spo2": self.state.spo2} if self.state.finger else {"pr": None, "spo2": None}


class BciOximeter(Oximeter):
    """A five-byte oximeter. maker: "berry" or "contec"."""

    rate_hz = 100

    def __init__(self, maker: str = "berry") -> None:
        super().__init__()
        self.maker = maker
        self.records: Sequence[tuple[int, int]] = ()

    def feed(self, data: bytes) -> bytes:
        """Hands out its memory when asked."""
        return bci.download(self.records) if bci.START_DOWNLOAD in data and self.records else b""

    def _frame(self, now_ns: int) -> bytes:  # noqa: ARG002 - as all
        state = self.state
        out = {"berry": "no_finger", "contec": "finger_out"}[self.maker]
        flags = {out: not state.finger, "searching": state.finger and state.pulse is None}
        return bci.live({**self._values(), **flags, "pleth": self._wave(), "bar": 7, "signal": 6}, self.maker)


class ContecOximeter(Oximeter):
    """A Contec with protocol V7.0. records: SpO2 and pulse rate of each stored second, from `recorded` on (UTC ns)."""

    rate_hz = 60

    def __init__(self) -> None:
        super().__init__()
        self.running = False
        self.clock: dict[str, str] = {}
        self.records: Sequence[tuple[int, int]] = ()
        self.recorded_ns = 0
        self._alive_ns: int | None = None
        self._heard = True
        self._framer = Framer(contec.SPEC, CodecHealth(), _ignore)

    def feed(self, data: bytes) -> bytes:
        """Answers to commands."""
        return b"".join(self._reply(*contec.unpack(whole)) for whole in self._framer.feed(data))

    def tick(self, now_ns: int) -> bytes:
        """Frames, as long as it was started and is kept awake."""
        if self._heard or self._alive_ns is None or now_ns < self._alive_ns:
            self._alive_ns, self._heard = now_ns, False
        if now_ns - self._alive_ns > KEEP_ALIVE_LIMIT_NS:
            self.running = False
        frames = super().tick(now_ns)
        return frames if self.running else b""

    def _frame(self, now_ns: int) -> bytes:  # noqa: ARG002 - as all
        state = self.state
        flags = {"probe_error": not state.finger, "searching": state.finger and state.pulse is None}
        index = state.perfusion if state.finger and state.pulse is not None else None
        return contec.live({**self._values(), **flags, "pi": index, "pleth": self._wave(), "bar": 5, "signal": 6})

    def _reply(self, kind: int, data: bytes) -> bytes:
        if kind != contec.COMMAND:
            return b""
        self._heard = True
        match data[0]:
            case 0xAF:
                return b""
            case 0xA1:
                self.running = True
            case 0xA2:
                self.running = False
                return contec.pack(0x0C)
            case 0xB1 | 0xB2:
                self.clock |= {
                    name: value for name, value in contec.PACKAGES[kind].facts(data).items() if name != "command"
                }
            case 0xAA:
                return contec.pack(0x04, b"SpO2201")
            case 0xA6:
                return self._stored()
            case _:
                return contec.pack(0x0B, bytes((data[0], 5)))
        return contec.pack(0x0B, bytes((data[0], 0)))

    def _stored(self) -> bytes:
        local = datetime.fromtimestamp(self.recorded_ns / SECOND_NS, UTC).astimezone(CHINA)
        date = bytes((0, 0, local.year // 100, local.year % 100, local.month, local.day))
        time = bytes((0, 0, local.hour, local.minute, local.second, 0))
        body = b"".join(bytes(pair) for pair in self.records)
        out = contec.pack(contec.STORE_DATE, date) + contec.pack(contec.STORE_TIME, time)
        out += contec.pack(contec.STORE_LENGTH, b"\0\0" + len(body).to_bytes(4, "little"))
        parts = [body[at : at + 6].ljust(6, b"\0") for at in range(0, len(body), 6)]
        return out + b"".join(contec.pack(contec.STORED, part) for part in parts)


class NoninOximeter(Oximeter):
    """A Nonin. kind: 2 or 7 (three packets a second), 8 (once a second), or 0 for lines of text (once a second)."""

    def __init__(self, kind: int = 8) -> None:
        super().__init__()
        self.kind = kind
        self.rate_hz = 3 if kind in {2, 7} else 1
        self.low_battery = False
        self.clock: str | None = None

    def feed(self, data: bytes) -> bytes:
        """Takes the two commands of a 9560, each in one piece."""
        if not data:
            return b""
        try:
            _, facts = nonin.facts_command(data)
        except (nonin.FormatError, IndexError):
            return b"\x15"
        self.kind = facts.get("set_format", self.kind)
        self.clock = facts.get("set_time", self.clock)
        return b"\x06"

    def measure(self, time_ns: int, *, from_memory: bool = False) -> bytes:
        """A finished measurement in format 13, at this time by its own clock (China)."""
        local = datetime.fromtimestamp(time_ns / SECOND_NS, UTC).astimezone(CHINA)
        return nonin.frame_13({**self._said(), "smart_point": True, "from_memory": from_memory}, local)

    def _said(self) -> dict[str, Any]:
        values = self._values()
        alarm = not self.state.finger
        return {"hr": values["pr"], "spo2": values["spo2"], "sensor_alarm": alarm, "low_battery": self.low_battery}

    def _frame(self, now_ns: int) -> bytes:
        said = self._said()
        if self.kind in {2, 7}:
            waves = [self._wave()] * nonin.PACKET
            held = {"hr_d": self.state.pulse, "spo2_d": self.state.spo2}  # the display values outlive the finger
            return nonin.packet({**said, **held, "srev": 48, "perfusion": "green"}, self.kind, waves)
        if self.kind == 13:
            return self.measure(now_ns) if self._sent % 60 == 0 else b""
        return nonin.frame_8(said) if self.kind == 8 else nonin.line(said)


def _ignore(reason: str, raw: bytes, **detail: object) -> None:
    """A device says nothing about bytes it does not understand."""
