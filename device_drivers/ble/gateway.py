"""The base of codecs whose messages are what a Bluetooth gateway has heard, as JSON."""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from device_drivers.ble import adverts
from device_drivers.ble.addresses import device_id, hex_bytes
from device_drivers.ble.beacons import IBEACON_HEAD
from device_drivers.ble.options import checked
from device_drivers.ble.reader import AdvertReader, Sighting, contents_of
from device_drivers.codec import MessageCodec
from device_drivers.json_payload import PayloadError
from device_drivers.observations import DeviceEvent, Observation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NAMELESS = "device"
MAX_MESSAGE = 256 * 1024
RESTATE_NS = 60 * 1_000_000_000
MAX_GATEWAYS = 1_000
_UUID = re.compile(r"(?:0x)?[0-9A-Fa-f]{4}")


class GatewayCodec(MessageCodec):
    """Codec of all gateways of one make on one broker.

    A family reads its own messages in `_message`. Without a topic (a capture) the payload may also be bare bytes or
    their hexadecimal digits: a whole advertisement, or the data of a service, which a topic of four digits may name.
    """

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.options = checked(options or {})
        self.reader = AdvertReader(self.options, self.note)
        self._online: dict[str, tuple[bool, int]] = {}

    def feed(self, topic: str, payload: bytes, received_ns: int, *, retained: bool = False) -> list[Observation]:
        """Observations of one message. Retained sightings are old by nature: counted and left."""
        if retained and not self._is_state(topic):
            self.reject("retained", payload, topic=topic[:200])
            return []
        rejected = sum(self.health.rejected.values())
        try:
            found = self._dispatch(topic, payload, received_ns)
        except PayloadError as error:
            self.reject(error.reason, payload, topic=topic[:200], error=error.detail)
            return []
        if sum(self.health.rejected.values()) == rejected:
            self.health.frames += 1
            self.health.last_frame_ns = received_ns
        return found

    @abstractmethod
    def _message(self, topic: str, payload: bytes, received_ns: int) -> list[Observation]:
        """One message of the family. Raises PayloadError."""

    def _is_state(self, topic: str) -> bool:  # noqa: ARG002 - part of the contract
        """Whether a retained message of this topic still stands."""
        return False

    def _try(self, read: Callable[..., list[Observation]], raw: bytes, *given: Any) -> list[Observation]:
        """One sighting out of several: what is wrong with it does not cost the others."""
        try:
            return read(*given)
        except PayloadError as error:
            self.reject(error.reason, raw, error=error.detail)
            return []

    def _dispatch(self, topic: str, payload: bytes, received_ns: int) -> list[Observation]:
        seen = Sighting(NAMELESS, "", received_ns, received_ns)
        if _UUID.fullmatch(topic):
            data = hex_bytes(payload) or payload
            uuid = adverts.short_uuid(topic)
            return self._named(seen, "maker" if data.startswith(IBEACON_HEAD) else uuid, data)
        if topic or payload.lstrip()[:1] in {b"[", b"{"}:
            return self._message(topic, payload, received_ns)
        return self.bare(seen, hex_bytes(payload) or payload)

    def bare(self, seen: Sighting, data: bytes) -> list[Observation]:
        """Bytes of a whole advertisement, or of a service's data that tells by itself what it is."""
        if adverts.is_whole(data):
            return self.reader.advert(self._identified(seen, adverts.parse(data).services), data)
        kind, named = contents_of(data)
        return self._named(seen, kind, named)

    def _named(self, seen: Sighting, kind: str, data: bytes) -> list[Observation]:
        if kind == "maker":
            return self.reader.maker(seen, data)
        return self.reader.service(self._identified(seen, [(kind, data)]), kind, data)

    def _identified(self, seen: Sighting, services: list[tuple[str, bytes]]) -> Sighting:
        """The sighting under the device's own address, where nobody else has told it and the data has it."""
        if seen.device_id != NAMELESS:
            return seen
        found = next((mac for mac in map(self.reader.own_address, services) if mac), NAMELESS)
        return Sighting(found, seen.gateway, seen.at_ns, seen.received_ns, seen.rssi)

    def online(self, gateway_id: str, state: bool, received_ns: int) -> list[Observation]:
        """The gateway's own state: news when it changes, a restatement once a minute."""
        before = self._online.pop(gateway_id, None)
        repeat = before is not None and before[0] is state
        recent = before is not None and 0 <= received_ns - before[1] < RESTATE_NS
        self._online[gateway_id] = before if before is not None and repeat and recent else (state, received_ns)
        if len(self._online) > MAX_GATEWAYS:
            del self._online[next(iter(self._online))]
        if repeat and recent:
            return []
        return [DeviceEvent(gateway_id, "online", state, received_ns, received_ns, repeat=repeat)]


def needed_id(*names: Any) -> str:
    """The device id of the first of these names that is one. Raises PayloadError "no_address"."""
    for name in names:
        found = device_id(name) if isinstance(name, str) else None
        if found is not None:
            return found
    raise PayloadError("no_address", f"no address in {str(names)[:80]}")


def needed_bytes(text: Any) -> bytes:
    """Bytes out of hexadecimal digits or a list of numbers. Raises PayloadError "type"."""
    if isinstance(text, str):
        found = hex_bytes(text.encode("utf-8", "replace"))
        if found is not None:
            return found
    elif isinstance(text, list) and text and all(isinstance(one, int) and 0 <= one < 256 for one in text):
        return bytes(text)
    raise PayloadError("type", f"expected hexadecimal digits or bytes, got {str(text)[:80]!r}")
