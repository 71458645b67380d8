"""What is asked and told about devices, and how the live state becomes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, StringConstraints

from device_drivers.signals import SIGNALS
from gateway.api.forms import Answer, Form, Moment, Name, RecordId, ShortText, Words, moment, moment_or_none

if TYPE_CHECKING:
    from gateway.live import LiveDevice, LiveValue
    from gateway.registry import Assignment, Device

Placement = Literal["worn", "room"]
OptionName = Annotated[str, StringConstraints(min_length=1, max_length=64)]
OptionNumber = Annotated[int, Field(ge=-(10**15), le=10**15)]
OptionFraction = Annotated[float, Field(allow_inf_nan=False, ge=-1e15, le=1e15)]
Options = Annotated[dict[OptionName, ShortText | bool | OptionNumber | OptionFraction | None], Field(max_length=64)]


class DeviceForm(Form):
    """A new device. id: as its observations name it; a wearable's is part of its topic."""

    id: Annotated[RecordId, Field(examples=["w1"])]
    family: Annotated[Name, Field(examples=["yinling_wearable"])]
    name: Annotated[ShortText, Field(examples=["李奶奶的手环"])] = ""
    placement: Placement = "room"
    room: ShortText = ""
    options: Options = Field(default_factory=dict)


class DeviceChange(Form):
    """What to change; what is left out stays. active = false: out of use, its password counts no more."""

    name: ShortText = ""
    placement: Placement = "room"
    room: ShortText = ""
    options: Options = Field(default_factory=dict)
    active: bool = True


class Placing(Form):
    """Whose the device is from now on; null: nobody's."""

    resident_id: Annotated[RecordId | None, Field(examples=["r1"])]


class ValueAnswer(Answer):
    """The latest value of one signal. value: null where unknown, `quality` says why. stale: it no longer holds."""

    signal: Annotated[str, Field(examples=["heart_rate"])]
    title: Words
    unit: Annotated[str, Field(examples=["/min"], description="UCUM")]
    value: float | bool | str | None
    quality: Annotated[str, Field(examples=["good"])]
    stale: bool
    at: Moment
    received: Moment


class DeviceAnswer(Answer):
    """A device with what is known of it right now. heard: its last frame. fresh: some value of it still holds."""

    id: Annotated[str, Field(examples=["w1"])]
    family: Annotated[str, Field(examples=["yinling_wearable"])]
    name: str
    placement: str
    room: str
    options: dict[str, Any]
    active: bool
    resident_id: Annotated[str | None, Field(examples=["r1"])]
    assigned: Moment | None
    heard: Moment | None
    silent_s: Annotated[float | None, Field(description="Seconds since its last frame; null where it never spoke")]
    fresh: bool
    battery: Annotated[float | None, Field(description="%, null where unknown")]
    clock_skew_s: Annotated[float, Field(description="How far its clock is ahead")]
    values: list[ValueAnswer]


class Devices(Answer):
    """Devices by id."""

    devices: list[DeviceAnswer]


class MqttLogin(Answer):
    """How the device logs in to the broker. The password is shown this once: put it into the device now."""

    username: Annotated[str, Field(examples=["w1"])]
    password: str


class MadeDevice(Answer):
    """The new device; mqtt: null where it does not log in to the broker itself."""

    device: DeviceAnswer
    mqtt: MqttLogin | None


def describe(device: Device, placed: Assignment | None, live: LiveDevice | None, now_ns: int) -> DeviceAnswer:
    """A device as it is told. Values from before the present assignment are another person's and stay out."""
    since_ns = placed.from_ns if placed else 0
    known = live.values if live else {}
    values = [
        value_answer(signal, value, now_ns)
        for signal, value in sorted(known.items())
        if value.received_ns >= since_ns and signal in SIGNALS
    ]
    battery = next((value.value for value in values if value.signal == "battery"), None)
    heard_ns = live.heard_ns if live and live.heard_ns else None
    return DeviceAnswer(
        id=device.id,
        family=device.family,
        name=device.name,
        placement=device.placement,
        room=device.room,
        options=dict(device.options),
        active=device.active,
        resident_id=placed.resident_id if placed else None,
        assigned=moment_or_none(placed.from_ns if placed else None),
        heard=moment_or_none(heard_ns),
        silent_s=None if heard_ns is None else max(0.0, (now_ns - heard_ns) / 1e9),
        fresh=any(not value.stale for value in values),
        battery=battery if isinstance(battery, float) else None,
        clock_skew_s=live.clock_skew_ns / 1e9 if live else 0.0,
        values=values,
    )


def value_answer(signal: str, value: LiveValue, now_ns: int) -> ValueAnswer:
    """One live value as it is told."""
    row = SIGNALS[signal]
    return ValueAnswer(
        signal=signal,
        title=Words(zh=row.zh, en=row.en),
        unit=row.unit,
        value=value.value,
        quality=value.quality,
        stale=value.is_stale(signal, now_ns),
        at=moment(value.at_ns),
        received=moment(value.received_ns),
    )
