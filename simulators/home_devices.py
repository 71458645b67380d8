"""The devices of a simulated home, each on its transport: what can happen to them, and their turn of the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulators.motion import Activity
from simulators.radar import FALL_MODEL, RadarDevice
from simulators.serial_port import SimulatedPort
from simulators.uplink import Outgoing, Uplink
from simulators.wearable import WearableModel
from simulators.zigbee import ZigbeeNetwork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    import numpy as np

    from simulators.scenario import SimulatedDevice
    from simulators.uplink import Account

SECOND_NS = 1_000_000_000


class PlayedWearable:
    """A wearable with its own MQTT account."""

    def __init__(self, device: SimulatedDevice, account: Account, rng: np.random.Generator) -> None:
        self._rng = rng
        self._device = device
        self._model: WearableModel | None = None
        self.uplink: Uplink | None = Uplink(account, will=(f"yinling/{device.id}/online", b"0"))

    def happen(self, do: str, options: Mapping[str, Any], now_ns: int) -> int:
        """Carry out an action of a scenario; gives when it truly happened (for a fall, the impact)."""
        model = self._switched_on(now_ns)
        if do == "fall":
            return model.fall()
        if do == "press":
            self._send(model.press(now_ns))
        elif do == "vitals":
            model.set_vitals(**{name: value for name, value in options.items() if name != "node"})
        elif do == "battery":
            model.battery_percent = float(options["percent"])
        else:
            _WEARER[do](model)
        return now_ns

    def tick(self, now_ns: int) -> None:
        """Send the frames that are due."""
        self._send(self._switched_on(now_ns).due(now_ns))

    def close(self) -> None:
        """Nothing to release."""

    def _switched_on(self, now_ns: int) -> WearableModel:
        if self._model is None:
            rate_hz = float(self._device.options.get("rate_hz", 50.0))
            self._model = WearableModel(self._device.id, self._rng, start_ns=now_ns, rate_hz=rate_hz)
            self._send(self._model.hello(), retain=True)
        return self._model

    def _send(self, messages: Iterable[tuple[str, bytes]], *, retain: bool = False) -> None:
        if self.uplink is not None:
            for topic, payload in messages:
                self.uplink.send(Outgoing(topic, payload, retain))


_WEARER: Mapping[str, Callable[[WearableModel], None]] = {
    "walk": lambda model: model.do(Activity.WALKING),
    "sit": lambda model: model.do(Activity.SITTING),
    "lie": lambda model: model.do(Activity.LYING),
    "get_up": lambda model: model.do(Activity.STANDING),
    "take_off": WearableModel.take_off,
    "put_on": WearableModel.put_on,
}


class PlayedRadar:
    """A radar on a pty."""

    uplink: Uplink | None = None

    def __init__(self, device: SimulatedDevice, links: Path) -> None:
        self._radar = RadarDevice(str(device.options.get("model", FALL_MODEL)))
        self._port = SimulatedPort(links / str(device.options.get("link", device.id)))

    def happen(self, do: str, options: Mapping[str, Any], now_ns: int) -> int:  # noqa: ARG002 - as all devices
        """Carry out an action of a scenario; gives when it happened."""
        _ROOM[do](self._radar)
        return now_ns

    def tick(self, now_ns: int) -> None:
        """Answer the host and report."""
        self._port.write(self._radar.feed(self._port.read()) + self._radar.tick(now_ns))

    def close(self) -> None:
        """Pull the cable."""
        self._port.close()


_ROOM: Mapping[str, Callable[[RadarDevice], None]] = {
    "fall": lambda radar: radar.set_fall(fall=True),
    "fall_over": lambda radar: radar.set_fall(fall=False),
    "arrive": lambda radar: radar.set_presence(presence=True),
    "leave": lambda radar: radar.set_presence(presence=False),
    "still": lambda radar: radar.set_motion("still"),
    "active": lambda radar: radar.set_motion("active"),
}


class PlayedZigbee:
    """A Zigbee2MQTT bridge with its nodes (option `nodes`: name -> model) and its own MQTT account."""

    def __init__(self, device: SimulatedDevice, account: Account) -> None:
        base = device.id.removesuffix("/bridge")
        self._network = ZigbeeNetwork(base)
        for name, model in dict(device.options.get("nodes", {})).items():
            self._network.add(name, model)
        offline = self._network.bridge_state(online=False)
        self.uplink: Uplink | None = Uplink(account, will=(offline.topic, offline.payload))
        for message in (self._network.bridge_state(online=True), self._network.device_list()):
            self.uplink.send(Outgoing(*message))

    def happen(self, do: str, options: Mapping[str, Any], now_ns: int) -> int:
        """Carry out an action of a scenario; gives when it happened."""
        found = _NETWORK[do](self._network, str(options.get("node", "")), now_ns)
        if self.uplink is not None:
            for message in found if isinstance(found, list) else [found]:
                self.uplink.send(Outgoing(*message))
        return now_ns

    def tick(self, now_ns: int) -> None:
        """A network speaks only when something happens."""

    def close(self) -> None:
        """Nothing to release."""


_NETWORK: Mapping[str, Callable[[ZigbeeNetwork, str, int], Any]] = {
    "press": lambda network, node, now: network.press(node, now),
    "open": lambda network, node, now: network.door(node, now, is_open=True),
    "close": lambda network, node, now: network.door(node, now, is_open=False),
    "smoke": lambda network, node, now: network.smoke(node, now, smoke=True),
    "smoke_over": lambda network, node, now: network.smoke(node, now, smoke=False),
    "motion": lambda network, node, now: network.motion(node, now, occupied=True),
    "bridge_offline": lambda network, _node, _now: network.bridge_state(online=False),
    "bridge_online": lambda network, _node, _now: network.bridge_state(online=True),
}

Played = PlayedWearable | PlayedRadar | PlayedZigbee
