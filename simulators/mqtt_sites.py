"""What has an MQTT account in a house: bridges, Bluetooth gateways and network servers with the devices behind them.

Each is a model without I/O for `wires.OnMqtt`: `tick(now_ns)` gives the messages that are due, actions give theirs at
once. They greet when switched on, and repeat what the real ones repeat (a Bluetooth press is many advertisements, a
LoRaWAN uplink may come twice), so that whoever listens must tell one from the next.
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from device_drivers.ble import beacons, bthome
from device_drivers.lorawan import dragino, milesight
from simulators.ble_gateways import (
    BthomeDevice,
    EspresenseNode,
    MinewGateway,
    MinewPendant,
    OpenMqttGateway,
    ShellyRelay,
)
from simulators.esphome import EntityModel, EsphomeNode
from simulators.gatt_meters import GattMeter
from simulators.lorawan import LorawanDevice
from simulators.wearable import WearableModel
from simulators.zigbee import Published, ZigbeeNetwork

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np

    from simulators.motion import Activity
    from simulators.played import SimulatedDevice
    from simulators.wires import Message

SECOND_NS = 1_000_000_000
ADVERTISED = 3
"""How often a Bluetooth event is heard again; real ones are advertised dozens of times."""
BUTTON_PORT = 2
CHINA_H = 8
RSSI = -68


class Site:
    """One account. will, listens: as `wires.MessageModel`. period_s: how often it speaks by itself."""

    will: tuple[str, bytes] | None = None
    listens: tuple[str, ...] = ()
    period_s = 1.0

    def __init__(self) -> None:
        self._due_ns: int | None = None

    def heard(self, topic: str, payload: bytes) -> None:
        """Most are told nothing."""

    def tick(self, now_ns: int) -> Iterable[Message]:
        """The greeting when it is switched on, then what is due."""
        out: list[Message] = []
        if self._due_ns is None:
            self._due_ns = now_ns
            out += self.greeting(now_ns)
        if now_ns >= self._due_ns:
            self._due_ns = now_ns + round(self.period_s * SECOND_NS)
            out += self.routine(now_ns)
        return out

    def greeting(self, now_ns: int) -> Sequence[Message]:  # noqa: ARG002 - as all
        """What it says first."""
        return []

    def routine(self, now_ns: int) -> Sequence[Message]:  # noqa: ARG002 - as all
        """What it says in every period."""
        return []


class WornWearable:
    """A wearable of our own protocol, a frame a second.

    Options: `rate_hz` of the motion; `pulse_hz`: it sends the wave of its light sensor, so fast, and no heart rate.
    """

    listens: tuple[str, ...] = ()

    def __init__(self, device: SimulatedDevice, rng: np.random.Generator) -> None:
        self.will: tuple[str, bytes] | None = (f"yinling/{device.id}/online", b"0")
        self._device = device
        self._rng = rng
        self._model: WearableModel | None = None
        self._hello: list[Published] = []

    def heard(self, topic: str, payload: bytes) -> None:
        """It is told nothing."""

    def switched_on(self, now_ns: int) -> WearableModel:
        """The model, which begins to live when it is asked for first."""
        if self._model is None:
            rate_hz = float(self._device.options.get("rate_hz", 50.0))
            pulse_hz = self._device.options.get("pulse_hz")
            self._model = WearableModel(
                self._device.id,
                self._rng,
                start_ns=now_ns,
                rate_hz=rate_hz,
                pulse_hz=None if pulse_hz is None else float(pulse_hz),
            )
            self._hello = [Published(*message, retain=True) for message in self._model.hello()]
        return self._model

    def do(self, activity: Activity, now_ns: int) -> None:
        """The wearer does something else."""
        self.switched_on(now_ns).do(activity)

    def press(self, now_ns: int) -> list[Published]:
        """The help button."""
        return [Published(*message) for message in self.switched_on(now_ns).press(now_ns)]

    def tick(self, now_ns: int) -> Iterable[Message]:
        """The frames that are due."""
        due = self.switched_on(now_ns).due(now_ns)
        hello, self._hello = self._hello, []
        return [*hello, *(Published(*message) for message in due)]


class ZigbeeSite(Site):
    """A Zigbee2MQTT bridge with its nodes; it speaks only when something happens."""

    def __init__(self, device: SimulatedDevice) -> None:
        super().__init__()
        self.network = ZigbeeNetwork(device.id.removesuffix("/bridge"))
        for node in device.nodes.values():
            self.network.add(node.name, node.model)
        offline = self.network.bridge_state(online=False)
        self.will = (offline.topic, offline.payload)

    def greeting(self, now_ns: int) -> Sequence[Message]:  # noqa: ARG002 - as all
        return [self.network.bridge_state(online=True), self.network.device_list()]


class MeterGateway(Site):
    """A gateway that forwards the values of Bluetooth meters."""

    def __init__(self, device: SimulatedDevice) -> None:
        super().__init__()
        self.meters = {name: GattMeter(name) for name in device.nodes}


class MinewFloor(Site):
    """A Minew gateway with the pendants that it hears."""

    def __init__(self, device: SimulatedDevice) -> None:
        super().__init__()
        self._gateway = MinewGateway(device.id.removeprefix("minew/"))
        self.pendants = {name: MinewPendant(name, battery=90) for name in device.nodes}
        self._pressed: dict[str, int] = {}

    def press(self, name: str) -> None:
        """A pendant's button: from the next report on it is heard as a beacon, three times."""
        if name not in self.pendants:
            raise KeyError(name)
        self._pressed[name] = ADVERTISED

    def routine(self, now_ns: int) -> Sequence[Message]:
        heard = [(name, one.info(), RSSI) for name, one in self.pendants.items()]
        heard += [(name, one.idle(), RSSI) for name, one in self.pendants.items()]
        heard += [(name, self.pendants[name].press(), RSSI) for name in self._pressed]
        self._pressed = {name: left - 1 for name, left in self._pressed.items() if left > 1}
        return [self._gateway.message(now_ns, *heard)]


class BthomeSite(Site):
    """A Shelly that passes on BTHome devices as it hears them."""

    def __init__(self, device: SimulatedDevice) -> None:
        super().__init__()
        self._relay = ShellyRelay(device.id)
        self.devices = {name: BthomeDevice(name) for name in device.nodes}
        self._again: deque[tuple[str, bytes]] = deque()

    def says(self, name: str, data: bytes, now_ns: int) -> list[Message]:
        """An event: passed on at once, and its repetitions later."""
        self._again.extend([(name, data)] * (ADVERTISED - 1))
        return [self._relay.raw(name, data, now_ns, RSSI)]

    def routine(self, now_ns: int) -> Sequence[Message]:
        if not self._again:
            return []
        name, data = self._again.popleft()
        return [self._relay.raw(name, data, now_ns, RSSI)]


class OmgSite(Site):
    """An OpenMQTTGateway with scales and BTHome buttons (a node's model: "scale" or "button")."""

    def __init__(self, device: SimulatedDevice) -> None:
        super().__init__()
        base, name, _ = device.id.split("/")
        self._gateway = OpenMqttGateway(name, base)
        offline = self._gateway.will(online=False)
        self.will = (offline.topic, offline.payload)
        self.buttons = {node.name: BthomeDevice(node.name) for node in device.nodes.values() if node.model == "button"}
        self._again: deque[tuple[str, str, bytes]] = deque()

    def greeting(self, now_ns: int) -> Sequence[Message]:  # noqa: ARG002 - as all
        return [self._gateway.will(online=True)]

    def weigh(self, name: str, kg: float, now_ns: int, impedance: int | None = 503) -> list[Message]:
        """Somebody stands on a scale until it has settled; it goes on showing the result."""
        clock = datetime.fromtimestamp(now_ns / SECOND_NS, UTC) + timedelta(hours=CHINA_H)
        return self._says(name, beacons.BODY_SCALE_UUID, beacons.encode_body_scale(kg, clock, impedance))

    def press(self, name: str) -> list[Message]:
        """A button."""
        return self._says(name, bthome.UUID, self.buttons[name].press())

    def _says(self, name: str, uuid: str, data: bytes) -> list[Message]:
        self._again.extend([(name, uuid, data)] * (ADVERTISED - 1))
        return [self._gateway.service(name, uuid, data, RSSI)]

    def routine(self, now_ns: int) -> Sequence[Message]:  # noqa: ARG002 - as all
        return [self._gateway.service(*self._again.popleft(), RSSI)] if self._again else []


class EspresenseRoom(Site):
    """One ESPresense node, in one room. option `hears`: tags and their distance in metres at the start."""

    def __init__(self, device: SimulatedDevice) -> None:
        super().__init__()
        self._node = EspresenseNode(device.id.rpartition("/")[2])
        offline = self._node.status(online=False)
        self.will = (offline.topic, offline.payload)
        self.distances = {str(tag): float(metres) for tag, metres in dict(device.options.get("hears", {})).items()}

    def greeting(self, now_ns: int) -> Sequence[Message]:  # noqa: ARG002 - as all
        return [self._node.status(online=True)]

    def routine(self, now_ns: int) -> Sequence[Message]:  # noqa: ARG002 - as all
        return [self._node.hears(tag, metres) for tag, metres in self.distances.items()]


class LorawanServer(Site):
    """A LoRaWAN network server with its devices, by EUI. Each uplink is published twice: its confirmation was lost."""

    def __init__(self, device: SimulatedDevice) -> None:
        super().__init__()
        self.devices = {
            node.name: LorawanDevice(node.name, node.model, device.family) for node in device.nodes.values()
        }

    def press(self, name: str, now_ns: int) -> list[Message]:
        """A call button."""
        device = self.devices[name]
        port = BUTTON_PORT if device.model == dragino.PB01 else milesight.PORT
        return self.uplink(name, device.press(), now_ns, port)

    def uplink(self, name: str, data: bytes, now_ns: int, port: int = milesight.PORT) -> list[Message]:
        """Any payload."""
        device = self.devices[name]
        return [Published(*device.repeated(data, now_ns, port)), Published(*device.send(data, now_ns, port))]


class EsphomeSite(Site):
    """An ESPHome node with a pull cord, a fall radar and a heart radar. It says its numbers every two seconds."""

    period_s = 2.0
    SOS, FALL, TARGET, HEART = "SOS", "Falling Information", "Has target", "Real time heart rate"

    def __init__(self, device: SimulatedDevice) -> None:
        super().__init__()
        entities = (
            EntityModel("binary_sensor", self.SOS),
            EntityModel("binary_sensor", self.FALL),
            EntityModel("binary_sensor", self.TARGET, "occupancy"),
            EntityModel("sensor", self.HEART, "", "bpm"),
        )
        self.node = EsphomeNode(device.id.removeprefix("esphome/"), entities)
        self.heart_rate: float | None = None
        offline = self.node.status(online=False)
        self.will = (offline.topic, offline.payload)

    def greeting(self, now_ns: int) -> Sequence[Message]:  # noqa: ARG002 - as all
        states = [self.node.state(name, value=False) for name in (self.SOS, self.FALL, self.TARGET)]
        return [*self.node.discovery(), self.node.status(online=True), *states]

    def routine(self, now_ns: int) -> Sequence[Message]:  # noqa: ARG002 - as all
        return [self.node.state(self.HEART, self.heart_rate)]

    def set(self, name: str, value: Any) -> list[Message]:
        """An entity changes its state."""
        return [self.node.state(name, value)]
