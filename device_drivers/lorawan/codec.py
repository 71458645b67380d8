"""The codecs of both network servers: envelope, duplicates, model, payload."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from device_drivers.codec import MessageCodec
from device_drivers.json_payload import PayloadError, device_time_ns, iso_ns, number, parse_object
from device_drivers.lorawan import dragino, envelope, milesight, milesight_meaning
from device_drivers.lorawan.bare import MODELS, bare_uplinks, is_hint
from device_drivers.lorawan.memory import DeviceMemories, DeviceMemory
from device_drivers.lorawan.sink import Sink
from device_drivers.observations import DeviceEvent, Observation, Quality
from device_drivers.signals import reading

if TYPE_CHECKING:
    from device_drivers.lorawan.envelope import Uplink

MILESIGHT_EUI = "24e124"
MAX_TOPIC = 300
_MODEL = re.compile("|".join(MODELS), re.IGNORECASE)


class LorawanCodec(MessageCodec):
    """Base of both. Device ids are device EUIs in lower case.

    Options: `models`, by device EUI: the model, where neither tags, profile nor name tell it. `sos_presses`, by device
    EUI: which presses call for help: "short", "long", "double", for panels also "<button>" or "<button>:<press>".
    Raises ValueError for a bad option.
    """

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        given = options or {}
        self._models = _checked_models(given.get("models", {}))
        self._sos_presses = _checked_presses(given.get("sos_presses", {}))
        self._memories = DeviceMemories()

    def feed(self, topic: str, payload: bytes, received_ns: int, *, retained: bool = False) -> list[Observation]:
        if retained:  # an uplink is an event; a retained one is old and its age unknown
            self.reject("retained", payload, topic=topic[:MAX_TOPIC])
            return []
        try:
            if is_hint(topic):
                found = self._bare(topic, payload, received_ns)
            else:
                found = self._read(topic, payload, received_ns)
        except PayloadError as error:
            self.reject(error.reason, payload, topic=topic[:MAX_TOPIC], error=error.detail)
            return []
        self.health.frames += 1
        self.health.last_frame_ns = received_ns
        return found

    @abstractmethod
    def _read(self, topic: str, payload: bytes, received_ns: int) -> list[Observation]:
        """Observations in one message. Raises PayloadError."""

    @abstractmethod
    def _envelope(self, said: Mapping[str, Any]) -> Uplink:
        """The uplink in a message whose topic is not known. Raises PayloadError."""

    def _bare(self, hint: str, payload: bytes, received_ns: int) -> list[Observation]:
        """A payload, or an envelope, without its topic: from a manual or a log, never from a broker."""
        if payload.startswith(b"{"):
            return self._uplink(self._envelope(parse_object(payload)), received_ns)
        uplinks = bare_uplinks(payload, hint)
        return [one for uplink in uplinks for one in self._contents(uplink, received_ns)]

    def _uplink(self, uplink: Uplink, received_ns: int) -> list[Observation]:
        memory = self._memories.of(uplink.device_id)
        at_ns = device_time_ns(uplink.time_ns, received_ns)
        if memory.is_duplicate(uplink.address, uplink.counter, uplink.port, at_ns):
            self.note("log", uplink.device_id, duplicate=uplink.counter, port=uplink.port)
            return []
        return self._contents(uplink, received_ns)

    def _contents(self, uplink: Uplink, received_ns: int) -> list[Observation]:
        memory = self._memories.of(uplink.device_id)
        at_ns = device_time_ns(uplink.time_ns, received_ns)
        presses = self._sos_presses.get(uplink.device_id)
        sink = Sink(uplink.device_id, memory, at_ns, received_ns, presses)
        if uplink.rssi is not None:
            sink.reading("signal_strength", uplink.rssi)
        if uplink.simulated:
            sink.note("log", simulated=True)
        self._payload(uplink, self._model(uplink, memory), sink)
        for kind, facts in sink.notes:
            self.note(kind, uplink.device_id, **facts)
        return sink.found

    def _model(self, uplink: Uplink, memory: DeviceMemory) -> str:
        """The model by set-up, else by what the server says of the device, else by what the device said of itself."""
        given = self._models.get(uplink.device_id)
        if given is None:
            match = next(filter(None, map(_MODEL.search, uplink.names)), None)
            given = match[0].upper() if match else memory.model or dragino.learn_model(uplink.port, uplink.data)
        if given and given != memory.model:
            memory.model = given
            self.note("identity", uplink.device_id, model=given)
        return given

    def _payload(self, uplink: Uplink, model: str, sink: Sink) -> None:
        if not uplink.data or uplink.port == 0:
            sink.note("heartbeat", port=uplink.port, counter=uplink.counter)
        elif model in dragino.MODELS:
            self._dragino(uplink, model, sink)
        elif model or uplink.port == milesight.PORT or uplink.device_id.startswith(MILESIGHT_EUI):
            self._milesight(uplink, model, sink)
        else:
            facts = {"port": uplink.port, "data": uplink.data.hex(), "decoded": str(uplink.decoded or "")[:500]}
            sink.note("unknown", why="the model is not known: set it in `models`", **facts)

    def _dragino(self, uplink: Uplink, model: str, sink: Sink) -> None:
        layout = dragino.layout_of(model, uplink.port, len(uplink.data))
        if layout is None:
            size = len(uplink.data)
            self.reject("length", uplink.data, device=uplink.device_id, model=model, port=uplink.port, size=size)
        else:
            dragino.observe(layout, uplink.data, sink)

    def _milesight(self, uplink: Uplink, model: str, sink: Sink) -> None:
        items, end = milesight.decode_items(uplink.data, model)
        milesight_meaning.observe(items, sink)
        if end is not None and end.reason == "channel":
            sink.note("unknown", rest=end.rest.hex(" "), why="unknown channel and type")
        elif end is not None:
            self.reject("length", uplink.data, device=uplink.device_id, rest=end.rest.hex(" "))

    def _online(self, device_id: str, received_ns: int, at_ns: int | None) -> list[Observation]:
        """The device has joined the network."""
        memory = self._memories.of(device_id)
        memory.frames.clear()
        repeat = memory.is_known("online", True)
        return [DeviceEvent(device_id, "online", True, device_time_ns(at_ns, received_ns), received_ns, repeat=repeat)]


class ChirpStackCodec(LorawanCodec):
    """ChirpStack v4 (v3 is understood as well): `application/<id>/device/<eui>/event/<what>`. JSON, not protobuf."""

    family: ClassVar[str] = "chirpstack"

    def _envelope(self, said: Mapping[str, Any]) -> Uplink:
        return envelope.chirpstack_uplink(said, "")

    def subscriptions(self) -> list[str]:
        return ["application/+/device/+/event/+"]

    def _read(self, topic: str, payload: bytes, received_ns: int) -> list[Observation]:
        parts = topic.split("/")
        if len(parts) != 6 or parts[0::2] != ["application", "device", "event"] or not parts[5]:
            raise PayloadError("topic", "expected application/<id>/device/<eui>/event/<what>")
        said = parse_object(payload)
        if parts[5] == "up":
            uplink = envelope.chirpstack_uplink(said, parts[3])
            if uplink.device_id != parts[3].lower():
                raise PayloadError("topic", f"the payload is of {uplink.device_id}")
            return self._uplink(uplink, received_ns)
        device_id = envelope.eui(parts[3])
        if parts[5] == "status":
            return self._status(device_id, said, received_ns)
        if parts[5] == "join":
            self.note("identity", device_id, joined=str(said.get("devAddr", ""))[:16])
            return self._online(device_id, received_ns, iso_ns(said.get("time")))
        kind = {"ack": "ack", "txack": "ack", "log": "log"}.get(parts[5], "report")
        self.note(kind, device_id, event=parts[5][:20], text=str(said.get("description", ""))[:200])
        return []

    def _status(self, device_id: str, said: Mapping[str, Any], received_ns: int) -> list[Observation]:
        """The answer to the server's own query: link margin and battery."""
        external = said.get("externalPowerSource") is True
        self.note("heartbeat", device_id, margin=number(said.get("margin")) or 0.0, external_power=external)
        if external:
            return []
        absent = said.get("batteryLevelUnavailable") is True
        level = None if absent else number(said.get("batteryLevel", 0))
        at_ns = device_time_ns(iso_ns(said.get("time")), received_ns)
        return [reading(device_id, "battery", level, at_ns, received_ns, Quality.GOOD)]


class ThingsStackCodec(LorawanCodec):
    """The Things Stack v3: `v3/<application>@<tenant>/devices/<device id>/<what>`; the server gives QoS 0 only."""

    family: ClassVar[str] = "thethings"

    def _envelope(self, said: Mapping[str, Any]) -> Uplink:
        return envelope.things_uplink(said, "")

    def subscriptions(self) -> list[str]:
        return ["v3/+/devices/+/up", "v3/+/devices/+/join"]

    def _read(self, topic: str, payload: bytes, received_ns: int) -> list[Observation]:
        parts = topic.split("/")
        if len(parts) < 5 or parts[0] != "v3" or parts[2] != "devices":
            raise PayloadError("topic", "expected v3/<application>@<tenant>/devices/<device id>/<what>")
        said = parse_object(payload)
        what = "/".join(parts[4:])
        if what == "up":
            return self._uplink(envelope.things_uplink(said, parts[3]), received_ns)
        ids = said.get("end_device_ids", {})
        device_id = envelope.things_device(ids if isinstance(ids, dict) else {}, parts[3])
        if what == "join":
            self.note("identity", device_id, joined=True)
            return self._online(device_id, received_ns, iso_ns(said.get("received_at")))
        self.note("report", device_id, event=what[:40])
        return []


def _checked_models(given: Any) -> dict[str, str]:
    if not isinstance(given, Mapping) or not all(str(model).upper() in MODELS for model in given.values()):
        raise ValueError(f"models is {given!r}; give one of {', '.join(MODELS)} for each device EUI")
    return {str(device).lower(): str(model).upper() for device, model in given.items()}


def _checked_presses(given: Any) -> dict[str, frozenset[str]]:
    good = isinstance(given, Mapping) and all(
        isinstance(presses, list | tuple) and all(isinstance(one, str) for one in presses) for presses in given.values()
    )
    if not good:
        raise ValueError(f"sos_presses is {given!r}; give a list of presses for each device EUI")
    return {str(device).lower(): frozenset(presses) for device, presses in given.items()}
