"""A "[3G*...]" watch without hardware: heartbeats, positions, alarms until they are answered, obedience to commands.

Does no I/O: bytes of the server go into `feed`, which gives what the watch says to them; `tick(now_ns)` gives what is
due by then. Heartbeat every 5 minutes, positions every 10, an alarm again every 10 s until the server answers, and a
new connection (`wants_reconnect`) when a heartbeat stays unanswered for 10 s, as reported of real ones. Out of reach it
stores its positions and sends them later as history.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from device_drivers.codec import CodecHealth
from device_drivers.framing import Framer
from device_drivers.watch_3g import frames
from device_drivers.watch_3g.commands import ECHOES
from device_drivers.watch_3g.position import ALARM_BITS, Position, encode

if TYPE_CHECKING:
    from device_drivers.watch_3g.frames import Frame

SECOND_NS = 1_000_000_000
HEARTBEAT_S = 300
ALARM_AGAIN_S = 10
PATIENCE_S = 10
KEPT_POSITIONS = 100
_BITS = {word: bit for bit, word in sorted(ALARM_BITS.items(), reverse=True)}


class WatchDevice:
    """Model of one watch. maker: two letters; device_id: its number or IMEI."""

    def __init__(self, device_id: str, maker: str = "3G", *, indexed: bool = False) -> None:
        self.device_id = device_id
        self.maker = maker
        self.position = Position(
            fixed=True, latitude=31.230416, longitude=121.473701, satellites=9, gsm=64, battery=90, steps=0, rolls=0
        )
        self.interval_s = 600
        self.rings = 0
        self.in_reach = True
        self.commands: deque[str] = deque(maxlen=100)
        self.wants_reconnect = False
        self._index = 0 if indexed else None
        self._framer = Framer(frames.SPEC, CodecHealth(), _ignore)
        self._out: list[bytes] = []
        self._stored: deque[str] = deque(maxlen=KEPT_POSITIONS)
        self._alarm: tuple[str, int] | None = None
        self._heartbeat_ns: int | None = None
        self._unanswered_ns: int | None = None
        self._position_ns: int | None = None

    # What happens to the wearer

    def alarm(self, word: str, now_ns: int) -> None:
        """word: "sos", "fall", "removed" or another of the status bits; repeated until it is answered."""
        status = 1 << _BITS[word]
        self._alarm = (self._record(now_ns, status), now_ns)
        self._send(f"AL,{self._alarm[0]}")

    def measure(self, heart_rate: int, systolic: int, diastolic: int) -> None:
        """A measurement of blood pressure and pulse."""
        self._send(f"bphrt,{systolic},{diastolic},{heart_rate},,,,")

    def walk(self, steps: int) -> None:
        """The wearer walks on."""
        self.position = replace(self.position, steps=(self.position.steps or 0) + steps)

    # What goes over the line

    def connect(self, now_ns: int) -> bytes:
        """A new connection: the heartbeat comes first, then an alarm that has no answer yet."""
        self.wants_reconnect = False
        self._heartbeat_ns = None
        self._framer = Framer(frames.SPEC, CodecHealth(), _ignore)
        if self._alarm is not None:
            self._alarm = (self._alarm[0], now_ns - ALARM_AGAIN_S * SECOND_NS)
        return self.tick(now_ns)

    def feed(self, data: bytes) -> bytes:
        """What the watch says to the server's bytes; replies and commands are told apart by their type."""
        for raw in self._framer.feed(data):
            frame = frames.parse(raw)
            if frame.id == self.device_id:
                self._take(frame)
        return self._flush()

    def tick(self, now_ns: int) -> bytes:
        """Everything that is due by now."""
        if self._position_ns is None:
            self._position_ns = now_ns
        elif now_ns - self._position_ns >= self.interval_s * SECOND_NS:
            self._position_ns = now_ns
            self._locate(now_ns)
        if not self.in_reach:
            return b""
        self._beat(now_ns)
        if self._alarm is not None and now_ns - self._alarm[1] >= ALARM_AGAIN_S * SECOND_NS:
            self._alarm = (self._alarm[0], now_ns)
            self._send(f"AL,{self._alarm[0]}")
        while self._stored:
            self._send(f"UD2,{self._stored.popleft()}")
        return self._flush()

    def _beat(self, now_ns: int) -> None:
        if self._heartbeat_ns is None or now_ns - self._heartbeat_ns >= HEARTBEAT_S * SECOND_NS:
            self._heartbeat_ns = self._unanswered_ns = now_ns
            position = self.position
            self._send(f"LK,{position.steps},{position.rolls},{position.battery}")
        elif self._unanswered_ns is not None and now_ns - self._unanswered_ns >= PATIENCE_S * SECOND_NS:
            self.wants_reconnect = True

    def _take(self, frame: Frame) -> None:
        match frame.type:
            case "LK":
                self._unanswered_ns = None
            case "AL":
                self._alarm = None
            case "CR":
                self.commands.append(frame.content.decode("latin-1"))
                self._locate(self._position_ns or 0)
            case kind if kind in ECHOES:
                self._obey(kind, frame)

    def _obey(self, kind: str, frame: Frame) -> None:
        self.commands.append(frame.content.decode("latin-1"))
        if kind == "UPLOAD":
            self.interval_s = int(frame.fields[0])
        elif kind == "FIND":
            self.rings += 1
        self._send(kind)

    def _locate(self, now_ns: int) -> None:
        record = self._record(now_ns, 0)
        if self.in_reach:
            self._send(f"UD,{record}")
        else:
            self._stored.append(record)

    def _record(self, now_ns: int, status: int) -> str:
        return encode(replace(self.position, device_ns=now_ns, status=status))

    def _send(self, content: str) -> None:
        index = None
        if self._index is not None:
            self._index = (self._index + 1) & 0xFFFF
            index = f"{self._index:04X}"
        self._out.append(frames.encode(self.maker, self.device_id, content, index))

    def _flush(self) -> bytes:
        out = b"".join(self._out) if self.in_reach else b""
        if self.in_reach:
            self._out.clear()
        return out


def _ignore(reason: str, raw: bytes, **detail: object) -> None:
    """A watch says nothing about bytes it does not understand."""
