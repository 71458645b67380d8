"""Turns the state of one Zigbee device into observations, field by field, by the tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from device_drivers.observations import DeviceEvent, Observation, Quality
from device_drivers.signals import reading
from device_drivers.zigbee2mqtt import tables
from device_drivers.zigbee2mqtt.memory import MAX_UNMAPPED, Memory, Moment, Word, in_test, is_repeat, is_same_call
from device_drivers.zigbee2mqtt.payload import number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True)
class Setup:
    """What is known of a device beside its messages.

    sos_actions: actions that call for help. bed_pad: its contact is a bed. contact_means: "in" or "left", what
    contact=true says of the bed; None where nobody has checked the polarity on the device.
    """

    model: str = ""
    sos_actions: frozenset[str] = tables.SOS_ACTIONS
    bed_pad: bool = False
    contact_means: str | None = None

    @property
    def fall_radar(self) -> bool:
        return self.model.startswith(tables.FALL_RADAR_MODELS)


@dataclass(slots=True)
class Reader:
    """Reads one message of one device; collects observations, notes (kind, facts) and refused fields."""

    device_id: str
    setup: Setup
    memory: Memory
    moment: Moment
    found: list[Observation] = field(default_factory=list)
    notes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)

    def read(self, state: Mapping[str, Any]) -> None:
        """Everything this state says. Fields that are null say nothing; unknown ones are noted once."""
        said = {name: value for name, value in state.items() if value is not None}
        self._test(said)
        for name, value in said.items():
            handler = _HANDLERS.get(name)
            if handler is not None:
                handler(self, name, value, said)
            elif name in tables.READINGS:
                self._reading(name, value, said)
            elif name in tables.FLAGS:
                self._flag(tables.FLAGS[name], name, value)
            else:
                self._unmapped(name, value)

    def event(self, signal: str, value: Word, quality: Quality = Quality.GOOD, *, token: str | None = None) -> None:
        """A state that may be a restatement."""
        repeat = is_repeat(self.memory, signal, value, self.moment)
        self._emit(signal, value, repeat=repeat, quality=quality, token=token)

    def _emit(
        self,
        signal: str,
        value: Word,
        *,
        repeat: bool = False,
        quality: Quality = Quality.GOOD,
        token: str | None = None,
    ) -> None:
        at_ns, received_ns = self.moment.at_ns, self.moment.received_ns
        self.found.append(
            DeviceEvent(self.device_id, signal, value, at_ns, received_ns, quality, repeat=repeat, token=token)
        )

    def _truth(self, name: str, value: Any) -> bool | None:
        if isinstance(value, bool):
            return value
        self._wrong_type(name, value, "true or false")
        return None

    def _wrong_type(self, name: str, value: Any, expected: str) -> None:
        self.refused.append((name, f"expected {expected}, got {str(value)[:80]!r}"))

    def _unmapped(self, name: str, value: Any) -> None:
        unmapped = self.memory.unmapped
        if name not in unmapped and len(unmapped) < MAX_UNMAPPED:
            unmapped.add(name[:80])
            self.notes.append(("unknown", {"field": name[:80], "value": str(value)[:80]}))

    def _reading(self, name: str, value: Any, said: Mapping[str, Any]) -> None:
        if name == "voltage" and not ("battery" in said or "battery_low" in said):
            return self._unmapped(name, value)  # of a mains plug, in volts
        if name == "illuminance" and "illuminance_lux" in said:
            return None  # old versions give the raw figure under this name
        found = number(value)
        if found is None:
            return self._wrong_type(name, value, "a number")
        quality = Quality.GOOD
        if name in tables.ZERO_IS_ABSENT and found == 0:
            found, quality = None, Quality.NO_CONTACT
        at_ns, received_ns = self.moment.at_ns, self.moment.received_ns
        self.found.append(reading(self.device_id, tables.READINGS[name], found, at_ns, received_ns, quality))
        return None

    def _flag(self, signal: str, name: str, value: Any) -> None:
        truth = self._truth(name, value)
        if truth is not None:
            self.event(signal, truth)

    def _test(self, said: dict[str, Any]) -> None:
        """During a test of the detector a hazard is unknown, not an alarm."""
        testing = said.get("test") is True
        if in_test(self.memory, self.moment, testing=testing):
            for name in tables.HAZARDS:
                if said.get(name) is True:
                    said[name] = _ONLY_A_TEST

    def hazard(self, name: str, value: Any, _said: Mapping[str, Any]) -> None:
        if value is _ONLY_A_TEST:
            self._emit(name, None, quality=Quality.INVALID)
        else:
            self._flag(name, name, value)

    def trouble(self, name: str, value: Any, _said: Mapping[str, Any]) -> None:
        truth = self._truth(name, value)
        if truth is not None:
            self.event("device_fault", "other" if truth else "none")

    def contact(self, name: str, value: Any, _said: Mapping[str, Any]) -> None:
        closed = self._truth(name, value)
        if closed is None:
            return
        if not self.setup.bed_pad:
            self.event("door", "closed" if closed else "open")
        elif self.setup.contact_means is None:
            self.event("bed_occupancy", None, Quality.INVALID)
        else:
            other = "left" if self.setup.contact_means == "in" else "in"
            self.event("bed_occupancy", self.setup.contact_means if closed else other)

    def occupancy(self, name: str, value: Any, said: Mapping[str, Any]) -> None:
        """A PIR sensor's motion; of a fall radar it is presence."""
        radar = self.setup.fall_radar or "fall_status" in said
        self._flag("presence" if radar else "occupancy", name, value)

    def fall_word(self, name: str, value: Any, _said: Mapping[str, Any]) -> None:
        word = tables.FALL_WORDS[name].get(value) if isinstance(value, str) else None
        if word is None:
            self._unmapped(f"{name}={value}", value)
            self._emit("fall", None, quality=Quality.INVALID)
            return
        if word.fall is not None:
            self.event("fall", word.fall)
        if word.warning is not None:
            self.event("fall_warning", word.warning)

    def status(self, name: str, value: Any, _said: Mapping[str, Any]) -> None:
        """Owon FDS315 says everything in one word."""
        word = tables.OWON_STATUS.get(value) if isinstance(value, str) else None
        if word is None:
            return self._unmapped(f"{name}={value}", value)
        self.event("presence", word.presence)
        if word.posture is not None:
            self.event("posture", word.posture)
        else:
            self.event("posture", None, Quality.INVALID if word.presence else Quality.NO_CONTACT)
        if word.fall is not None:
            self.event("fall", word.fall)
        return None

    def sensor_status(self, name: str, value: Any, _said: Mapping[str, Any]) -> None:
        word = tables.SENSOR_STATUS.get(value) if isinstance(value, str) else None
        if word is None:
            self._unmapped(f"{name}={value}", value)
        else:
            self.event("motion", word)

    def sos(self, name: str, value: Any, _said: Mapping[str, Any]) -> None:
        """Alarm buttons with a state. True again after 10 s is a new call, unless the message brings no news at all."""
        pressed = self._truth(name, value)
        if pressed is None:
            return
        stale = is_repeat(self.memory, "help_button", pressed, self.moment) and (
            self.moment.restored or self.moment.older or not self.moment.advanced
        )
        if pressed:
            self._call(stale=stale)
        else:
            self._emit("help_button", False, repeat=stale)

    def action(self, name: str, value: Any, said: Mapping[str, Any]) -> None:
        """An edge: Zigbee2MQTT sends it once and never caches it, so it is news whatever `last_seen` says."""
        if not isinstance(value, str):
            return self._wrong_type(name, value, "text")
        news = self._new_transaction(said)
        if value == "":
            if news:  # some buttons lose the word on the way: a press that nobody understood
                self.notes.append(("report", {"suspected_press": True, "transaction": self.memory.transaction}))
            return None
        if value in self.setup.sos_actions:
            return self._call(stale=False)
        if value in tables.MOVED_ACTIONS:
            return self._emit("vibration", True)
        if value.startswith(tables.NO_BUTTON_ACTIONS):
            return self._unmapped(f"{name}={value}", value)
        word = value.rsplit("_", 1)[-1]
        return self._emit("button", word if word in tables.BUTTON_WORDS else "other")

    def _call(self, *, stale: bool) -> None:
        # A restated call must not open the ten seconds in which a real press would count as its repetition.
        repeat = stale or is_same_call(self.memory, self.moment)
        begun_ns = self.moment.at_ns if self.memory.sos_ns is None else self.memory.sos_ns
        self._emit("help_button", True, repeat=repeat, token=f"sos-{begun_ns}")

    def _new_transaction(self, said: Mapping[str, Any]) -> bool:
        """Whether the transaction number differs from the one known; remembers it."""
        given = said.get("action_transaction", said.get("action_code"))
        if not isinstance(given, int | str):
            return False
        before, self.memory.transaction = self.memory.transaction, str(given)[:80]
        return before is not None and before != self.memory.transaction

    def static_dwell(self, name: str, value: Any, _said: Mapping[str, Any]) -> None:
        """Tuya gives text whose words are not documented: only true and false are understood."""
        if isinstance(value, bool):
            self.event("static_stay", value)
        else:
            self._unmapped(f"{name}={value}", value)


_ONLY_A_TEST = object()

_HANDLERS: Mapping[str, Callable[[Reader, str, Any, Mapping[str, Any]], None]] = {
    **dict.fromkeys(tables.HAZARDS, Reader.hazard),
    **dict.fromkeys(tables.FALL_WORDS, Reader.fall_word),
    "trouble": Reader.trouble,
    "contact": Reader.contact,
    "occupancy": Reader.occupancy,
    "status": Reader.status,
    "sensor_status": Reader.sensor_status,
    "sos": Reader.sos,
    "static_dwell_alarm": Reader.static_dwell,
    "action": Reader.action,
    "last_seen": lambda *_: None,
    "action_transaction": lambda *_: None,
    "action_code": lambda *_: None,
}
