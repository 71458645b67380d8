"""Decodes the stream of one Eview / MiniFinder pendant and answers it: acknowledgement, time, and no place services."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from device_drivers.codec import UnknownCommandError
from device_drivers.framing import Framer
from device_drivers.minifinder import frames, items
from device_drivers.observations import Observation, Quality
from device_drivers.tracking import SECOND_NS, TrackerCodec, When, when

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from device_drivers.minifinder.frames import Frame, Item

NO_PLACE = struct.pack("<iiB", 0, 0, 0)
PLACE_SERVICES = (0x11, 0x21, 0x22)
KINDS = {
    frames.CONFIGURATION: "setting",
    frames.SERVICES: "query",
    frames.CONTROL: "setting",
    frames.RESPONSE: "ack",
}
ALARM_SIGNALS = {"sos": "help_button", "fall": "fall"}
BUTTONS = {"button_1", "button_2"}
COMMANDS = ("settings",)
SIGNALS = (
    "help_button",
    "fall",
    "button",
    "battery_low",
    "charging",
    "fence",
    "online",
    "latitude",
    "longitude",
    "battery",
    "battery_voltage",
    "steps",
    "heart_rate",
    "spo2",
)


class MinifinderCodec(TrackerCodec):
    """Codec of one pendant, with the options of `TrackerCodec`."""

    family: ClassVar[str] = "minifinder"

    def __init__(self, device_id: str, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(device_id, options)
        self._restart()

    def feed(self, data: bytes, received_ns: int) -> list[Observation]:
        found: list[Observation] = []
        for raw in self._framer.feed(data):
            frame = frames.parse(raw)
            imei = _imei(frame)
            if imei is not None and not self._accept(imei, raw):
                continue
            self.health.last_frame_ns = received_ns
            self._reply(frame, received_ns)
            found += self._decode(frame, imei, received_ns)
        return found

    def _restart(self) -> None:
        self._framer = Framer(frames.SPEC, self.health, self.reject)

    def command(self, name: str, value: str | float | None = None) -> bytes:
        if name != "settings":
            raise UnknownCommandError(self.family, name, value)
        return frames.encode(frames.CONFIGURATION, [(0xF0, b"")], index=1)

    def _reply(self, frame: Frame, received_ns: int) -> None:
        if not frame.wants_answer:
            return
        if frame.type != frames.SERVICES:
            # The acknowledgement is one item of one byte, whose key is the result: 0 is success.
            self._answer(frames.encode(frames.RESPONSE, [(0, b"")], frame.index))
            return
        wanted: list[Item] = []
        for key, _ in frame.items:
            if key == items.TIME_SERVICE:
                wanted.append((key, struct.pack("<I", received_ns // SECOND_NS)))
            elif key in PLACE_SERVICES:
                wanted.append((key, NO_PLACE))
        self._answer(frames.encode(frames.SERVICES, wanted, frame.index))

    def _decode(self, frame: Frame, imei: str | None, received_ns: int) -> list[Observation]:
        facts: dict[str, Any] = {"type": frame.type, "index": frame.index}
        if imei is not None:
            facts["imei"] = imei
        if frame.type == frames.DATA:
            found: list[Observation] = []
            for record in _records(frame.items):
                found += self._record(record, facts, received_ns)
            return found
        if frame.type == frames.SERVICES:
            self.note("query", self.device_id, **facts, services=[key for key, _ in frame.items if key != items.IMEI])
            return [self._state("online", True, When(received_ns, received_ns)), *self._extras(frame, received_ns)]
        kind = KINDS.get(frame.type, "unknown")
        content = {f"{key:02x}": value.hex() for key, value in frame.items[:32] if key != items.IMEI}
        self.note(kind, self.device_id, **facts, items=content)
        return []

    def _extras(self, frame: Frame, received_ns: int) -> list[Observation]:
        """Battery and status that come with a request for services."""
        record = dict(frame.items)
        return self._measures(_fields(record), When(received_ns, received_ns))

    def _record(self, record: dict[int, bytes], facts: dict[str, Any], received_ns: int) -> list[Observation]:
        fields = _fields(record)
        status = fields.get("status", 0)
        device_ns = fields["time"] * SECOND_NS if "time" in fields else None
        moment = when(device_ns, received_ns, stored=bool(status >> items.STORED_BIT & 1))
        words = items.alarm_words(fields.get("alarm", 0))
        self._tell(record, fields, facts, words)
        found = self._alarmed(record, words, moment, received_ns)
        found += self._located(record, fields, moment, alarm=bool(ALARM_SIGNALS.keys() & set(words)))
        if "status" in fields:
            found.append(self._state("charging", bool(status >> items.CHARGING_BIT & 1), moment))
        return found + self._measures(fields, moment)

    def _alarmed(self, record: dict[int, bytes], words: list[str], moment: When, received_ns: int) -> list[Observation]:
        if items.ALARM not in record:
            return []
        raw = record[items.ALARM]
        happened = moment
        if len(raw) >= 8:
            device_ns = struct.unpack_from("<I", raw, 4)[0] * SECOND_NS
            happened = when(device_ns, received_ns, stored=moment.stored)
        found: list[Observation] = []
        for word in words:
            if word in ALARM_SIGNALS:
                found.append(self._alarm(ALARM_SIGNALS[word], happened, raw))
            elif word in BUTTONS:
                found.append(self._event("button", "other", happened))
            elif word == "fence":
                found.append(self._event("fence", "crossed", happened))
            elif word in {"on", "off"}:
                found.append(self._state("online", word == "on", happened))
            elif word == "low_battery":
                found.append(self._state("battery_low", True, happened))
        return found

    def _located(
        self, record: dict[int, bytes], fields: dict[str, int], moment: When, *, alarm: bool
    ) -> list[Observation]:
        for key in items.PLACES:
            place = items.LAYOUTS[key].decode(record[key]) if key in record else None
            if place is None or (key == items.BEACON and not place["beacon_flags"] & items.BEACON_HAS_PLACE):
                continue
            latitude, longitude = place["latitude"] / items.DEGREE, place["longitude"] / items.DEGREE
            fixed = key != items.FIX or fields.get("hdop", 0) > 0
            return self._place(latitude, longitude, moment, fixed=fixed, alarm=alarm)
        return []

    def _measures(self, fields: dict[str, int], moment: When) -> list[Observation]:
        found: list[Observation] = []
        level = fields.get("battery", fields["status"] >> 24 if "status" in fields else None)
        if level is not None:
            found.append(self._reading("battery", level, moment))
        found += [self._reading(name, fields[name], moment) for name in ("battery_voltage", "steps") if name in fields]
        found += [self._vital(name, fields[name], moment) for name in ("heart_rate", "spo2") if name in fields]
        return found

    def _vital(self, signal: str, code: int, moment: When) -> Observation:
        """0 and 1 mean that the pendant could not measure."""
        if code <= 1:
            return self._reading(signal, None, moment, Quality.NO_CONTACT)
        return self._reading(signal, None if code == 255 else code, moment)

    def _tell(self, record: dict[int, bytes], fields: dict[str, int], facts: dict[str, Any], words: list[str]) -> None:
        more: dict[str, Any] = {}
        if "alarm" in fields:
            more |= {"alarm_bits": f"{fields['alarm']:08x}", "alarm": words}
        if "time" in fields:
            more["device_time"] = datetime.fromtimestamp(fields["time"], UTC).isoformat()
        if "status" in fields:
            status = fields["status"]
            more |= {
                "status": status,
                "stored": bool(status >> items.STORED_BIT & 1),
                "moving": bool(status >> items.MOTION_BIT & 1),
                "gsm": status >> 19 & 31,
            }
        for name in ("speed_km_h", "course_deg", "altitude_m", "hdop", "odometer_m", "satellites"):
            if name in fields:
                more[name] = fields[name]
        if "barks" in fields:
            more |= {"barks": fields["barks"] & 0x7FFF_FFFF, "bark_stop": bool(fields["barks"] >> 31)}
        unread = sorted(f"{key:02x}" for key in record if key != items.IMEI and key not in items.LAYOUTS)
        self.note("report", self.device_id, **facts, **more, unread=unread)


def _imei(frame: Frame) -> str | None:
    value = dict(frame.items).get(items.IMEI)
    if value is None or len(value) != 15 or not value.isdigit():
        return None
    return value.decode("ascii")


def _records(found: tuple[Item, ...]) -> Iterator[dict[int, bytes]]:
    """A frame may hold many records: a key that comes again begins the next one."""
    record: dict[int, bytes] = {}
    for key, value in found:
        if key in record:
            yield record
            record = {}
        record[key] = value
    yield record


def _fields(record: dict[int, bytes]) -> dict[str, int]:
    """The numbers of a record by name; the time of the status item goes before that of a measurement."""
    fields: dict[str, int] = {}
    for key, value in record.items():
        layout = items.LAYOUTS.get(key)
        decoded = layout.decode(value) if layout is not None else None
        for name, number in (decoded or {}).items():
            if name not in {"latitude", "longitude"} and (name not in fields or key == items.STATUS):
                fields[name] = number
    return fields
