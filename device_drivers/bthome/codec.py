"""Decodes BTHome sightings that Shelly devices relay by a script: raw service data, or already decoded values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from device_drivers.ble import adverts, bthome
from device_drivers.ble.contents import Contents
from device_drivers.ble.gateway import GatewayCodec, needed_bytes, needed_id
from device_drivers.ble.options import topics
from device_drivers.ble.reader import Sighting
from device_drivers.json_payload import PayloadError, any_time_ns, device_time_ns, number, parse_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from device_drivers.observations import Observation

DEFAULT_TOPICS = ("bthome/#",)
VERSION = 2
NAMES: Mapping[str, str] = {
    "pid": "packet",
    "battery": "battery",
    "temperature": "temperature",
    "humidity": "humidity",
    "illuminance": "illuminance",
    "motion": "motion",
    "window": "window",
    "door": "door",
    "button": "button",
    "rotation": "rotation",
}
"""Names that the scripts give to decoded objects."""


class BthomeCodec(GatewayCodec):
    """Codec of all relays on one broker. Device ids are addresses.

    Options beside those of all Bluetooth gateways (device_drivers/ble/options.py): `topics`, where the scripts publish
    (default "bthome/#"). Raises ValueError for a bad option.
    """

    family: ClassVar[str] = "bthome"

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(options)
        self._topics = topics(options or {}, DEFAULT_TOPICS)

    def subscriptions(self) -> list[str]:
        return list(self._topics)

    def _message(self, topic: str, payload: bytes, received_ns: int) -> list[Observation]:
        said = parse_object(payload)
        at_ns = device_time_ns(any_time_ns(said.get("time")), received_ns)
        gateway = said.get("gateway")
        seen = Sighting(
            needed_id(said.get("addr"), said.get("address")),
            gateway if isinstance(gateway, str) else topic,
            at_ns,
            received_ns,
            number(said.get("rssi")),
        )
        data = said.get("data", said.get("service_data"))
        if isinstance(data, dict):
            data = next((value for uuid, value in data.items() if adverts.short_uuid(uuid) == bthome.UUID), None)
        if data is not None:
            return self._bytes(seen, needed_bytes(data))
        if said.get("BTHome_version", VERSION) != VERSION:
            raise PayloadError("bthome", f"version {str(said['BTHome_version'])[:20]}")
        found = _decoded(said)
        if not (found.says_something or found.packet is not None):
            raise PayloadError("type", "neither data nor values of a sighting")
        return self.reader.hear(seen, [found])

    def _bytes(self, seen: Sighting, data: bytes) -> list[Observation]:
        if bthome.is_version2(data[0]) and not adverts.is_whole(data):
            return self.reader.service(seen, bthome.UUID, data)
        return self.bare(seen, data)


def _decoded(said: dict[str, Any]) -> Contents:
    """Values that the script has decoded itself; those of several buttons are a list."""
    found = Contents()
    for name, known in NAMES.items():
        given = said.get(name)
        for place, value in enumerate(given[:16] if isinstance(given, list) else [given], start=1):
            value = int(value) if isinstance(value, bool) else number(value)  # noqa: PLW2901 - the same value, read
            if value is not None:
                bthome.take_value(found, known, value, place)
    return found
