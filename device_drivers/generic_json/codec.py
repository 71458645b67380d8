"""Decodes JSON of any device by the site's own mapping, and the device models of Alink and Huawei IoTDA."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from device_drivers.codec import MessageCodec
from device_drivers.generic_json import platforms
from device_drivers.generic_json.mapping import BadValueError, MappingError, ValueRule, value_rule
from device_drivers.generic_json.memory import DeviceMemories
from device_drivers.generic_json.paths import as_text
from device_drivers.generic_json.rules import CHINA, Rule, rule, time_ns, topic_filter
from device_drivers.json_payload import DAY_NS, MAX_DEVICE_BYTES, SECOND_NS, PayloadError, device_time_ns, parse
from device_drivers.observations import DeviceEvent, Observation, Quality
from device_drivers.signals import SignalKind, reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from device_drivers.generic_json.platforms import Said
    from device_drivers.topics import TopicFilter

MAX_TOPIC = 300
MAX_REPLIES = 1_000
MAX_UNMAPPED = 64
_PLATFORM_KEYS = {"properties", "events"}
_OPTIONS = {"rules", platforms.ALINK, platforms.IOTDA, "history_after_s"}


@dataclass(frozen=True, slots=True)
class Platform:
    """One platform's reader, and what its properties and events are: by name, or "service.name"."""

    filters: tuple[TopicFilter, ...]
    read: Callable[[str, Mapping[str, Any]], Iterator[Said]]
    properties: Mapping[str, ValueRule]
    events: Mapping[str, ValueRule]


@dataclass(frozen=True, slots=True)
class Moment:
    """When it was, when it came, and whether it is so old that it is history."""

    at_ns: int
    received_ns: int
    stored: bool
    retained: bool = False


class GenericJsonCodec(MessageCodec):
    """Codec of everything that a mapping describes.

    Options: `rules`, a list of rules; `alink` and `iotda`, each with `properties` and `events` by identifier;
    `history_after_s`: what is older by the device's own time is history and raises nothing (default a day).
    Raises ValueError (MappingError) that names the wrong place.
    """

    family: ClassVar[str] = "generic_json"

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        given = options or {}
        if not set(given) <= _OPTIONS:
            raise MappingError("generic_json", f"allowed are {', '.join(sorted(_OPTIONS))}")
        rules = given.get("rules", [])
        if not isinstance(rules, list | tuple):
            raise MappingError("rules", "write a list of rules: [[drivers.generic_json.rules]]")
        self._rules = [rule(one, f"rules[{n}]") for n, one in enumerate(rules)]
        self._platforms = [
            _platform(given.get(platforms.ALINK, {}), platforms.ALINK, platforms.ALINK_FILTERS, platforms.alink),
            _platform(given.get(platforms.IOTDA, {}), platforms.IOTDA, platforms.IOTDA_FILTERS, platforms.iotda),
        ]
        self._wanted = [one for one in self._platforms if one.properties or one.events]
        self._history_ns = _seconds(given.get("history_after_s", DAY_NS // SECOND_NS)) * SECOND_NS
        self._memories = DeviceMemories()
        self._replies: deque[tuple[str, bytes]] = deque(maxlen=MAX_REPLIES)

    def subscriptions(self) -> list[str]:
        found = [one.topic.text for one in self._rules]
        found += [one.text for platform in self._wanted for one in platform.filters]
        return list(dict.fromkeys(found))

    def poll(self, now_ns: int) -> list[tuple[str, bytes]]:  # noqa: ARG002 - as every codec
        replies = list(self._replies)
        self._replies.clear()
        return replies

    def feed(self, topic: str, payload: bytes, received_ns: int, *, retained: bool = False) -> list[Observation]:
        rules = [one for one in self._rules if one.topic.matches(topic)]
        platform = next((one for one in self._platforms if any(f.matches(topic) for f in one.filters)), None)
        if not rules and platform is None:
            self.reject("topic", payload, topic=topic[:MAX_TOPIC], error="no rule has this topic")
            return []
        try:
            tree = parse(payload, MAX_DEVICE_BYTES)
            found = [one for each in rules for one in self._rule(each, topic, tree, received_ns, retained=retained)]
            if platform is not None:
                found += self._platform(platform, topic, tree, received_ns, retained=retained)
        except PayloadError as error:
            self.reject(error.reason, payload, topic=topic[:MAX_TOPIC], error=error.detail)
            return []
        self.health.frames += 1
        self.health.last_frame_ns = received_ns
        return found

    # Rules

    def _rule(self, each: Rule, topic: str, tree: Any, received_ns: int, *, retained: bool) -> Iterator[Observation]:
        if retained and not each.retained:
            raise PayloadError("retained", "set retained = true in the rule to read what the broker keeps")
        for item in each.each.find(tree):
            if each.when is not None and not each.when.holds(item):
                continue
            device_id = each.device.of(topic, item)
            if device_id is None:
                self.reject("device", str(item).encode()[:200], topic=topic[:MAX_TOPIC], error="no device id in it")
                continue
            if each.id is not None and self._seen(device_id, each.id.first(item)):
                continue
            yield from self._item(each, device_id, item, received_ns, retained=retained)

    def _item(
        self, each: Rule, device_id: str, item: Any, received_ns: int, *, retained: bool
    ) -> Iterator[Observation]:
        for one in each.values:
            if one.when is not None and not one.when.holds(item):
                continue
            path = one.time or each.time
            stated = time_ns(path.first(item), each.zone) if path is not None else None
            moment = self._moment(stated, received_ns, retained=retained)
            for raw in [one.constant] if one.path is None else one.path.find(item):
                yield from self._observe(one, device_id, raw, moment, constant=one.path is None)

    def _seen(self, device_id: str, message_id: Any) -> bool:
        return message_id is not None and self._memories.of(device_id).is_seen(as_text(message_id)[:80])

    # Platforms

    def _platform(
        self, platform: Platform, topic: str, tree: Any, received_ns: int, *, retained: bool
    ) -> list[Observation]:
        if not isinstance(tree, dict):
            raise PayloadError("type", f"expected an object, got {type(tree).__name__}")
        if retained:
            raise PayloadError("retained", "devices of a platform do not retain")
        found = [one for said in list(platform.read(topic, tree)) for one in self._said(platform, said, received_ns)]
        reply = platforms.alink_reply(topic, tree) if platform.read is platforms.alink else None
        if reply is not None:
            self._replies.append(reply)
        return found

    def _said(self, platform: Platform, said: Said, received_ns: int) -> Iterator[Observation]:
        table = platform.events if said.kind == "event" else platform.properties
        one = table.get(f"{said.service}.{said.name}") or table.get(said.name)
        if one is None:
            self._unmapped(said)
            return
        moment = self._moment(time_ns(said.time, CHINA), received_ns, retained=False)
        if said.kind == "event":
            raws = [True if one.constant is None else one.constant]
        else:
            raws = [said.value] if one.path is None else one.path.find(said.value)
        for raw in raws:
            yield from self._observe(one, said.device_id, raw, moment, constant=said.kind == "event")

    def _unmapped(self, said: Said) -> None:
        """Tell once what nobody has mapped: it helps to write the mapping."""
        seen = self._memories.of(said.device_id).unmapped
        name = f"{said.kind} {said.service}.{said.name}"[:80]
        if name not in seen and len(seen) < MAX_UNMAPPED:
            seen.add(name)
            facts = {"name": said.name[:80], "service": said.service[:80], "value": str(said.value)[:80]}
            self.note("unknown", said.device_id, what=said.kind, **facts)

    # Both

    def _moment(self, stated_ns: int | None, received_ns: int, *, retained: bool) -> Moment:
        if stated_ns is not None and 0 < stated_ns < received_ns - self._history_ns:
            return Moment(stated_ns, received_ns, stored=True, retained=retained)
        return Moment(device_time_ns(stated_ns, received_ns), received_ns, stored=False, retained=retained)

    def _observe(
        self, one: ValueRule, device_id: str, raw: Any, moment: Moment, *, constant: bool
    ) -> Iterator[Observation]:
        name, at_ns, received_ns = one.signal.name, moment.at_ns, moment.received_ns
        try:
            if one.signal.kind is SignalKind.READING:
                value, quality = one.reading(raw)
                yield reading(device_id, name, value, at_ns, received_ns, quality, stored=moment.stored)
            elif constant:
                yield self._event(one, device_id, raw, moment, Quality.GOOD, edge=True)
            else:
                word, quality = one.event(raw)
                yield self._event(one, device_id, word, moment, quality, edge=one.edge)
        except BadValueError as error:
            self.reject("value", str(raw).encode()[:200], device=device_id, signal=name, error=str(error))

    def _event(
        self, one: ValueRule, device_id: str, word: Any, moment: Moment, quality: Quality, *, edge: bool
    ) -> DeviceEvent:
        """An edge is news each time; a state only where it differs. What the broker kept is never news."""
        name, at_ns, received_ns, stored = one.signal.name, moment.at_ns, moment.received_ns, moment.stored
        repeat = moment.retained
        if not stored and not edge:
            repeat = self._memories.of(device_id).is_known(name, word) or moment.retained
        return DeviceEvent(device_id, name, word, at_ns, received_ns, quality, stored=stored, repeat=repeat)


def _platform(
    given: Any,
    name: str,
    filters: tuple[str, ...],
    read: Callable[[str, Mapping[str, Any]], Iterator[Said]],
) -> Platform:
    if not isinstance(given, Mapping) or not set(given) <= _PLATFORM_KEYS:
        raise MappingError(name, "allowed are properties and events")
    tables: dict[str, dict[str, ValueRule]] = {}
    for kind in ("properties", "events"):
        listed = given.get(kind, {})
        if not isinstance(listed, Mapping):
            raise MappingError(f"{name}.{kind}", "write { identifier = signal }")
        tables[kind] = {str(key): value_rule(one, f"{name}.{kind}.{key}") for key, one in listed.items()}
    for kind, table in tables.items():
        for key, one in table.items():
            _check_place(one, kind, f"{name}.{kind}.{key}")
    checked = tuple(topic_filter(text, name) for text in filters)
    return Platform(checked, read, tables["properties"], tables["events"])


def _check_place(one: ValueRule, kind: str, where: str) -> None:
    """The platform says when and of what; an event says only that it happened, so the site says what that means."""
    if one.when is not None or one.time is not None:
        raise MappingError(where, "when and time are of rules, not of platforms")
    if kind == "properties" and one.constant is not None:
        raise MappingError(where, "a property has a value of its own: leave `value` out")
    if kind == "events" and one.constant is None and (one.signal.words or one.signal.kind is SignalKind.READING):
        raise MappingError(where, f"write value = ..., what the event says of {one.signal.name}")


def _seconds(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given < 1e9:
        raise MappingError("history_after_s", f"{given!r} must be a number of seconds")
    return int(given)
