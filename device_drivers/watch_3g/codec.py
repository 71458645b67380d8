"""Decodes the stream of one "[3G*...]" watch and says what to answer: LK, INIT, AL and voice polls within a second."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from device_drivers.codec import UnknownCommandError
from device_drivers.framing import Framer
from device_drivers.observations import Observation, Quality
from device_drivers.tracking import SECOND_NS, TrackerCodec, When, when
from device_drivers.watch_3g import commands, frames
from device_drivers.watch_3g.position import COLUMNS, MOVING_BIT, Position, is_position, number, parse, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from device_drivers.watch_3g.frames import Frame

REPLIES: Mapping[str, str] = {"LK": "LK", "INIT": "INIT,1", "JXTK": "JXTKR,1"}
ECHOED = frozenset({"TKQ", "TKQ2", "BLOOD", "BPHRT", "BP"})
"""Types that are answered with their own name, in the case the watch used."""
_PRESSURE = ((0, "systolic_pressure"), (1, "diastolic_pressure"), (2, "heart_rate"))
VITALS: Mapping[str, tuple[tuple[int, str], ...]] = {
    "PULSE": ((0, "heart_rate"),),
    "HEART": ((0, "heart_rate"),),
    "BLOOD": _PRESSURE,
    "BPHRT": _PRESSURE,
    "BP": _PRESSURE,
    "TEMP": ((0, "body_temperature"),),
    "BTEMP2": ((1, "body_temperature"),),
    "OXYGEN": ((1, "spo2"),),
}
"""Field number and signal of each measurement. BTEMP2 has a "valid" flag before the value."""
SENTINELS = {0.0: Quality.NO_CONTACT, 255.0: Quality.INVALID}
ALARM_SIGNALS = {"sos": "help_button", "fall": "fall"}
FENCES = {"fence_out": "out", "fence_in": "in"}
COMMAND_MAKERS = {"3G": "SG"}
"""Commands to 3G watches go out under SG, as Traccar sends them; others under the watch's own letters."""
SIGNALS = (
    "help_button",
    "fall",
    "worn",
    "battery_low",
    "charging",
    "fence",
    "online",
    "latitude",
    "longitude",
    "battery",
    "steps",
    "heart_rate",
    "systolic_pressure",
    "diastolic_pressure",
    "spo2",
    "body_temperature",
)


class Watch3GCodec(TrackerCodec):
    """Codec of one watch, with these options beside those of `TrackerCodec`.

    unplug_sends_sos: for models that send SOS when the charger is pulled: an SOS that comes with "unplugged" is then
    marked as poor, and still raised. unexplained_alarm: an alarm frame that gives no reason calls for help, marked as
    poor (default true). command_maker: the two letters that commands go out under.
    """

    family: ClassVar[str] = "watch_3g"

    def __init__(self, device_id: str, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(device_id, options)
        given = options or {}
        self._unplug_sends_sos = given.get("unplug_sends_sos", False) is True
        self._unexplained_alarm = given.get("unexplained_alarm", True) is True
        self._command_maker = given.get("command_maker")
        self._restart()
        self._last: Frame | None = None
        self._steps: int | None = None

    def feed(self, data: bytes, received_ns: int) -> list[Observation]:
        found: list[Observation] = []
        for raw in self._framer.feed(data):
            frame = frames.parse(raw)
            if self._accept(frame.id, raw):
                self.health.last_frame_ns = received_ns
                self._last = frame
                found += self._decode(frame, raw, received_ns)
        return found

    def _restart(self) -> None:
        self._framer = Framer(frames.SPEC, self.health, self.reject)

    def command(self, name: str, value: str | float | None = None) -> bytes:
        if name not in commands.COMMANDS:
            raise UnknownCommandError(self.family, name, value)
        if self._last is None:
            raise ValueError("the watch has not been heard on this line yet: its maker and id are not known")
        maker = str(self._command_maker or COMMAND_MAKERS.get(self._last.maker, self._last.maker))
        index = "0001" if self._last.index is not None else None
        return frames.encode(maker, self._last.id, commands.content(name, value), index)

    def _decode(self, frame: Frame, raw: bytes, received_ns: int) -> list[Observation]:
        kind, fields = frame.type, frame.fields
        facts = self._reply(frame)
        now = When(received_ns, received_ns)
        if is_position(kind):
            return self._located(frame, raw, facts, received_ns)
        if kind in VITALS:
            self._tell("report", frame, facts)
            return self._measured(kind, fields, now)
        if kind == "LK":
            self._tell("heartbeat", frame, facts | _named(("steps", "rolls", "battery"), map(whole, fields)))
            return [self._state("online", True, now), *self._counted(fields, now)]
        if kind == "INIT":
            self._tell("heartbeat", frame, facts)
            return [self._state("online", True, now)]
        self._tell(*_meaning(frame, facts))
        return []

    def _reply(self, frame: Frame) -> dict[str, Any]:
        """Put the answer in line; what a note says of every frame."""
        kind = frame.type
        text = REPLIES.get(kind) or ("AL" if kind.startswith("AL") else None)
        if kind in ECHOED:
            text = frame.content.partition(b",")[0].decode("latin-1")
        facts: dict[str, Any] = {"type": kind, "maker": frame.maker, "id": frame.id}
        if frame.index is not None:
            facts["index"] = frame.index
        if text is not None:
            answer = frames.encode(frame.maker, frame.id, text, frame.index)
            self._answer(answer)
            facts["reply"] = answer.decode("latin-1")
        return facts

    def _tell(self, kind: str, frame: Frame, facts: Mapping[str, Any]) -> None:
        more: dict[str, Any] = {}
        if frame.stated_length != len(frame.content) and frame.type.encode() not in frames.MEDIA:
            more["length_mismatch"] = [frame.stated_length, len(frame.content)]
        self.note(kind, self.device_id, **facts, **more)

    def _measured(self, kind: str, fields: list[str], now: When) -> list[Observation]:
        found: list[Observation] = []
        refused = kind == "BTEMP2" and (number(fields[0]) or 0) <= 0 if fields else True
        for at, signal in VITALS[kind]:
            if at >= len(fields) or (at > 0 and signal == "heart_rate" and not fields[at].strip()):
                continue
            value = number(fields[at])
            doubt = Quality.NO_CONTACT if refused else SENTINELS.get(value) if value is not None else Quality.INVALID
            found.append(self._reading(signal, None if doubt else value, now, doubt or Quality.GOOD))
        if any(one.signal == "heart_rate" and getattr(one, "value", None) is not None for one in found):
            found.append(self._state("worn", True, now))
        return found

    def _counted(self, fields: list[str], now: When) -> list[Observation]:
        """LK,steps,rolls,battery. With two fields it is not known which is which."""
        if len(fields) < 3:
            return []
        return self._steps_and_battery(whole(fields[0]), whole(fields[2]), now)

    def _steps_and_battery(self, steps: int | None, battery: int | None, moment: When) -> list[Observation]:
        found: list[Observation] = []
        if steps is not None:
            found.append(self._reading("steps", steps, moment))
            found += self._walked(steps, moment)
        if battery is not None:
            found.append(self._reading("battery", battery, moment))
        return found

    def _walked(self, steps: int, moment: When) -> list[Observation]:
        """A watch that was taken off and counts steps again is worn: nothing else tells that it was put on."""
        before = self._steps
        if moment.stored:
            return []
        self._steps = steps
        if before is not None and steps > before and self._known.get("worn") is False:
            return [self._state("worn", True, moment)]
        return []

    def _located(self, frame: Frame, raw: bytes, facts: dict[str, Any], received_ns: int) -> list[Observation]:
        fields = frame.fields
        alarm = frame.type.startswith("AL")
        position = parse(fields)
        if len(fields) < COLUMNS:
            self.reject("position", raw, columns=len(fields))
        moment = when(position.device_ns, received_ns, stored=frame.type.partition("_")[0] == "UD2")
        self._tell("report", frame, facts | _facts(position))
        found = self._alarmed(frame, position, moment) if alarm or position.status is not None else []
        if len(fields) >= COLUMNS:
            serious = alarm or any(word in ALARM_SIGNALS for word in position.reasons)
            found += self._place(position.latitude, position.longitude, moment, fixed=position.fixed, alarm=serious)
            found += self._steps_and_battery(position.steps, position.battery, moment)
        return found

    def _alarmed(self, frame: Frame, position: Position, moment: When) -> list[Observation]:
        reasons = position.reasons
        alarm = frame.type.startswith("AL")
        found: list[Observation] = []
        signals = {ALARM_SIGNALS[word] for word in reasons if word in ALARM_SIGNALS}
        for signal in sorted(signals):
            doubtful = signal == "help_button" and "unplugged" in reasons and self._unplug_sends_sos
            quality = Quality.POOR if doubtful else Quality.GOOD
            found.append(
                self._alarm(signal, moment, frame.content, quality)
                if alarm
                else self._alarm_bit(signal, moment, quality)
            )
        if alarm and not reasons and self._unexplained_alarm:
            found.append(self._alarm("help_button", moment, frame.content, Quality.POOR))
        self._alarms_now(signals, moment)
        found += [self._event("fence", FENCES[word], moment) for word in reasons if word in FENCES]
        if "unplugged" in reasons:
            found.append(self._state("charging", False, moment))
        if "removed" in reasons:
            found.append(self._state("worn", False, moment))
        if position.status is not None:
            found.append(self._state("battery_low", "low_battery" in reasons, moment))
        return found


def _facts(position: Position) -> dict[str, Any]:
    """What of a position is no signal. Places are not repeated in notes."""
    facts: dict[str, Any] = {"fixed": position.fixed}
    if position.device_ns is not None:
        facts["device_time"] = datetime.fromtimestamp(position.device_ns // SECOND_NS, UTC).isoformat()
    if position.status is not None:
        facts |= {
            "status": position.status,
            "alarm": position.reasons,
            "moving": bool(position.status >> MOVING_BIT & 1),
        }
    for name in ("speed_km_h", "course_deg", "altitude_m", "satellites", "gsm", "rolls"):
        if (value := getattr(position, name)) is not None:
            facts[name] = value
    return facts | {"cells": position.cells, "wifi": position.wifi}


def _meaning(frame: Frame, facts: dict[str, Any]) -> tuple[str, Frame, dict[str, Any]]:
    """Kind of note for what is neither position, measurement nor heartbeat."""
    kind, fields = frame.type, frame.fields
    if kind in {"TKQ", "TKQ2"}:
        return "query", frame, facts
    if kind in {"CCID", "ICCID"} and fields:
        return "identity", frame, facts | {"iccid": fields[0]}
    if kind == "GS1":
        return "identity", frame, facts | {"fields": fields[:16]}
    if kind.encode() in frames.MEDIA:
        return "report", frame, facts | {"bytes": len(frame.content)}
    if kind in commands.ECHOES:
        return "ack", frame, facts
    return "unknown", frame, facts | {"content": frame.content[:200].decode("latin-1")}


def _named(names: tuple[str, ...], values: Any) -> dict[str, Any]:
    found = list(values)
    return (
        {name: value for name, value in zip(names, found, strict=False) if value is not None} if len(found) > 2 else {}
    )
