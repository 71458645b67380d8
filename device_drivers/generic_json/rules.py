"""Rules of a site: topic, device, and the values in each message. Checked at start."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from device_drivers.generic_json.mapping import Condition, MappingError, ValueRule, condition, value_rule
from device_drivers.generic_json.paths import JsonPath, PathError, as_text, compile_path
from device_drivers.json_payload import any_time_ns
from device_drivers.topics import TopicFilter

CHINA = timezone(timedelta(hours=8))
"""Local times in Chinese feeds carry no zone."""
MAX_DEVICE_ID = 200
_RULE_KEYS = {"topic", "device", "values", "each", "when", "time", "zone", "id", "retained"}
_PLACE = re.compile(r"\{([^{}]*)\}")
_COMPACT = "%Y%m%d%H%M%S"
_DIGITS = re.compile(r"\d{14}\Z")
_NUMBER = re.compile(r"\d{1,15}(\.\d{1,9})?\Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def topic_filter(text: Any, where: str) -> TopicFilter:
    """Check a topic filter. Raises MappingError."""
    try:
        return TopicFilter(text)
    except ValueError as error:
        raise MappingError(where, str(error)) from error


@dataclass(frozen=True, slots=True)
class DeviceName:
    """How the device id is made: text with {n} for level n of the topic (from 0) and {path} for a place in the JSON."""

    parts: tuple[str | int | JsonPath, ...]

    def of(self, topic: str, item: Any) -> str | None:
        """The device id; None where a part is missing or the id is not usable."""
        levels = topic.split("/")
        found: list[str] = []
        for part in self.parts:
            value = part if isinstance(part, str) else _part(part, levels, item)
            if value is None or isinstance(value, dict | list):
                return None
            found.append(as_text(value))
        name = "".join(found)
        return name if name.strip() and name.isprintable() and len(name) <= MAX_DEVICE_ID else None


def _part(part: int | JsonPath, levels: list[str], item: Any) -> Any:
    if isinstance(part, JsonPath):
        return part.first(item)
    return levels[part] if part < len(levels) else None


def device_name(text: Any, where: str) -> DeviceName:
    """Check a device template. Raises MappingError."""
    if not isinstance(text, str) or not text:
        raise MappingError(where, f'device {text!r}; write for example "bed-{{1}}" or "{{data.mac}}"')
    parts: list[str | int | JsonPath] = []
    for n, part in enumerate(_PLACE.split(text)):
        if n % 2 == 0:
            if part:
                parts.append(part)
        elif part.isdecimal():
            parts.append(int(part))
        else:
            parts.append(_path(part, where))
    return DeviceName(tuple(parts))


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of message. each: the items in it, each read by itself; id: what makes a message the same as before."""

    topic: TopicFilter
    device: DeviceName
    values: tuple[ValueRule, ...]
    each: JsonPath
    when: Condition | None
    time: JsonPath | None
    zone: timezone
    id: JsonPath | None
    retained: bool


def rule(given: Any, where: str) -> Rule:
    """Check one rule. Raises MappingError."""
    if not isinstance(given, Mapping) or not set(given) <= _RULE_KEYS:
        raise MappingError(where, f"allowed are {', '.join(sorted(_RULE_KEYS))}")
    values = given.get("values")
    if not isinstance(values, list | tuple) or not values:
        raise MappingError(f"{where}.values", "write at least one {path = ..., signal = ...}")
    checked = tuple(value_rule(one, f"{where}.values[{n}]") for n, one in enumerate(values))
    for n, one in enumerate(checked):
        if (one.path is None) == (one.constant is None):
            raise MappingError(f"{where}.values[{n}]", "write exactly one of path and value")
    return Rule(
        topic=topic_filter(given.get("topic"), f"{where}.topic"),
        device=device_name(given.get("device"), f"{where}.device"),
        values=checked,
        each=_path(given.get("each", "$"), where),
        when=condition(given["when"], f"{where}.when") if "when" in given else None,
        time=_path(given["time"], where) if "time" in given else None,
        zone=_zone(given["zone"], where) if "zone" in given else CHINA,
        id=_path(given["id"], where) if "id" in given else None,
        retained=given.get("retained") is True,
    )


def time_ns(value: Any, zone: timezone) -> int | None:
    """UTC nanoseconds: epoch seconds or milliseconds, ISO 8601, or 20250102030405; without a zone it is `zone`'s."""
    text = as_text(value)
    if not isinstance(value, str) and not _DIGITS.match(text):
        return any_time_ns(value)
    try:
        if _DIGITS.match(text):
            moment = datetime.strptime(text, _COMPACT).replace(tzinfo=zone)
        elif _NUMBER.match(text):
            return any_time_ns(float(text))
        else:
            moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def _path(text: Any, where: str) -> JsonPath:
    try:
        return compile_path(text)
    except PathError as error:
        raise MappingError(where, str(error)) from error


def _zone(text: Any, where: str) -> timezone:
    match = re.match(r"([+-])(\d\d):?(\d\d)\Z", str(text))
    if match is None or int(match[2]) > 14:
        raise MappingError(where, f"zone {text!r}; write the difference to UTC such as +08:00")
    offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return timezone(offset if match[1] == "+" else -offset)
