"""LoRaWAN devices without radio: payloads of Milesight and Dragino care devices, wrapped as the network servers do.

A server publishes one message for each uplink; `repeated` gives what comes when a confirmation was lost. Counters
start at 0 and are left out of the JSON while they are 0, as the real servers do.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from device_drivers.lorawan import dragino, envelope, milesight

if TYPE_CHECKING:
    from device_drivers.lorawan.fields import Value

SERVERS = ("chirpstack", "thethings")
SECOND_NS = 1_000_000_000
APPLICATION = "7f5b3f0e-care"


@dataclass(slots=True)
class LorawanDevice:
    """One device. server: "chirpstack" or "thethings". told: whether the server knows and tells the model."""

    eui: str
    model: str
    server: str = "chirpstack"
    told: bool = True
    counter: int = 0
    address: str = "01a2b3c4"
    alarm_id: int = 0

    def __post_init__(self) -> None:
        if self.server not in SERVERS or self.model not in (*milesight.MODELS, *dragino.MODELS):
            raise ValueError(f"unknown server {self.server!r} or model {self.model!r}")

    def send(self, data: bytes, now_ns: int, port: int = milesight.PORT) -> tuple[str, bytes]:
        """One uplink as (topic, payload)."""
        message = self.repeated(data, now_ns, port)
        self.counter += 1
        return message

    def repeated(self, data: bytes, now_ns: int, port: int = milesight.PORT) -> tuple[str, bytes]:
        """The same uplink, without a new counter."""
        names = (self.model,) if self.told else ()
        uplink = envelope.Uplink(self.eui, data, port, self.counter, names=names, address=self.address)
        time = f"{datetime.fromtimestamp(now_ns // SECOND_NS, UTC):%Y-%m-%dT%H:%M:%S}.{now_ns % SECOND_NS:09d}Z"
        if self.server == "chirpstack":
            topic = f"application/{APPLICATION}/device/{self.eui}/event/up"
            return topic, json.dumps(envelope.chirpstack_message(uplink, APPLICATION, time, (-71, -103))).encode()
        topic = f"v3/{APPLICATION}@ttn/devices/eui-{self.eui}/up"
        return topic, json.dumps(envelope.things_message(uplink, APPLICATION, time, (-71, -103))).encode()

    def join(self) -> None:
        """Join the network anew: a new address, and the counter begins at 0."""
        self.address = f"{int(self.address, 16) + 1:08x}"
        self.counter = 0

    # Milesight

    def item(self, code: int, **values: Value) -> bytes:
        """One item of a Milesight payload."""
        return milesight.encode_item(code, values, self.model)

    def status(
        self, detection: str, target: str = "normal", now: int = 0, today: int = 0, *, old: bool = False
    ) -> bytes:
        """VS373's summary; old: in the layout of firmware 1.0.1."""
        code = 0x03F8 if old else 0x07B0
        return self.item(code, detection=detection, target=target, now=now, today=today)

    def alarm(self, what: str, status: str = "triggered", region: int = milesight.NO_REGION) -> bytes:
        """VS373's alarm; each that begins has a new number."""
        self.alarm_id += status == "triggered"
        return self.item(0x06FB, alarm_id=self.alarm_id, type=what, status=status, region=region)

    def press(self, press: str = "short", button: int = 1) -> bytes:
        """WS101 or WS156 is pressed. Raises ValueError for a device without a button."""
        if self.model == "WS101":
            return self.item(0xFF2E, press=press)
        if self.model == "WS156":
            return self.item(0xFF34, button=button, mode="short+double+long", press=press)
        if self.model == dragino.PB01:
            return self.call_button(alarm=True)
        raise ValueError(f"{self.model} has no button")

    # Dragino

    def call_button(self, *, alarm: bool, battery_mv: int = 3300, temperature: float = 21.5) -> bytes:
        """PB01, port 2."""
        values: dict[str, Value] = {"battery_mv": battery_mv, "key_sound": 1, "ack_sound": 1, "alarm": int(alarm)}
        return dragino.encode(dragino.PB01, "button", {**values, "temperature": temperature, "humidity": 48.0})
