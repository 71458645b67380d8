"""Turns what gateways hear into observations: the same for every gateway, so that a pendant works behind any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from device_drivers.ble import adverts, beacons, bthome
from device_drivers.ble.clock import place
from device_drivers.ble.contents import Contents
from device_drivers.ble.memory import Known, Memories
from device_drivers.ble.rooms import TX_POWER, Locator, distance_m
from device_drivers.json_payload import PayloadError
from device_drivers.observations import DeviceEvent, Observation, Quality
from device_drivers.signals import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from device_drivers.ble.contents import Press
    from device_drivers.ble.options import BleOptions

B10_NAMES = ("B10",)
"""Minew's call pendant: it has no frame for the press, but sends an iBeacon for a while."""
SIGNALS_GIVEN = tuple(
    dict.fromkeys(
        (
            *bthome.SIGNALS_GIVEN,
            *("room", "signal_strength", "accel_x", "accel_y", "accel_z", "body_weight", "body_impedance"),
        )
    )
)


@dataclass(frozen=True, slots=True)
class Sighting:
    """One hearing of a device. gateway: who heard it; at_ns: when, by the gateway's clock where it is sane.

    random: the address is made up by a phone, and says nothing. distance_m: the gateway's own estimate.
    """

    device_id: str
    gateway: str
    at_ns: int
    received_ns: int
    rssi: float | None = None
    distance_m: float | None = None
    random: bool = False


class AdvertReader:
    """Reads the contents of sightings. note(kind, device_id, **facts) keeps facts that are no observation."""

    def __init__(self, options: BleOptions, note: Callable[..., None]) -> None:
        self.options = options
        self.memories = Memories()
        self.locator = Locator()
        self._note = note

    def advert(self, seen: Sighting, raw: bytes) -> list[Observation]:
        """A whole advertisement. Raises PayloadError."""
        if not self.options.admits(seen.device_id):
            return []
        advert = adverts.parse(raw)
        found = [self.service_contents(seen, uuid, data) for uuid, data in advert.services]
        found += [beacons.read_maker(data) for data in advert.maker]
        name = Contents(identity={"name": advert.name}) if advert.name else None
        return self.hear(seen, [one for one in (name, *found) if one is not None])

    def service(self, seen: Sighting, uuid: str, data: bytes) -> list[Observation]:
        """The data of one service. Raises PayloadError."""
        if not self.options.admits(seen.device_id):
            return []
        found = self.service_contents(seen, uuid, data)
        return self.hear(seen, [] if found is None else [found])

    def maker(self, seen: Sighting, data: bytes) -> list[Observation]:
        """Maker data, company id first."""
        found = beacons.read_maker(data)
        return self.hear(seen, [] if found is None else [found])

    @staticmethod
    def own_address(service: tuple[str, bytes]) -> str | None:
        """The address that a service's data has in itself, None where it has none or is broken."""
        uuid, data = service
        if uuid == bthome.UUID:
            return bthome.address(data)
        if uuid != beacons.MINEW_UUID:
            return None
        try:
            found = beacons.read_minew(data)
        except PayloadError:
            return None
        return found.mac if found else None

    def hear(self, seen: Sighting, contents: Iterable[Contents]) -> list[Observation]:
        """Observations in the contents of one sighting."""
        if not self.options.admits(seen.device_id):
            return []
        known = self.memories.of(seen.device_id)
        made: list[Observation] = []
        useful = self.options.everything or self.options.lists(seen.device_id)
        tx_power = TX_POWER
        for one in contents:
            made += self._one(seen, known, one)
            useful |= one.says_something or bool(one.beacons and not seen.random)
            tx_power = one.beacons[0].tx_power if one.beacons else tx_power
        return [*made, *self._where(seen, known, tx_power)] if useful else made

    def service_contents(self, seen: Sighting, uuid: str, data: bytes) -> Contents | None:
        """What a service's data says, None where the service is not known. Raises PayloadError."""
        uuid = adverts.short_uuid(uuid)
        if uuid == bthome.UUID:
            return self._bthome(seen, data)
        reader = beacons.SERVICES.get(uuid)
        return reader(data) if reader else None

    @staticmethod
    def maker_contents(data: bytes) -> Contents | None:
        """What maker data says, company id first; None for makers that are not known."""
        return beacons.read_maker(data)

    def _bthome(self, seen: Sighting, data: bytes) -> Contents | None:
        sealed = bthome.sealed(data)
        if sealed is None:
            return bthome.read(data)
        address = bthome.address(data) or seen.device_id
        key = self.options.keys.get(address)
        if key is None:
            return Contents(identity={"encrypted": True, "needs": "bindkeys"})
        opened = bthome.open_sealed(sealed, key, address)
        if self.memories.of(seen.device_id).is_replay(sealed.counter):
            raise PayloadError("replay", f"counter {sealed.counter} after a later one")
        return bthome.read(data, opened)

    def _one(self, seen: Sighting, known: Known, one: Contents) -> list[Observation]:
        if "name" in one.identity:
            known.name = str(one.identity["name"])
        for kind, facts in (("identity", one.identity), ("report", one.report)):
            if facts and known.is_news(kind + ",".join(facts), facts, seen.at_ns):
                self._note(kind, seen.device_id, **facts)
        made = self._beacons(seen, known, one)
        if one.packet is None or not known.is_echo(one.packet, seen.at_ns):
            made += self._presses(seen, known, one)
        if one.packet is not None and one.packet != known.latest:
            return made  # a late copy of what was so before
        if one.once is not None and known.is_measured_before(one.once):
            return made
        return [*made, *self._states(seen, known, one), *self._values(seen, known, one)]

    def _beacons(self, seen: Sighting, known: Known, one: Contents) -> list[Observation]:
        """A pendant's first iBeacon after silence is a press; the others of the burst are the same press."""
        pendant = seen.device_id in self.options.help_buttons or (known.name or "").startswith(B10_NAMES)
        if not one.beacons or not pendant or not known.is_new_burst(seen.at_ns, self.options.beacon_quiet_ns):
            return []
        token = f"beacon-{seen.at_ns}"
        return [DeviceEvent(seen.device_id, "help_button", True, seen.at_ns, seen.received_ns, token=token)]

    def _presses(self, seen: Sighting, known: Known, one: Contents) -> list[Observation]:
        made: list[Observation] = []
        for press in one.presses:
            if one.packet is None and known.is_same_press(press, seen.at_ns):
                continue
            made.append(self._press(seen, press, one.packet))
            self._note("report", seen.device_id, press=press.word, button_number=press.button, packet=one.packet)
        return made

    def _press(self, seen: Sighting, press: Press, packet: int | None) -> DeviceEvent:
        token = None if packet is None else f"{packet}-{press.button}-{seen.at_ns}"
        calls = seen.device_id in self.options.help_buttons and press.word != "release"
        signal, value = ("help_button", True) if calls else ("button", press.word)
        return DeviceEvent(seen.device_id, signal, value, seen.at_ns, seen.received_ns, token=token)

    @staticmethod
    def _states(seen: Sighting, known: Known, one: Contents) -> list[Observation]:
        made: list[Observation] = []
        for signal, value in one.states.items():
            repeat = known.restates(signal, value)
            if known.is_due(signal, value, seen.at_ns):
                quality = Quality.INVALID if value is None else Quality.GOOD
                event = DeviceEvent(seen.device_id, signal, value, seen.at_ns, seen.received_ns, quality, repeat=repeat)
                made.append(event)
        return made

    def _values(self, seen: Sighting, known: Known, one: Contents) -> list[Observation]:
        at_ns, stored = seen.at_ns, False
        if one.once is not None:
            at_ns, stored = place(one.time, self.options.offset_ns, seen.at_ns)
        return [
            reading(seen.device_id, signal, value, at_ns, seen.received_ns, quality, stored=stored)
            for signal, (value, quality) in one.readings.items()
            if one.once is not None or known.is_due(signal, (value, quality), seen.at_ns)
        ]

    def _where(self, seen: Sighting, known: Known, tx_power: float) -> list[Observation]:
        """Strength of the signal once a minute, and the room where the gateways' rooms are known."""
        made: list[Observation] = []
        if seen.rssi is not None and known.is_due("signal_strength", None, seen.at_ns):
            made.append(reading(seen.device_id, "signal_strength", seen.rssi, seen.at_ns, seen.received_ns))
        if seen.distance_m is not None and known.is_due("distance", None, seen.at_ns):
            made.append(reading(seen.device_id, "distance", seen.distance_m * 100, seen.at_ns, seen.received_ns))
        room = self.options.rooms.get(seen.gateway)
        if room is None or seen.random:
            return made
        metres = seen.distance_m
        if metres is None and seen.rssi is not None:
            metres = distance_m(seen.rssi, tx_power)
        if metres is not None:
            made += self.locator.sight(seen.device_id, room, metres, seen.received_ns)
        return made


def contents_of(data: bytes) -> tuple[str, bytes]:
    """(service UUID or "maker", data) of bare bytes that nobody has named. Raises PayloadError "unknown_data"."""
    if data.startswith(beacons.IBEACON_HEAD):
        return "maker", data
    if data.startswith(beacons.IBEACON_HEAD[2:]) and len(data) == beacons.IBEACON_BYTES - 2:
        return "maker", beacons.IBEACON_HEAD[:2] + data
    first: int = data[0] if data else 0
    frames: dict[int, Any] = {
        beacons.MINEW_HEAD: beacons.MINEW_UUID,
        beacons.KKM_FRAME: beacons.EDDYSTONE_UUID,
        beacons.TLM_FRAME: beacons.EDDYSTONE_UUID,
    }
    if len(data) == 10 and beacons.mi_date(data[3:]):
        return beacons.SCALE_UUID, data
    if len(data) == 13 and beacons.mi_date(data[2:9]):
        return beacons.BODY_SCALE_UUID, data
    if bthome.is_version2(first):
        return bthome.UUID, data
    if first in frames:
        return frames[first], data
    raise PayloadError("unknown_data", "neither a whole advertisement nor known data; name its service by the topic")
