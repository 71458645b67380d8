"""The codecs of our wearables: frames over MQTT (`yinling/<device_id>/up`) and over a serial line (COBS)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from device_drivers import cobs
from device_drivers.codec import Codec, MessageCodec, StreamCodec
from device_drivers.observations import DeviceEvent, Quality, Samples
from device_drivers.quick import quick_reading, quick_samples
from device_drivers.signals import SIGNALS, reading
from device_drivers.yinling_wearable.device import Device
from device_drivers.yinling_wearable.frame import (
    MAX_FRAME,
    NUMBERS,
    WAVES,
    FrameError,
    WearableFrame,
    decode_frame,
    encode_frame,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from device_drivers.observations import Observation
    from device_drivers.yinling_wearable.device import Boot
    from device_drivers.yinling_wearable.frame import Block

FAMILY = "yinling_wearable"
MAX_DEVICES = 20_000
EARLIEST_UTC_US = 1_577_836_800_000_000  # 2020-01-01
LATEST_UTC_US = 4_102_444_800_000_000  # 2100-01-01
_TOPIC = re.compile(r"yinling/([A-Za-z0-9_.:-]{1,64})/(up|online)")
_VITALS = tuple((name, SIGNALS[name].low, SIGNALS[name].high) for name, _ in NUMBERS.values())
_GOOD = Quality.GOOD


def up_topic(device_id: str) -> str:
    """The topic of a device's frames."""
    return f"yinling/{device_id}/up"


def online_topic(device_id: str) -> str:
    """The topic of a device's presence on the broker: retained, "1", and "0" as its last will."""
    return f"yinling/{device_id}/online"


def encode_serial(frame: WearableFrame) -> bytes:
    """A frame as it goes over a serial line: COBS, then a zero. Raises ValueError as `encode_frame` does."""
    return cobs.encode(encode_frame(frame)) + cobs.DELIMITER


def observe(codec: Codec, device: Device, data: bytes, received_ns: int) -> list[Observation]:
    """The observations in one frame of a device; what is wrong with it is counted in the codec."""
    try:
        frame = decode_frame(data)
    except FrameError as error:
        codec.reject(error.reason, data, **error.detail)
        return []
    health = codec.health
    health.frames += 1
    health.last_frame_ns = received_ns
    boot = device.boot(frame.boot)
    if not boot.window.take(frame.sequence):
        health.rejected["duplicate"] += 1
        return []
    if frame.problems or frame.unknown or frame.identity is not None:
        _keep_facts(codec, device.device_id, frame)
    return _observations(frame, device.device_id, boot, _first_sample_ns(codec, frame, boot, received_ns), received_ns)


def _keep_facts(codec: Codec, device_id: str, frame: WearableFrame) -> None:
    for problem in frame.problems:
        codec.reject(f"section_{problem.reason}", problem.raw, kind=problem.kind, device=device_id)
    for kind, raw in frame.unknown:
        codec.note("unknown", device_id, section=kind, hex=raw[:64].hex())
    if frame.identity is not None:
        codec.note("identity", device_id, text=frame.identity, boot=frame.boot)


def _first_sample_ns(codec: Codec, frame: WearableFrame, boot: Boot, received_ns: int) -> int:
    if frame.utc:
        if EARLIEST_UTC_US <= frame.time_us < LATEST_UTC_US:
            return frame.time_us * 1000
        codec.reject("utc_time", b"", time_us=frame.time_us)
    block = frame.accel or frame.gyro or frame.pulse_wave or frame.bed_wave
    duration_ns = block.duration_ns if block else 0
    return boot.clock.place(frame.time_us * 1000, duration_ns, received_ns, stored=frame.stored)


def _observations(frame: WearableFrame, device_id: str, boot: Boot, at_ns: int, received_ns: int) -> list[Observation]:
    out: list[Observation] = []
    if frame.accel is not None:
        out.append(_samples(frame, "accel", frame.accel, device_id, at_ns, received_ns))
    if frame.gyro is not None:
        out.append(_samples(frame, "gyro", frame.gyro, device_id, at_ns, received_ns))
    if frame.pulse_wave is not None or frame.bed_wave is not None:
        out += _waves(frame, device_id, at_ns, received_ns)
    for name, low, high in _VITALS:
        number = getattr(frame, name)
        if number is None:
            continue
        value, quality = number
        if quality is _GOOD and value is not None and low <= value <= high:
            out.append(quick_reading(device_id, name, value, at_ns, received_ns, frame.stored))
        else:
            known = None if quality is Quality.NO_CONTACT else value
            out.append(reading(device_id, name, known, at_ns, received_ns, quality, stored=frame.stored))
    if frame.worn is not None or frame.charging is not None or frame.fault is not None:
        out += _states(frame, device_id, at_ns, received_ns)
    if frame.presses:
        out += _presses(frame, device_id, boot, at_ns, received_ns)
    return out


def _samples(frame: WearableFrame, signal: str, block: Block, device_id: str, at_ns: int, received_ns: int) -> Samples:
    rate_hz, _, full_scale, _ = block
    values = block.values()
    return quick_samples(
        device_id, signal, values, rate_hz, at_ns, received_ns, full_scale, frame.sequence, frame.stored
    )


def _waves(frame: WearableFrame, device_id: str, at_ns: int, received_ns: int) -> Iterator[Samples]:
    for signal in WAVES.values():
        wave = getattr(frame, signal)
        if wave is not None:
            values, rate_hz = wave.values(), wave.rate_hz
            yield Samples(
                device_id, signal, values, rate_hz, at_ns, received_ns, 1.0, frame.sequence, wave.quality, frame.stored
            )


def _states(frame: WearableFrame, device_id: str, at_ns: int, received_ns: int) -> Iterator[DeviceEvent]:
    for signal, state in (("worn", frame.worn), ("charging", frame.charging), ("device_fault", frame.fault)):
        if state == "unknown":
            yield DeviceEvent(device_id, signal, None, at_ns, received_ns, Quality.INVALID, frame.stored)
        elif state is not None:
            yield DeviceEvent(device_id, signal, state, at_ns, received_ns, stored=frame.stored)


def _presses(frame: WearableFrame, device_id: str, boot: Boot, at_ns: int, received_ns: int) -> Iterator[DeviceEvent]:
    for counter, offset_ms in frame.presses:
        yield DeviceEvent(
            device_id,
            "help_button",
            True,
            at_ns + offset_ms * 1_000_000,
            received_ns,
            stored=frame.stored,
            repeat=not frame.stored and boot.is_repeat(counter),
            token=f"{frame.boot}:{counter}",
        )


class WearableMessageCodec(MessageCodec):
    """All wearables on one broker. Remembers at most 20,000; the longest known is forgotten first."""

    family: ClassVar[str] = FAMILY

    def __init__(self) -> None:
        super().__init__()
        self._devices: dict[str, Device] = {}

    def subscriptions(self) -> list[str]:
        return [up_topic("+"), online_topic("+")]

    def feed(self, topic: str, payload: bytes, received_ns: int, *, retained: bool = False) -> list[Observation]:
        """Observations of one message. A retained frame is old by nature: it is counted and left."""
        device = self._devices.get(topic)
        if device is not None and not retained:
            return observe(self, device, payload, received_ns)
        match = _TOPIC.fullmatch(topic)
        if match is None:
            self.reject("topic", payload, topic=topic[:200])
            return []
        device_id, leaf = match.groups()
        if leaf == "online":
            return self._online(device_id, payload, received_ns, retained=retained)
        if retained:
            self.health.rejected["retained"] += 1
            return []
        return self._first(topic, Device(device_id), payload, received_ns)

    def _first(self, topic: str, device: Device, payload: bytes, received_ns: int) -> list[Observation]:
        """The first frame of a device; only one that sent a good frame is remembered."""
        found = observe(self, device, payload, received_ns)
        if device.boots:
            self._devices[topic] = device
            if len(self._devices) > MAX_DEVICES:
                del self._devices[next(iter(self._devices))]
        return found

    def _online(self, device_id: str, payload: bytes, received_ns: int, *, retained: bool) -> list[Observation]:
        if payload == b"" and not retained:
            return []  # somebody cleared the retained message; it says nothing of the device
        if payload not in (b"0", b"1"):
            self.reject("online", payload, device=device_id)
            return []
        return [
            DeviceEvent(device_id, "online", payload == b"1", received_ns, received_ns, repeat=retained),
        ]


class WearableStreamCodec(StreamCodec):
    """One wearable on a serial line: COBS packets, each one frame."""

    family: ClassVar[str] = FAMILY

    def __init__(self, device_id: str) -> None:
        super().__init__(device_id)
        self.drop()
        self._device = Device(device_id)

    def drop(self) -> None:
        self._packets = cobs.CobsReader(cobs.encoded_size(MAX_FRAME))

    def feed(self, data: bytes, received_ns: int) -> list[Observation]:
        found: list[Observation] = []
        for packet in self._packets.feed(data):
            if packet.data is None:
                self.health.skipped_bytes += packet.size
                self.reject(packet.reason, packet.raw, size=packet.size)
            else:
                found += observe(self, self._device, packet.data, received_ns)
        return found
