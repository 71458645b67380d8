"""Bluetooth devices and the gateways that hear them, without hardware: the messages of each make.

A device gives the advertisements that it would send; a gateway packs what it hears as its make does. One press of a
button is many advertisements, and more than one gateway hears them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from device_drivers.ble import adverts, beacons, bthome
from device_drivers.ble.contents import Beacon
from simulators.zigbee import Published

SHARED_UUID = "FDA50693-A4E2-4FB1-AFCF-C6EB07647825"
"""Many tags of Chinese makers have this one; it tells nobody apart."""
BLE_FLAGS = (adverts.FLAGS, b"\x06")


@dataclass(slots=True)
class MinewPendant:
    """A Minew B10: idle it sends acceleration and, now and then, its name; a press makes it an iBeacon for a while."""

    mac: str = "C300007B573C"
    battery: int = 20

    def idle(self, x: float = 0.35, y: float = -0.51, z: float = -0.78) -> bytes:
        """Acceleration in g."""
        return self._frame(beacons.encode_minew(0x03, self.mac, self.battery, x, y, z))

    def info(self) -> bytes:
        """Its name."""
        return self._frame(beacons.encode_minew(beacons.MINEW_INFO, self.mac, self.battery, name="B10"))

    def press(self) -> bytes:
        """One of the burst."""
        beacon = Beacon(SHARED_UUID, 0, 0, -59)
        return adverts.build(BLE_FLAGS, (adverts.MAKER, beacons.encode_ibeacon(beacon)))

    @staticmethod
    def _frame(data: bytes) -> bytes:
        uuid = (adverts.UUIDS16[1], bytes.fromhex(beacons.MINEW_UUID)[::-1])
        return adverts.build(BLE_FLAGS, uuid, adverts.service(beacons.MINEW_UUID, data))


@dataclass(slots=True)
class BthomeDevice:
    """A Shelly BLU or any BTHome device: numbers what it says; encrypted where it has a key."""

    mac: str = "BC026E112233"
    battery: int = 100
    packet: int = 28
    key: bytes | None = None
    counter: int = 0

    def says(self, *objects: tuple[int, float]) -> bytes:
        """Service data of one event or measurement; it is advertised many times unchanged."""
        self.packet = (self.packet + 1) % 256
        listed = [(bthome.PACKET, self.packet), (0x01, self.battery), *objects]
        if self.key is None:
            return bthome.encode(listed, bthome.VERSION2 | bthome.ON_EVENTS)
        self.counter += 1
        return bthome.encode_sealed(listed, self.key, self.mac, self.counter)

    def press(self, code: int = 0x01) -> bytes:
        """A press of the button."""
        return self.says((bthome.BUTTON, code))

    def advert(self, data: bytes) -> bytes:
        """The whole advertisement around service data."""
        return adverts.build(BLE_FLAGS, adverts.service(bthome.UUID, data))


@dataclass(slots=True)
class MinewGateway:
    """A Minew G1 or MG3."""

    mac: str = "AC233FC001EA"

    def message(self, now_ns: int, *heard: tuple[str, bytes, int]) -> Published:
        """What it heard, (address, advertisement, rssi) each, with itself first."""
        stamp = _iso(now_ns)
        items: list[dict[str, Any]] = [
            {"timestamp": stamp, "type": "Gateway", "mac": self.mac, "gatewayFree": 98, "gatewayLoad": 0.05}
        ]
        for mac, raw, rssi in heard:
            item = {"timestamp": stamp, "type": "Unknown", "mac": mac, "bleName": "", "rssi": rssi}
            items.append(item | {"rawData": raw.hex().upper()})
        return Published(f"/gw/{self.mac}/status", json.dumps(items).encode())


@dataclass(slots=True)
class OpenMqttGateway:
    """An ESP32 with OpenMQTTGateway, or a computer with Theengs Gateway."""

    name: str = "OpenMQTTGateway"
    base: str = "home"

    def service(self, mac: str, uuid: str, data: bytes, rssi: int = -60, **decoded: Any) -> Published:
        """A sighting with service data."""
        raw = {"servicedata": data.hex(), "servicedatauuid": f"0x{uuid.lower()}"}
        return self.sighting(mac, rssi=rssi, **raw, **decoded)

    def sighting(self, mac: str, **fields: Any) -> Published:
        """A sighting with any fields."""
        said = {"id": _colons(mac).upper(), **fields}
        return Published(f"{self.base}/{self.name}/BTtoMQTT/{mac}", json.dumps(said).encode())

    def will(self, *, online: bool) -> Published:
        """Its own state, retained; offline is its last will."""
        return Published(f"{self.base}/{self.name}/LWT", b"online" if online else b"offline", retain=True)


@dataclass(slots=True)
class ShellyRelay:
    """A Shelly that runs a script which passes on what it hears."""

    name: str = "shelly-kitchen"

    def raw(self, mac: str, data: bytes, now_ns: int, rssi: int = -60) -> Published:
        """Service data as a list of bytes."""
        said = {"addr": _colons(mac), "rssi": rssi, "time": now_ns / 1e9, "gateway": self.name, "data": list(data)}
        return Published(f"bthome/{self.name}", json.dumps(said).encode())

    def decoded(self, mac: str, packet: int, rssi: int = -60, **values: Any) -> Published:
        """Values that the script has decoded."""
        said = {"encryption": False, "BTHome_version": 2, "pid": packet, "rssi": rssi, "address": _colons(mac)}
        return Published(f"bthome/{self.name}", json.dumps(said | values).encode())


@dataclass(slots=True)
class EspresenseNode:
    """An ESPresense node in one room."""

    room: str
    base: str = "espresense"

    def hears(self, tag: str, distance_m: float, **fields: Any) -> Published:
        """A tag at a distance."""
        said = {"id": tag, "distance": round(distance_m, 2), "rssi": -70, **fields}
        return Published(f"{self.base}/devices/{tag}/{self.room}", json.dumps(said).encode())

    def status(self, *, online: bool) -> Published:
        """Its state, retained; offline is its last will."""
        return Published(f"{self.base}/rooms/{self.room}/status", b"online" if online else b"offline", retain=True)


def _iso(now_ns: int) -> str:
    whole, part = divmod(now_ns // 1_000_000, 1000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{part:03d}Z"


def _colons(mac: str) -> str:
    return ":".join(mac[i : i + 2].lower() for i in range(0, 12, 2))
