"""Decodes what ESPHome nodes publish, and every sensor that an integrator announces by Home Assistant discovery."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from device_drivers.codec import MessageCodec
from device_drivers.esphome import meaning as meanings
from device_drivers.esphome.discovery import Availability, Entity, entities
from device_drivers.esphome.meaning import BINARY, BUTTON_WORDS, COMPONENTS, EVENT, SENSOR, Meaning
from device_drivers.generic_json.memory import DeviceMemories
from device_drivers.generic_json.paths import as_text
from device_drivers.json_payload import MAX_DEVICE_BYTES, PayloadError, parse, parse_object
from device_drivers.observations import DeviceEvent, Observation, Quality
from device_drivers.signals import SIGNALS, SignalKind, reading
from device_drivers.topics import TopicFilter

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_PREFIX = "homeassistant"
IGNORED_ORIGINS = ("Zigbee2MQTT", "Yinling")
MAX_ENTITIES = 5_000
MAX_UNMAPPED = 64
PLAIN_FILTERS = ("+/+/+/state", "+/status")
_PLAIN = re.compile(r"(?P<node>[^+#]{1,150})/(?P<component>[a-z_]+)/(?P<object>[^/+#]{1,100})/state\Z")
_ABSENT = frozenset({"nan", "", "unknown", "unavailable", "none", "null"})
_NUMBER = re.compile(r"\s*-?\d{1,12}(\.\d{1,12})?(e[+-]?\d{1,2})?\s*\Z", re.IGNORECASE | re.ASCII)


class EsphomeCodec(MessageCodec):
    """Codec of one broker. Device ids are `esphome/<node>`, and `ha/<identifier>` for other discovered devices.

    Options: `prefix`, of discovery topics (default "homeassistant"). `nodes`: topic prefixes of ESPHome nodes that
    contain a slash. `signals`, by unique id or state topic: the signal of an entity, "" for none. `ignore_origins`:
    whose discovery messages are not read (default Zigbee2MQTT, which has a driver of its own). Raises ValueError.
    """

    family: ClassVar[str] = "esphome"

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        given = options or {}
        self.prefix = _checked_topic(given.get("prefix", DEFAULT_PREFIX), "prefix")
        nodes = _checked_texts(given.get("nodes", []), "nodes")
        self._nodes = [_checked_topic(one, "nodes") for one in nodes]
        self._overrides = _checked_signals(given.get("signals", {}))
        self._ignored = {"Yinling", *_checked_texts(given.get("ignore_origins", IGNORED_ORIGINS), "ignore_origins")}
        self._entities: dict[str, Entity] = {}
        self._places: dict[str, list[str]] = {}
        self._by_topic: dict[str, list[Entity]] = {}
        self._by_availability: dict[str, dict[str, Availability]] = {}
        self._memories = DeviceMemories()

    def subscriptions(self) -> list[str]:
        return [*PLAIN_FILTERS, *(f"{node}/+/+/state" for node in self._nodes), *(f"{n}/status" for n in self._nodes)]

    def casual_subscriptions(self) -> list[str]:
        heard = [TopicFilter(one) for one in self.subscriptions()]
        told = [*self._by_topic, *self._by_availability]
        return [
            f"{self.prefix}/+/+/config",
            f"{self.prefix}/+/+/+/config",
            *(topic for topic in told if not any(one.matches(topic) for one in heard)),
        ]

    def feed(self, topic: str, payload: bytes, received_ns: int, *, retained: bool = False) -> list[Observation]:
        try:
            found = list(self._read(topic, payload, received_ns, retained=retained))
        except PayloadError as error:
            self.reject(error.reason, payload, topic=topic[:300], error=error.detail)
            return []
        if found:
            self.health.frames += 1
            self.health.last_frame_ns = received_ns
        return found

    def _read(self, topic: str, payload: bytes, received_ns: int, *, retained: bool) -> Iterator[Observation]:
        if topic.startswith(f"{self.prefix}/"):
            self._discovery(topic.removeprefix(f"{self.prefix}/"), payload)
            return
        if len(payload) > MAX_DEVICE_BYTES:
            raise PayloadError("too_large", f"{len(payload)} bytes, at most {MAX_DEVICE_BYTES}")
        for device_id, one in list(self._by_availability.get(topic, {}).items()):
            yield from self._availability(device_id, one, payload, received_ns)
        entities_here = self._by_topic.get(topic)
        if entities_here is not None:
            for entity in entities_here:
                yield from self._state(entity, payload, received_ns, retained=retained)
        elif plain := _PLAIN.match(topic):
            yield from self._plain(plain, topic, payload, received_ns, retained=retained)
        elif topic.endswith("/status") and topic not in self._by_availability and payload in (b"online", b"offline"):
            yield self._online(f"esphome/{topic.removesuffix('/status')}"[:200], payload == b"online", received_ns)

    # Discovery

    def _discovery(self, place: str, payload: bytes) -> None:
        """Learn or forget what one discovery topic announces."""
        parts = place.split("/")
        if len(parts) not in (3, 4) or parts[-1] != "config":
            return
        self._forget(place)
        if not payload:
            return
        found = entities(place, parts[0], parse_object(payload), self._overrides)
        for entity in found:
            room = len(self._entities) < MAX_ENTITIES and entity.key not in self._entities
            if entity.origin in self._ignored or not entity.state_topic or not room:
                continue
            self._entities[entity.key] = entity
            self._places.setdefault(place, []).append(entity.key)
            if entity.meaning is not None:
                self._by_topic.setdefault(entity.state_topic, []).append(entity)
            device_id = _device_id(entity)
            for one in entity.availability:
                self._by_availability.setdefault(one.topic, {})[device_id] = one
            what = entity.meaning.signal.name if entity.meaning is not None else ""
            self.note("identity", device_id, entity=entity.key, signal=what, problem=entity.problem)

    def _forget(self, place: str) -> None:
        for key in self._places.pop(place, ()):
            entity = self._entities.pop(key)
            here = [one for one in self._by_topic.get(entity.state_topic, []) if one.key != key]
            if here:
                self._by_topic[entity.state_topic] = here
            else:
                self._by_topic.pop(entity.state_topic, None)

    # States

    def _plain(
        self, match: re.Match[str], topic: str, payload: bytes, received_ns: int, *, retained: bool
    ) -> Iterator[Observation]:
        """A state of an ESPHome node that was not announced: its names have to say what it is."""
        device_id, component = f"esphome/{match['node']}", match["component"]
        if component not in COMPONENTS:
            return
        given = self._overrides.get(topic)
        if given is not None:
            found = meanings.meaning(component, given, None) if given else None
        else:
            found = meanings.meaning_of(component, (match["object"],), "", None)
        if found is None:
            self._unmapped(device_id, f"{component}/{match['object']}")
            return
        text = payload.decode("utf-8", "replace")
        yield from self._observe(device_id, component, found, text, received_ns, retained=retained)

    def _state(self, entity: Entity, payload: bytes, received_ns: int, *, retained: bool) -> Iterator[Observation]:
        text: str | None = payload.decode("utf-8", "replace")
        if entity.path is not None:
            tree = parse(payload, MAX_DEVICE_BYTES)
            if entity.component != EVENT and not entity.path.find(tree):
                return
            value = entity.path.first(tree)
            text = None if value is None or isinstance(value, dict | list) else as_text(value)
        if entity.meaning is None or text is None:
            return
        if entity.component == BINARY:
            words = {entity.payload_on: "ON", entity.payload_off: "OFF"}
            text = words.get(text, text)
        yield from self._observe(
            _device_id(entity), entity.component, entity.meaning, text, received_ns, retained=retained
        )

    def _observe(
        self, device_id: str, component: str, found: Meaning, text: str, received_ns: int, *, retained: bool
    ) -> Iterator[Observation]:
        """One state. What the broker kept: a number may be days old and says nothing; a state is no news."""
        signal = found.signal
        if component == SENSOR:
            if not retained:
                yield self._number(device_id, found, text, received_ns)
        elif component == EVENT:
            if not retained:
                yield self._press(device_id, found, text, received_ns)
        elif text.lower() in _ABSENT:
            yield DeviceEvent(device_id, signal.name, None, received_ns, received_ns, Quality.INVALID)
        elif text not in ("ON", "OFF"):
            raise PayloadError("value", f"{text[:80]!r} is neither on nor off")
        elif not (signal.name == "help_button" and retained):
            value = found.two_state(text == "ON")
            known = self._memories.of(device_id).is_known(signal.name, value)
            pressed = signal.name == "help_button" and value is True
            repeat = retained or (known and not pressed)
            yield DeviceEvent(device_id, signal.name, value, received_ns, received_ns, repeat=repeat)

    def _number(self, device_id: str, found: Meaning, text: str, received_ns: int) -> Observation:
        name = found.signal.name
        if text.strip().lower() in _ABSENT:
            return reading(device_id, name, None, received_ns, received_ns)
        if not _NUMBER.match(text):
            raise PayloadError("value", f"{text[:80]!r} is no number")
        sent = float(text)
        if sent == 0 and name in meanings.ZERO_IS_ABSENT:
            return reading(device_id, name, None, received_ns, received_ns, Quality.NO_CONTACT)
        return reading(device_id, name, round(sent * found.factor + found.offset, 9), received_ns, received_ns)

    def _press(self, device_id: str, found: Meaning, text: str, received_ns: int) -> Observation:
        """An event entity: JSON with `event_type`, or that word alone."""
        if text.startswith("{"):
            text = str(parse_object(text.encode()).get("event_type", ""))
        name = found.signal.name
        value: bool | str = True if name == "help_button" else BUTTON_WORDS.get(text, "other")
        return DeviceEvent(device_id, name, value, received_ns, received_ns)

    def _availability(
        self, device_id: str, one: Availability, payload: bytes, received_ns: int
    ) -> Iterator[Observation]:
        value = payload.decode("utf-8", "replace")
        if one.path is not None:
            value = as_text(one.path.first(parse(payload, MAX_DEVICE_BYTES)))
        if value in (one.available, one.not_available):
            yield self._online(device_id, value == one.available, received_ns)

    def _online(self, device_id: str, online: bool, received_ns: int) -> DeviceEvent:
        repeat = self._memories.of(device_id).is_known("online", online)
        return DeviceEvent(device_id, "online", online, received_ns, received_ns, repeat=repeat)

    def _unmapped(self, device_id: str, name: str) -> None:
        seen = self._memories.of(device_id).unmapped
        if name not in seen and len(seen) < MAX_UNMAPPED:
            seen.add(name)
            self.note("unknown", device_id, entity=name)


def _device_id(entity: Entity) -> str:
    """Of an ESPHome node the same id whether it was announced or not."""
    match = _PLAIN.match(entity.state_topic)
    if match is not None and match["component"] == entity.component:
        return f"esphome/{match['node']}"
    return f"ha/{entity.device}"


def _checked_topic(given: Any, name: str) -> str:
    if not isinstance(given, str) or not given or given.endswith("/") or {"+", "#"} & set(given):
        raise ValueError(f"{name} is {given!r}; give a topic without + and #, and without a slash at its end")
    return given


def _checked_texts(given: Any, name: str) -> list[str]:
    if not isinstance(given, list | tuple) or not all(isinstance(one, str) for one in given):
        raise ValueError(f"{name} is {given!r}; give a list of texts")
    return list(given)


def _checked_signals(given: Any) -> dict[str, str]:
    good = isinstance(given, Mapping) and all(
        name == "" or (name in SIGNALS and SIGNALS[name].kind is not SignalKind.WAVEFORM) for name in given.values()
    )
    if not good:
        raise ValueError(f'signals is {given!r}; give a signal of docs/devices.md, or "", by unique id or state topic')
    return {str(key): str(name) for key, name in given.items()}
