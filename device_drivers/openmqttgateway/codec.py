"""Decodes what OpenMQTTGateway and Theengs Gateway publish: one JSON object for each sighting of a Bluetooth device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from device_drivers.ble.beacons import beacon_identity, dashed
from device_drivers.ble.contents import Beacon, Contents, Press
from device_drivers.ble.gateway import GatewayCodec, needed_bytes, needed_id
from device_drivers.ble.reader import Sighting
from device_drivers.ble.rooms import TX_POWER
from device_drivers.json_payload import PayloadError, number, parse_object
from device_drivers.observations import Observation, Quality
from device_drivers.openmqttgateway import tables

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_BASE = "home"
SIGHTINGS, WILL, SYSTEM = "BTtoMQTT", "LWT", "SYStoMQTT"
IBEACON = "IBEACON"
PRESENCE = "home_presence"


class OpenMqttGatewayCodec(GatewayCodec):
    """Codec of all such gateways on one broker. Device ids are addresses, gateways `<base>/<gateway>/bridge`.

    What is in the raw data of a sighting counts before what the gateway made of it: only the raw data of a button has
    the number by which one press is told from the next. Options beside those of all Bluetooth gateways
    (device_drivers/ble/options.py): `base`, the base topic (default "home"). Raises ValueError for a bad option.
    """

    family: ClassVar[str] = "openmqttgateway"

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(options)
        base = (options or {}).get("base", DEFAULT_BASE)
        if not isinstance(base, str) or not base or base.endswith("/") or "#" in base or "+" in base:
            raise ValueError(f"base is {base!r}; give the base topic as in the gateway's own configuration")
        self.base = base

    def subscriptions(self) -> list[str]:
        base = self.base
        return [f"{base}/+/{SIGHTINGS}", f"{base}/+/{SIGHTINGS}/#", f"{base}/+/{WILL}", f"{base}/+/{SYSTEM}"]

    def _is_state(self, topic: str) -> bool:
        return topic.endswith((f"/{WILL}", f"/{SYSTEM}"))

    def _message(self, topic: str, payload: bytes, received_ns: int) -> list[Observation]:
        gateway, kind = self._gateway_and_kind(topic)
        bridge = f"{self.base}/{gateway}/bridge"
        if kind == WILL:
            return self.online(bridge, _online(payload), received_ns)
        said = parse_object(payload)
        if kind == SYSTEM:
            facts = {name: said[name] for name in ("uptime", "version", "freemem", "rssi") if name in said}
            self.note("heartbeat", bridge, **facts)
            return []
        return self._sighting(said, gateway, received_ns)

    def _gateway_and_kind(self, topic: str) -> tuple[str, str]:
        if not topic:
            return "", SIGHTINGS
        gateway, _, rest = topic.removeprefix(f"{self.base}/").partition("/")
        if gateway == PRESENCE:  # a copy of what is also under the gateway's own name: not listened to
            gateway, rest = rest, SIGHTINGS
        kind = rest.partition("/")[0]
        if not topic.startswith(f"{self.base}/") or not gateway or kind not in {SIGHTINGS, WILL, SYSTEM}:
            raise PayloadError("topic", f"expected {self.base}/<gateway>/{SIGHTINGS}/<address>")
        return gateway[:64], kind

    def _sighting(self, said: dict[str, Any], gateway: str, received_ns: int) -> list[Observation]:
        seen = Sighting(
            needed_id(said.get("mac"), said.get("id")),
            gateway,
            received_ns,
            received_ns,
            _number(said.get("rssi")),
            _number(said.get("distance")),
            random=said.get("mac_type") == 1,
        )
        if not self.options.admits(seen.device_id):
            return []
        found = self._raw(said, seen)
        if not any(one.says_something for one in found):
            found += self._decoded(said)
        identity = {name: str(said[name])[:80] for name in tables.IDENTITY if isinstance(said.get(name), str)}
        if identity and found:
            found.insert(0, Contents(identity=identity))
        return self.reader.hear(seen, found)

    def _raw(self, said: dict[str, Any], seen: Sighting) -> list[Contents]:
        """What the raw data says; data that is broken is counted and does not cost the rest."""
        uuids, datas = _several(said.get("servicedatauuid")), _several(said.get("servicedata"))
        named = [(uuid, data) for uuid, data in zip(uuids, datas, strict=False) if isinstance(uuid, str)]
        found = []
        for uuid, data in [*named, ("", said.get("manufacturerdata"))]:
            if data is None:
                continue
            try:
                raw = needed_bytes(data)
                one = self.reader.service_contents(seen, uuid, raw) if uuid else self.reader.maker_contents(raw)
            except PayloadError as error:
                self.reject(error.reason, str(data).encode(), device=seen.device_id, error=error.detail)
                continue
            if one is not None:
                found.append(one)
        return found

    def _decoded(self, said: dict[str, Any]) -> list[Contents]:
        found = Contents()
        body = said.get("type") == tables.BODY_TYPE
        for name, (usual, factor) in tables.READINGS.items():
            value = _number(said.get(name))
            if value is None:
                continue
            signal = "body_temperature" if body and name == "tempc" else usual
            absent = name in tables.ZERO_IS_ABSENT and value == 0
            quality = Quality.NO_CONTACT if absent else Quality.GOOD
            found.add(signal, None if absent else round(value * factor, 6), quality)
        for name, signal in tables.FLAGS.items():
            if isinstance(said.get(name), bool):
                found.states[signal] = said[name]
        if isinstance(said.get("open"), bool):
            found.states["door"] = "open" if said["open"] else "closed"
        _weight(said, found)
        _press(said, found)
        beacon = _beacon(said)
        if beacon is not None:
            found.beacons.append(beacon)
            found.identity |= beacon_identity(beacon)
        return [found] if found.says_something or found.beacons else []


def _weight(said: dict[str, Any], found: Contents) -> None:
    weight, unit = _number(said.get("weight")), said.get("unit", "kg")
    factor = tables.KG_PER.get(unit) if isinstance(unit, str) else None
    if weight is None or factor is None:
        return
    kilograms = weight if factor == 1 else round(weight * factor, 6)
    if said.get("weighing_mode") == "object":
        found.also("object_weight_kg", kilograms)
        return
    found.add("body_weight", kilograms)
    impedance = _number(said.get("impedance"))
    if impedance:
        found.add("body_impedance", impedance)


def _press(said: dict[str, Any], found: Contents) -> None:
    code, packet = _number(said.get("button")), _number(said.get("packet"))
    if packet is not None and 0 <= packet < 256:
        found.packet = int(packet)
    if code is None or code == 0:
        return
    word = tables.BUTTONS.get(int(code))
    if word is not None:
        found.presses.append(Press(word))
    else:
        found.also("unknown_press", code)


def _beacon(said: dict[str, Any]) -> Beacon | None:
    uuid, major, minor = said.get("uuid"), _number(said.get("major")), _number(said.get("minor"))
    if said.get("model_id") != IBEACON or not isinstance(uuid, str) or major is None or minor is None:
        return None
    power = _number(said.get("txpower"))
    return Beacon(dashed(uuid), int(major), int(minor), int(TX_POWER if power is None else power))


def _number(value: Any) -> float | None:
    """A number, or the text of one as old versions send it."""
    if isinstance(value, str) and len(value) <= 24:
        try:
            return number(float(value))
        except ValueError:
            return None
    return number(value)


def _several(value: Any) -> list[Any]:
    """One or several: newer versions give lists where a device has data of more than one service."""
    if value is None:
        return []
    return value[:16] if isinstance(value, list) else [value]


def _online(payload: bytes) -> bool:
    text: Any = payload.strip().decode("utf-8", "replace") if len(payload) <= 16 else ""
    if text not in {"online", "offline"}:
        text = parse_object(payload).get("state")
    if text not in {"online", "offline"}:
        raise PayloadError("type", "expected online or offline")
    return bool(text == "online")
