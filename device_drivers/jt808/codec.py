"""Decodes the stream of one JT/T 808 device and answers it: 8001 to everything, 8100 to a registration."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from device_drivers.codec import UnknownCommandError
from device_drivers.jt808 import location as locations
from device_drivers.jt808.frames import Frame, Splitter, encode
from device_drivers.observations import Observation
from device_drivers.signals import SIGNALS as TABLE
from device_drivers.signals import SignalKind
from device_drivers.tracking import SECOND_NS, TrackerCodec, When, when

if TYPE_CHECKING:
    from collections.abc import Mapping

    from device_drivers.jt808.location import Location

TERMINAL_ANSWER, HEARTBEAT, LOGOUT = 0x0001, 0x0002, 0x0003
REGISTER, AUTHENTICATE, ATTRIBUTES, TIME_REQUEST = 0x0100, 0x0102, 0x0107, 0x0109
LOCATION, LOCATION_ANSWER, LOCATION_BATCH = 0x0200, 0x0201, 0x0704
ANSWER, REGISTER_ANSWER, TIME_ANSWER = 0x8001, 0x8100, 0x8109
SET_PARAMETERS, ASK_LOCATION = 0x8103, 0x8201
REPORT_INTERVAL = 0x0029
BLIND_AREA = 1
ANSWERS = frozenset({TERMINAL_ANSWER, ANSWER, REGISTER_ANSWER})
KINDS = {**dict.fromkeys(ANSWERS, "ack"), HEARTBEAT: "heartbeat", AUTHENTICATE: "identity", LOGOUT: "report"}
NEVER_ANSWERED = ANSWERS | {LOCATION_ANSWER}
COMMANDS = ("locate", "interval")
SIGNALS = (
    "help_button",
    "battery_low",
    "fence",
    "charging",
    "online",
    "latitude",
    "longitude",
    "battery",
    "battery_voltage",
)


class Jt808Codec(TrackerCodec):
    """Codec of one device, with the options of `TrackerCodec`, and `items`.

    items: extra items of the maker by two hex digits, and the signal each one gives, as in {"F1" = "heart_rate"}: its
    bytes are one unsigned number; of an event any number but 0 is true. Raises ValueError for an unknown signal.
    """

    family: ClassVar[str] = "jt808"

    def __init__(self, device_id: str, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(device_id, options)
        self._restart()
        self._items = _item_signals((options or {}).get("items", {}))
        self._last: Frame | None = None
        self._serial = 0

    def feed(self, data: bytes, received_ns: int) -> list[Observation]:
        found: list[Observation] = []
        for frame in self._framer.feed(data):
            if self._accept(frame.id, encode(frame)):
                self.health.last_frame_ns = received_ns
                self._last = frame
                self._reply(frame, received_ns)
                found += self._decode(frame, received_ns)
        return found

    def _restart(self) -> None:
        self._framer = Splitter(self.health, self.reject)

    def command(self, name: str, value: str | float | None = None) -> bytes:
        if name not in COMMANDS:
            raise UnknownCommandError(self.family, name, value)
        if self._last is None:
            raise ValueError("the device has not been heard on this line yet: its number is not known")
        if name == "locate":
            return self._send(self._last, ASK_LOCATION, b"")
        if not isinstance(value, int | float) or value != int(value) or not 10 <= value <= 86_400:
            raise ValueError(f"give a whole number of seconds from 10 to 86400, not {value!r}")
        return self._send(self._last, SET_PARAMETERS, struct.pack(">BIBI", 1, REPORT_INTERVAL, 4, int(value)))

    def _send(self, to: Frame, message: int, body: bytes) -> bytes:
        self._serial = (self._serial + 1) & 0xFFFF
        return encode(Frame(message, to.phone, self._serial, body, to.version))

    def _reply(self, frame: Frame, received_ns: int) -> None:
        if frame.message in NEVER_ANSWERED:
            return
        if frame.message == REGISTER:
            token = frame.id.encode("ascii")
            self._answer(self._send(frame, REGISTER_ANSWER, struct.pack(">HB", frame.serial, 0) + token))
        elif frame.message == TIME_REQUEST:
            now = datetime.fromtimestamp(received_ns // SECOND_NS, UTC)
            clock = struct.pack(">H5B", now.year, now.month, now.day, now.hour, now.minute, now.second)
            self._answer(self._send(frame, TIME_ANSWER, clock + b"\0"))
        else:
            body = struct.pack(">HHB", frame.serial, frame.message, 0)
            self._answer(self._send(frame, ANSWER, body))

    def _decode(self, frame: Frame, received_ns: int) -> list[Observation]:
        facts: dict[str, Any] = {"msg": f"{frame.message:04x}", "id": frame.id, "serial": frame.serial}
        if frame.version is not None:
            facts |= {"version_flag": True, "version": frame.version}
        if frame.part is not None:
            facts["part"] = list(frame.part)
            self.note("report", self.device_id, **facts)
            return []
        if frame.message == LOCATION:
            return self._record(frame.body, facts, received_ns, raw=frame)
        if frame.message == LOCATION_ANSWER:
            return self._record(frame.body[2:], facts, received_ns, raw=frame)
        if frame.message == LOCATION_BATCH:
            return self._batch(frame, facts, received_ns)
        if frame.message == REGISTER:
            facts |= _registration(frame)
        elif frame.message in ANSWERS:
            facts |= _answered(frame)
        elif frame.message not in KINDS and frame.message not in {ATTRIBUTES, TIME_REQUEST}:
            facts["hex"] = frame.body[:200].hex()
            self.note("unknown", self.device_id, **facts)
            return []
        identity = frame.message in {REGISTER, ATTRIBUTES}
        self.note("identity" if identity else KINDS.get(frame.message, "query"), self.device_id, **facts)
        alive = frame.message in {HEARTBEAT, REGISTER, AUTHENTICATE}
        return [self._state("online", True, When(received_ns, received_ns))] if alive else []

    def _batch(self, frame: Frame, facts: dict[str, Any], received_ns: int) -> list[Observation]:
        """How many u16, kind u8 (1: kept while out of reach), then length u16 and record of each."""
        body, at = frame.body, 3
        stored = len(body) > 2 and body[2] == BLIND_AREA
        found: list[Observation] = []
        while at + 2 <= len(body):
            size = int.from_bytes(body[at : at + 2], "big")
            found += self._record(body[at + 2 : at + 2 + size], facts, received_ns, raw=frame, stored=stored)
            at += 2 + size
        return found

    def _record(
        self, body: bytes, facts: dict[str, Any], received_ns: int, *, raw: Frame, stored: bool = False
    ) -> list[Observation]:
        try:
            location = locations.parse(body)
        except locations.LocationError as error:
            self.reject("location", encode(raw), error=str(error))
            return []
        moment = when(location.device_ns, received_ns, stored=stored)
        self._tell(location, facts, stored=stored)
        found = self._alarmed(location, moment)
        alarm = "sos" in location.reasons
        found += self._place(location.latitude, location.longitude, moment, fixed=location.fixed, alarm=alarm)
        found += self._powered(location, moment)
        return found + self._from_items(location, moment)

    def _alarmed(self, location: Location, moment: When) -> list[Observation]:
        reasons = location.reasons
        found: list[Observation] = []
        if "sos" in reasons:
            found.append(self._alarm_bit("help_button", moment))
        self._alarms_now({"help_button"} if "sos" in reasons else set(), moment)
        found.append(self._state("battery_low", "low_battery" in reasons, moment))
        if "fence" in reasons:
            found.append(self._event("fence", "crossed", moment))
        return found

    def _powered(self, location: Location, moment: When) -> list[Observation]:
        level, voltage, charging = locations.battery(location.items)
        found: list[Observation] = []
        if level is not None:
            found.append(self._reading("battery", level, moment))
        if voltage is not None:
            found.append(self._reading("battery_voltage", voltage, moment))
        if charging is not None:
            found.append(self._state("charging", charging, moment))
        return found

    def _from_items(self, location: Location, moment: When) -> list[Observation]:
        found: list[Observation] = []
        for key, signal in self._items.items():
            value = location.items.get(key)
            if not value or len(value) > 4:
                continue
            number = int.from_bytes(value, "big")
            if TABLE[signal].kind is SignalKind.READING:
                absent = number == 0 or number == (1 << 8 * len(value)) - 1
                found.append(self._reading(signal, None if absent else number, moment))
            elif number:
                found.append(self._alarm(signal, moment, value))
        return found

    def _tell(self, location: Location, facts: dict[str, Any], *, stored: bool) -> None:
        items = location.items
        more: dict[str, Any] = {"alarm": location.reasons, "status": location.status, "fixed": location.fixed}
        if location.device_ns is not None:
            more["device_time"] = datetime.fromtimestamp(location.device_ns // SECOND_NS, UTC).isoformat()
        for name, key in (("mileage_100m", locations.MILEAGE), ("gsm", locations.GSM)):
            if key in items:
                more[name] = int.from_bytes(items[key], "big")
        if locations.SATELLITES in items:
            more["satellites"] = int.from_bytes(items[locations.SATELLITES], "big")
        more |= {
            "altitude_m": location.altitude_m,
            "speed_km_h": location.speed_km_h,
            "course_deg": location.course_deg,
            "stored": stored,
            "items": {f"{key:02x}": value.hex() for key, value in items.items()},
        }
        self.note("report", self.device_id, **facts, **more)


def _answered(frame: Frame) -> dict[str, Any]:
    """What an answer, ours or the terminal's, is to, and whether all is well; 8100 gives the token instead."""
    body = frame.body
    found: dict[str, Any] = {"answers_serial": int.from_bytes(body[:2], "big")} if len(body) > 2 else {}
    if frame.message == REGISTER_ANSWER and len(body) > 2:
        return found | {"result": body[2], "token": body[3:].strip(b"\0").decode("ascii", "replace")}
    return found | {"answers": body[2:4].hex(), "result": body[4]} if len(body) > 4 else {}


def _registration(frame: Frame) -> dict[str, Any]:
    """Maker, model and terminal id: 5, 20 and 7 bytes (2019: 11, 30 and 30) after province and city."""
    sizes = (5, 20, 7) if frame.version is None else (11, 30, 30)
    found, at = {}, 4
    for name, size in zip(("maker", "model", "terminal"), sizes, strict=True):
        found[name] = frame.body[at : at + size].strip(b"\0 ").decode("ascii", "replace")
        at += size
    return found


def _item_signals(given: Mapping[str, str]) -> dict[int, str]:
    if not hasattr(given, "items"):
        raise ValueError(f"items is {given!r}; give a table such as {{F1 = 'heart_rate'}}")
    found = {}
    for key, signal in given.items():
        row = TABLE.get(signal)
        if row is None or row.kind is SignalKind.WAVEFORM or row.words:
            raise ValueError(f"items.{key} is {signal!r}; give a signal that is a number or true and false")
        try:
            found[int(str(key), 16)] = signal
        except ValueError as error:
            raise ValueError(f"items.{key}: the name must be two hex digits, as in F1") from error
    return found
