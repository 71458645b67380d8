"""Decodes what Zigbee2MQTT publishes under its base topic: the bridge, availability, and every device's state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from device_drivers.codec import MessageCodec
from device_drivers.observations import DeviceEvent, Observation
from device_drivers.zigbee2mqtt import payload as payloads
from device_drivers.zigbee2mqtt import tables
from device_drivers.zigbee2mqtt.device import Reader, Setup
from device_drivers.zigbee2mqtt.memory import MAX_DEVICES, Memories
from device_drivers.zigbee2mqtt.payload import PayloadError

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_BASE = "zigbee2mqtt"
MAX_NAME = 200
BRIDGE = "bridge"
_COMMAND_WORDS = ("set", "get")
_CONTACT_WORDS = ("in", "left")
_BRIDGE_NOTES: Mapping[str, str] = {
    "logging": "log",
    "log": "log",
    "event": "log",
    "info": "identity",
    "response": "ack",
    "request": "query",
}


class Zigbee2MqttCodec(MessageCodec):
    """Codec of one Zigbee2MQTT instance. Device ids are `<base>/<friendly name>`, the bridge is `<base>/bridge`.

    Options: `base`, the base topic (default "zigbee2mqtt"). `sos_actions`, by friendly name: the actions of that
    device that call for help, in addition to emergency, sos and panic (without it single, double and hold of known
    emergency buttons do). `bed_contact`, by friendly name: "in" or "left", what contact=true says of the bed.
    Raises ValueError for a bad option.
    """

    family: ClassVar[str] = "zigbee2mqtt"

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        given = options or {}
        self.base = _checked_base(given.get("base", DEFAULT_BASE))
        self._sos_actions = _checked_actions(given.get("sos_actions", {}))
        self._bed_contact = _checked_contacts(given.get("bed_contact", {}))
        self._models: dict[str, str] = {}
        self._memories = Memories()
        self._online: dict[str, bool] = {}

    def subscriptions(self) -> list[str]:
        return [f"{self.base}/#"]

    def on_open(self) -> list[tuple[str, bytes]]:
        """Nothing to publish; but cached states may follow now, which are no news."""
        self._memories.expect_cached()
        return []

    def poll(self, now_ns: int) -> list[tuple[str, bytes]]:
        self._memories.time_is(now_ns)
        return []

    def feed(self, topic: str, payload: bytes, received_ns: int, *, retained: bool = False) -> list[Observation]:
        name = self._name(topic)
        if name is None:
            self.reject("topic", payload, topic=topic[:MAX_NAME])
            return []
        try:
            found = self._dispatch(name, payload, received_ns, retained=retained)
        except PayloadError as error:
            self.reject(error.reason, payload, topic=topic, error=error.detail)
            return []
        return found

    def _name(self, topic: str) -> str | None:
        prefix = f"{self.base}/"
        topic = topic or f"{prefix}device"  # a captured payload whose topic is not known
        name = topic[len(prefix) :]
        good = topic.startswith(prefix) and 0 < len(name) <= MAX_NAME and name.isprintable()
        return name if good and "#" not in name and "+" not in name else None

    def _dispatch(self, name: str, payload: bytes, received_ns: int, *, retained: bool) -> list[Observation]:
        device, _, last = name.rpartition("/")
        if name == BRIDGE or name.startswith(f"{BRIDGE}/"):
            found = self._bridge(name.removeprefix(BRIDGE).lstrip("/"), payload, received_ns)
        elif device and last == "availability" and name not in self._models:
            found = self._availability(device, payload, received_ns)
        elif self._is_command(name):
            self.note("query", f"{self.base}/{name}", topic=name)
            found = []
        elif retained:
            self.reject("retained", payload, topic=f"{self.base}/{name}")
            return []
        else:
            found = self._device(name, payload, received_ns)
        self.health.frames += 1
        self.health.last_frame_ns = received_ns
        return found

    def _is_command(self, name: str) -> bool:
        """`<name>/set`, `<name>/get/<attribute>` and the like, unless a device bears that very name."""
        parts = name.split("/")
        return name not in self._models and any(word in _COMMAND_WORDS for word in parts[1:][-2:])

    def _device(self, name: str, payload: bytes, received_ns: int) -> list[Observation]:
        state = payloads.parse_object(payload)
        memory = self._memories.of(name)
        seen_ns = payloads.last_seen_ns(state.get("last_seen"))
        if seen_ns is not None and seen_ns > received_ns + payloads.FUTURE_NS:
            seen_ns = None  # a clock that runs ahead would make everything after its correction look old
        at_ns = payloads.device_time_ns(seen_ns, received_ns)
        moment = self._memories.moment(memory, seen_ns, at_ns, received_ns)
        device_id = f"{self.base}/{name}"
        reader = Reader(device_id, self._setup(name), memory, moment)
        reader.read(state)
        for kind, facts in reader.notes:
            self.note(kind, device_id, **facts)
        for field, why in reader.refused:
            self.reject("type", payload, topic=device_id, field=field, error=why)
        return reader.found

    def _setup(self, name: str) -> Setup:
        model = self._models.get(name, "")
        actions = self._sos_actions.get(name)
        if actions is None:
            emergency = model.startswith(tables.SOS_BUTTON_MODELS)
            actions = tables.SOS_BUTTON_ACTIONS if emergency else frozenset()
        contact = self._bed_contact.get(name)
        pad = contact is not None or model.startswith(tables.BED_PAD_MODELS)
        return Setup(model, tables.SOS_ACTIONS | actions, pad, contact)

    def _availability(self, name: str, payload: bytes, received_ns: int) -> list[Observation]:
        return [self._online_event(name, payloads.online_state(payload), received_ns)]

    def _online_event(self, name: str, online: bool, received_ns: int) -> DeviceEvent:
        repeat = self._online.pop(name, None) == online
        self._online[name] = online
        if len(self._online) > MAX_DEVICES:
            del self._online[next(iter(self._online))]
        return DeviceEvent(f"{self.base}/{name}", "online", online, received_ns, received_ns, repeat=repeat)

    def _bridge(self, what: str, payload: bytes, received_ns: int) -> list[Observation]:
        special: Mapping[str, Callable[[bytes, int], list[Observation]]] = {
            "state": self._bridge_state,
            "devices": self._bridge_devices,
            "event": self._bridge_event,
        }
        if what in special:
            return special[what](payload, received_ns)
        kind = _BRIDGE_NOTES.get(what.partition("/")[0], "setting")
        self.note(kind, f"{self.base}/{BRIDGE}", topic=what, text=payload[:200].decode("utf-8", "replace"))
        return []

    def _bridge_state(self, payload: bytes, received_ns: int) -> list[Observation]:
        online = payloads.online_state(payload)
        if online and not self._online.get(BRIDGE, False):
            self._memories.expect_cached(received_ns)
        return [self._online_event(BRIDGE, online, received_ns)]

    def _bridge_devices(self, payload: bytes, _received_ns: int) -> list[Observation]:
        """Remember each device's model, by friendly name."""
        listed = payloads.parse(payload, payloads.MAX_BRIDGE_BYTES)
        if not isinstance(listed, list):
            raise PayloadError("type", f"expected a list, got {type(listed).__name__}")
        self._models = dict(pair for pair in map(_named_model, listed[:MAX_DEVICES]) if pair is not None)
        self.note("identity", f"{self.base}/{BRIDGE}", devices=len(self._models))
        return []

    def _bridge_event(self, payload: bytes, received_ns: int) -> list[Observation]:
        event = payloads.parse_object(payload)
        data = event.get("data")
        name = data.get("friendly_name") if isinstance(data, dict) else None
        self.note("log", f"{self.base}/{BRIDGE}", event=str(event.get("type"))[:80], device=str(name)[:MAX_NAME])
        if (
            event.get("type") != "device_leave"
            or not isinstance(name, str)
            or self._name(f"{self.base}/{name}") is None
        ):
            return []
        return [self._online_event(name, online=False, received_ns=received_ns)]


def _named_model(listed: Any) -> tuple[str, str] | None:
    if not isinstance(listed, dict) or not isinstance(name := listed.get("friendly_name"), str):
        return None
    definition = listed.get("definition")
    model = definition.get("model") if isinstance(definition, dict) else None
    return name[:MAX_NAME], model[:MAX_NAME] if isinstance(model, str) else ""


def _checked_base(base: Any) -> str:
    if not isinstance(base, str) or not base or base.endswith("/") or "#" in base or "+" in base:
        raise ValueError(f"base is {base!r}; give the base topic as in Zigbee2MQTT's own configuration")
    return base


def _checked_actions(given: Any) -> dict[str, frozenset[str]]:
    good = isinstance(given, Mapping) and all(
        isinstance(name, str) and isinstance(words, list | tuple) and all(isinstance(word, str) for word in words)
        for name, words in given.items()
    )
    if not good:
        raise ValueError(f"sos_actions is {given!r}; give a list of actions for each friendly name")
    return {name: frozenset(words) for name, words in given.items()}


def _checked_contacts(given: Any) -> dict[str, str]:
    if not isinstance(given, Mapping) or not all(word in _CONTACT_WORDS for word in given.values()):
        raise ValueError(f'bed_contact is {given!r}; give "in" or "left" for each friendly name')
    return dict(given)
