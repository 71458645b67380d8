"""Decodes what ESPresense nodes publish: which tag each room hears and how far, and the state of the rooms' nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from device_drivers.ble.memory import Memories
from device_drivers.ble.rooms import Locator
from device_drivers.codec import MessageCodec
from device_drivers.json_payload import PayloadError, number, parse_object
from device_drivers.observations import DeviceEvent, Observation
from device_drivers.signals import reading

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_BASE = "espresense"
DEVICES, ROOMS, SETTINGS = "devices", "rooms", "settings"
MAX_NAME = 64
FAR_M = 100.0
"""No receiver hears a tag from farther away: a larger distance is a fault."""
READINGS: Mapping[str, str] = {
    "batt": "battery",
    "mV": "battery_voltage",
    "temp": "room_temperature",
    "rh": "humidity",
    "rssi": "signal_strength",
}
STEADY = frozenset({"rssi"})
"""Different in every message: passed on once a minute, whatever it is."""
DISTANCE_S = 10
HEARTBEAT = ("ip", "uptime", "rssi", "ver", "adverts", "seen", "reported", "freeHeap")


class EspresenseCodec(MessageCodec):
    """Codec of all nodes on one broker. Tags are `<base>/<id>`, nodes `<base>/rooms/<room>`.

    Options: `base`, the base topic (default "espresense"); `devices`, the ids of the tags to follow, all where it is
    not given. Raises ValueError for a bad option.
    """

    family: ClassVar[str] = "espresense"

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        given = options or {}
        self.base = _checked_base(given.get("base", DEFAULT_BASE))
        self._devices = _checked_devices(given.get("devices", ()))
        self._memories = Memories()
        self._locator = Locator()

    def subscriptions(self) -> list[str]:
        return [f"{self.base}/{DEVICES}/+/+", f"{self.base}/{ROOMS}/+/+"]

    def feed(self, topic: str, payload: bytes, received_ns: int, *, retained: bool = False) -> list[Observation]:
        """Observations of one message. Retained sightings are old; a retained state of a room's node still stands."""
        try:
            kind, name, what = self._split(topic)
            if retained and kind == DEVICES:
                self.reject("retained", payload, topic=topic[:200])
                return []
            if kind == DEVICES:
                found = self._sighting(name, what, parse_object(payload), received_ns)
            else:
                found = self._node(name, what, payload, received_ns)
        except PayloadError as error:
            self.reject(error.reason, payload, topic=topic[:200], error=error.detail)
            return []
        self.health.frames += 1
        self.health.last_frame_ns = received_ns
        return found

    def _split(self, topic: str) -> tuple[str, str, str]:
        base, _, rest = topic.rpartition(f"{self.base}/")
        levels = rest.split("/")
        good = not base and len(levels) == 3 and all(0 < len(one) <= MAX_NAME and one.isprintable() for one in levels)
        if not good or levels[0] not in {DEVICES, ROOMS}:
            raise PayloadError("topic", f"expected {self.base}/devices/<id>/<room> or {self.base}/rooms/<room>/<what>")
        return levels[0], levels[1], levels[2]

    def _sighting(self, name: str, room: str, said: dict[str, Any], received_ns: int) -> list[Observation]:
        if self._devices and name not in self._devices:
            return []
        device_id = f"{self.base}/{name}"
        known = self._memories.of(device_id)
        made: list[Observation] = []
        metres = number(said.get("distance"))
        if metres is not None and 0 <= metres <= FAR_M:
            made += self._locator.sight(device_id, room, metres, received_ns)
            slot = received_ns // (DISTANCE_S * 1_000_000_000)
            if self._locator.room_of(device_id) == room and known.is_due("distance", slot, received_ns):
                made.append(reading(device_id, "distance", metres * 100, received_ns, received_ns))
        elif "distance" in said:
            self.reject("distance", str(said["distance"]).encode()[:80], topic=device_id)
        for field, signal in READINGS.items():
            value = number(said.get(field))
            if value is not None and known.is_due(signal, None if field in STEADY else value, received_ns):
                made.append(reading(device_id, signal, value, received_ns, received_ns))
        facts = {key: said[key] for key in ("mac", "name") if isinstance(said.get(key), str) and len(said[key]) <= 80}
        if facts and known.is_news("identity", facts, received_ns):
            self.note("identity", device_id, **facts)
        return made

    def _node(self, room: str, what: str, payload: bytes, received_ns: int) -> list[Observation]:
        node = f"{self.base}/{ROOMS}/{room}"
        text = payload[:80].decode("utf-8", "replace").strip()
        if what == "status":
            return self._state(node, "online", text, {"online": True, "offline": False}, received_ns)
        if what in {"motion", "pir", "radar"}:
            return self._state(node, "occupancy", text, {"ON": True, "OFF": False}, received_ns)
        if what == "telemetry":
            said = parse_object(payload)
            self.note("heartbeat", node, **{key: said[key] for key in HEARTBEAT if key in said})
        else:
            self.note("setting", node, name=what, value=text)
        return []

    def _state(
        self, node: str, signal: str, text: str, words: Mapping[str, bool], received_ns: int
    ) -> list[Observation]:
        if text not in words:
            raise PayloadError("type", f"expected {' or '.join(words)}, got {text!r}")
        known = self._memories.of(node)
        repeat = known.restates(signal, words[text])
        known.is_due(signal, words[text], received_ns)
        return [DeviceEvent(node, signal, words[text], received_ns, received_ns, repeat=repeat)]


def _checked_base(base: Any) -> str:
    if not isinstance(base, str) or not base or base.endswith("/") or "#" in base or "+" in base:
        raise ValueError(f"base is {base!r}; give the base topic of the nodes")
    return base


def _checked_devices(given: Any) -> frozenset[str]:
    if not isinstance(given, list | tuple) or not all(isinstance(one, str) for one in given):
        raise ValueError(f"devices is {given!r}; give a list of ids as ESPresense names them")
    return frozenset(given)
