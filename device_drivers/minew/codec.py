"""Decodes what Minew gateways publish: a JSON array, the gateway itself first, then one object for each sighting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from device_drivers.ble.addresses import device_id
from device_drivers.ble.beacons import beacon_identity, dashed
from device_drivers.ble.contents import Beacon, Contents
from device_drivers.ble.gateway import MAX_MESSAGE, GatewayCodec, needed_bytes, needed_id
from device_drivers.ble.options import topics
from device_drivers.ble.reader import Sighting
from device_drivers.ble.rooms import TX_POWER
from device_drivers.json_payload import PayloadError, any_time_ns, device_time_ns, number, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from device_drivers.observations import Observation

DEFAULT_TOPICS = ("/gw/+/status",)
GATEWAY = "Gateway"
MAX_ITEMS = 2_000
VALUES: Mapping[str, str] = {"battery": "battery", "temperature": "room_temperature", "humidity": "humidity"}
"""Fields of sightings that the gateway has decoded itself."""


class MinewCodec(GatewayCodec):
    """Codec of all Minew G1, G2, MG3 and MG4 on one broker. Device ids are addresses, "C300007B573C".

    Gateways are `minew/<address>`. Options beside those of all Bluetooth gateways (device_drivers/ble/options.py):
    `topics`, where they publish (default "/gw/+/status"). Raises ValueError for a bad option.
    """

    family: ClassVar[str] = "minew"

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(options)
        self._topics = topics(options or {}, DEFAULT_TOPICS)

    def subscriptions(self) -> list[str]:
        return list(self._topics)

    def _message(self, topic: str, payload: bytes, received_ns: int) -> list[Observation]:
        items = parse(payload, MAX_MESSAGE)
        if isinstance(items, dict):
            items = [items]
        if not isinstance(items, list) or not all(isinstance(one, dict) for one in items[:MAX_ITEMS]):
            raise PayloadError("type", "expected an array of objects")
        gateway = _gateway_of(topic)
        made: list[Observation] = []
        for item in items[:MAX_ITEMS]:
            if item.get("type") == GATEWAY:
                gateway = needed_id(item.get("mac"))
                made += self._gateway(gateway, item, received_ns)
            else:
                made += self._try(self._sighting, payload, item, gateway, received_ns)
        return made

    def _gateway(self, gateway: str, item: dict[str, Any], received_ns: int) -> list[Observation]:
        facts = {name: item[name] for name in ("gatewayFree", "gatewayLoad") if number(item.get(name)) is not None}
        found = self.online(f"minew/{gateway}", state=True, received_ns=received_ns)
        if found:
            self.note("heartbeat", f"minew/{gateway}", **facts)
        return found

    def _sighting(self, item: dict[str, Any], gateway: str, received_ns: int) -> list[Observation]:
        at_ns = device_time_ns(any_time_ns(item.get("timestamp")), received_ns)
        seen = Sighting(needed_id(item.get("mac")), gateway, at_ns, received_ns, number(item.get("rssi")))
        raw = item.get("rawData")
        if raw is not None and raw != "":
            return self.reader.advert(seen, needed_bytes(raw))
        found = _decoded(item)
        return self.reader.hear(seen, [found]) if found else []


def _decoded(item: dict[str, Any]) -> Contents | None:
    """A sighting that the gateway has decoded: a sensor, an iBeacon."""
    found = Contents()
    for name, signal in VALUES.items():
        value = number(item.get(name))
        if value is not None:
            found.add(signal, value)
    uuid = item.get("ibeaconUuid")
    major, minor = number(item.get("ibeaconMajor")), number(item.get("ibeaconMinor"))
    if isinstance(uuid, str) and major is not None and minor is not None:
        power = number(item.get("ibeaconTxPower"))
        beacon = Beacon(dashed(uuid), int(major), int(minor), int(TX_POWER if power is None else power))
        found.beacons.append(beacon)
        found.identity |= beacon_identity(beacon)
    return found if found.says_something or found.beacons else None


def _gateway_of(topic: str) -> str:
    """The gateway's address out of the topic, where one of its levels is one; else the topic."""
    levels = [device_id(level) for level in topic.split("/")]
    return next((one for one in levels if one and len(one) == 12 and one.isalnum() and one.isupper()), topic[-64:])
