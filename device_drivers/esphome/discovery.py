"""Reads Home Assistant discovery messages: one entity, or a whole device; with short keys and `~` as they are legal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from device_drivers.esphome.meaning import COMPONENTS, Meaning, meaning, meaning_of
from device_drivers.esphome.template import TemplateError, compile_template
from device_drivers.generic_json.paths import JsonPath
from device_drivers.json_payload import PayloadError

MAX_TEXT = 200
_SHORT: Mapping[str, str] = {
    "avty": "availability",
    "avty_t": "availability_topic",
    "avty_tpl": "availability_template",
    "pl_avail": "payload_available",
    "pl_not_avail": "payload_not_available",
    "stat_t": "state_topic",
    "val_tpl": "value_template",
    "dev_cla": "device_class",
    "unit_of_meas": "unit_of_measurement",
    "pl_on": "payload_on",
    "pl_off": "payload_off",
    "uniq_id": "unique_id",
    "obj_id": "object_id",
    "dev": "device",
    "ids": "identifiers",
    "cns": "connections",
    "mf": "manufacturer",
    "mdl": "model",
    "o": "origin",
    "cmps": "components",
    "p": "platform",
    "t": "topic",
    "evt_typ": "event_types",
}
_DEVICE_KEYS = ("device", "origin", "availability", "availability_topic", "payload_available", "payload_not_available")


@dataclass(frozen=True, slots=True)
class Availability:
    """Where a device says whether it is there."""

    topic: str
    available: str
    not_available: str
    path: JsonPath | None


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity. key: what its discovery topic and id make of it; path: where in the JSON its value stands."""

    key: str
    component: str
    state_topic: str
    path: JsonPath | None
    payload_on: str
    payload_off: str
    device: str
    origin: str
    availability: tuple[Availability, ...]
    meaning: Meaning | None
    problem: str = ""


def entities(key: str, component: str, config: Mapping[str, Any], overrides: Mapping[str, str]) -> list[Entity]:
    """The entities in one discovery message. component: of its topic ("device" for a whole device).

    overrides: by unique id or state topic, the signal ("" for none). Raises PayloadError.
    """
    tree = _long(config)
    if component != "device":
        return [_entity(key, component, tree, overrides)]
    parts = tree.get("components")
    if not isinstance(parts, Mapping):
        raise PayloadError("type", "a device without components")
    shared = {name: tree[name] for name in _DEVICE_KEYS if name in tree}
    found = []
    for name, part in parts.items():
        if not isinstance(part, Mapping):
            raise PayloadError("type", f"component {str(name)[:80]!r} is no object")
        one = {**shared, **_long(part)}
        found.append(_entity(f"{key}/{str(name)[:80]}", _text(one, "platform"), one, overrides))
    return found


def _entity(key: str, component: str, tree: Mapping[str, Any], overrides: Mapping[str, str]) -> Entity:
    base = _text(tree, "~")
    state_topic = _topic(_text(tree, "state_topic"), base)
    origin = tree.get("origin")
    problem, path = "", None
    try:
        path = compile_template(_text(tree, "value_template") or None)
    except TemplateError as error:
        problem = f"template {error}"
    return Entity(
        key=key,
        component=component,
        state_topic=state_topic,
        path=path,
        payload_on=_word(tree, "payload_on", "ON"),
        payload_off=_word(tree, "payload_off", "OFF"),
        device=_device(tree, key),
        origin=_text(_long(origin), "name") if isinstance(origin, Mapping) else "",
        availability=tuple(_availability(tree, base)),
        meaning=None if problem or component not in COMPONENTS else _meaning(component, tree, state_topic, overrides),
        problem=problem,
    )


def _meaning(component: str, tree: Mapping[str, Any], topic: str, overrides: Mapping[str, str]) -> Meaning | None:
    unit = _text(tree, "unit_of_measurement") or None
    given = overrides.get(_text(tree, "unique_id"), overrides.get(topic))
    if given is not None:
        return meaning(component, given, unit) if given else None
    names = (_text(tree, "object_id"), _text(tree, "name"), topic.split("/")[-2] if topic.endswith("/state") else "")
    return meaning_of(component, names, _text(tree, "device_class"), unit)


def _device(tree: Mapping[str, Any], key: str) -> str:
    """The first identifier of the device, else its first connection, else the entity's own id."""
    device = _long(tree["device"]) if isinstance(tree.get("device"), Mapping) else {}
    listed = device.get("identifiers", [])
    found = listed if isinstance(listed, str) else next(iter(listed), None) if isinstance(listed, list) else None
    if found is None and isinstance(device.get("connections"), list):
        pair = next(iter(device["connections"]), None)
        found = pair[1] if isinstance(pair, list) and len(pair) == 2 else None
    text = str(found if found is not None else _text(tree, "unique_id") or key)[:MAX_TEXT]
    if not text.isprintable() or not text.strip():
        raise PayloadError("type", f"device {text!r}")
    return text


def _availability(tree: Mapping[str, Any], base: str) -> list[Availability]:
    listed = tree.get("availability", [])
    given = [_long(one) for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    if _text(tree, "availability_topic"):
        renamed = {"topic": tree["availability_topic"], "value_template": tree.get("availability_template", "")}
        given.append({**tree, **renamed})
    found = []
    for one in given:
        topic = _topic(_text(one, "topic"), base)
        try:
            path = compile_template(_text(one, "value_template") or None)
        except TemplateError:
            continue
        if topic:
            words = _word(one, "payload_available", "online"), _word(one, "payload_not_available", "offline")
            found.append(Availability(topic, *words, path))
    return found


def _long(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {_SHORT.get(name, name): value for name, value in tree.items()}


def _text(tree: Mapping[str, Any], name: str) -> str:
    value = tree.get(name)
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def _word(tree: Mapping[str, Any], name: str, default: str) -> str:
    """A payload as text: integrators also write true and 1."""
    value = tree.get(name, default)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:MAX_TEXT]


def _topic(text: str, base: str) -> str:
    if base and text.startswith("~"):
        text = base + text[1:]
    elif base and text.endswith("~"):
        text = text[:-1] + base
    return "" if {"+", "#"} & set(text) or not text.isprintable() else text
