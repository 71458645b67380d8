"""What is asked and told about devices, and how the live state becomes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, StringConstraints

from device_drivers.signals import SIGNALS
from gateway.api.forms import (
    Answer,
    DeviceId,
    Form,
    Moment,
    Name,
    RecordId,
    ShortText,
    Words,
    moment,
    moment_or_none,
)
from gateway.device_commands import LONGEST_S
from gateway.device_view import Standing
from gateway.options import masked

if TYPE_CHECKING:
    from gateway.commissioning import Tried
    from gateway.device_view import DeviceView, SignalView, Talker, Trouble, WayView
    from gateway.mishaps import Mishap

Placement = Literal["worn", "room"]
OptionName = Annotated[str, StringConstraints(min_length=1, max_length=64)]
OptionNumber = Annotated[int, Field(ge=-(10**15), le=10**15)]
OptionFraction = Annotated[float, Field(allow_inf_nan=False, ge=-1e15, le=1e15)]
SecretPlace = Annotated[dict[Literal["file", "env"], ShortText], Field(min_length=1, max_length=1)]
"""Where a secret is kept on the box, in place of the secret itself."""
SecretTable = Annotated[dict[OptionName, ShortText | SecretPlace], Field(min_length=1, max_length=64)]
OptionValue = ShortText | bool | OptionNumber | OptionFraction | SecretPlace | SecretTable | None
Options = Annotated[dict[OptionName, OptionValue], Field(max_length=64)]


class DeviceForm(Form):
    """A new device. id: as its observations name it; a wearable's is part of its topic."""

    id: Annotated[DeviceId, Field(examples=["w1", "zigbee2mqtt/sos"])]
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


class CommandForm(Form):
    """What the device is to do. args: most commands take none, the others one named `value`. wait_s: for its answer."""

    command: Annotated[Name, Field(examples=["interval"])]
    args: Annotated[
        dict[Literal["value"], ShortText | OptionNumber | OptionFraction], Field(examples=[{"value": 60}])
    ] = Field(default_factory=dict)
    wait_s: Annotated[float, Field(ge=0, le=LONGEST_S, allow_inf_nan=False)] = 5.0


class ReplyAnswer(Answer):
    """What the device said to it. kind: ack, setting, identity or report; fields: as its driver read them."""

    kind: Annotated[str, Field(examples=["ack"])]
    fields: dict[str, Any]


class CommandAnswer(Answer):
    """The command went out. answer: null where the device said nothing to it in time; many never do."""

    sent: Literal[True] = True
    answer: ReplyAnswer | None


class ValueAnswer(Answer):
    """The latest value of one signal. value: null where unknown, `quality` says why. stale: it no longer holds."""

    signal: Annotated[str, Field(examples=["heart_rate"])]
    title: Words
    unit: Annotated[str, Field(examples=["/min"], description="UCUM")]
    value: float | bool | str | None
    quality: Annotated[str, Field(examples=["good"])]
    stale: bool
    derived: Annotated[bool, Field(description="The gateway has computed it from the device's wave · 网关由波形推算")]
    at: Moment
    received: Moment


class TroubleAnswer(Answer):
    """One thing that is not as it should be."""

    word: Annotated[str, Field(examples=["silent"])]
    standing: Standing
    title: Words


class WayAnswer(Answer):
    """How the device reaches the gateway. connected: the way is up and, where it has its own, its connection too."""

    name: Annotated[str, Field(examples=["serial:radar-bedroom"])]
    kind: Annotated[Literal["serial", "mqtt", "tcp"], Field(examples=["serial"])]
    connected: bool
    error: str | None


class StepAnswer(Answer):
    """One step of the commissioning. seen: null where it was not tried yet."""

    signal: Annotated[str, Field(examples=["fall"])]
    title: Words
    seen: bool | None
    at: Moment | None


class MishapAnswer(Answer):
    """Input that was not understood. hex: its bytes, at most 512. topic: null where it came over a line."""

    received: Moment
    reason: Annotated[str, Field(examples=["checksum"])]
    topic: str | None
    hex: Annotated[str, Field(examples=["53 59 80 81 00 01 00 7d 54 43"])]


class DeviceAnswer(Answer):
    """A device with what is known of it right now. heard: its last frame. fresh: some value of it still holds."""

    id: Annotated[str, Field(examples=["w1"])]
    family: Annotated[str, Field(examples=["yinling_wearable"])]
    title: Annotated[Words | None, Field(description="Of the family; null where its driver is not installed")]
    name: str
    placement: str
    room: str
    options: dict[str, Any]
    active: bool
    resident_id: Annotated[str | None, Field(examples=["r1"])]
    assigned: Moment | None
    state: Annotated[Standing, Field(description="That of its gravest trouble; unused: not active")]
    troubles: Annotated[list[TroubleAnswer], Field(description="The gravest first")]
    heard: Moment | None
    silent_s: Annotated[float | None, Field(description="Seconds since its last frame; null where it never spoke")]
    lost_after_s: Annotated[float | None, Field(description="How long it may be silent; null: it speaks when used")]
    fresh: bool
    battery: Annotated[float | None, Field(description="%, null where unknown")]
    clock_skew_s: Annotated[float, Field(description="How far its clock is ahead")]
    way: Annotated[WayAnswer | None, Field(description="Null where the settings have none for it")]
    rejected: Annotated[int, Field(description="How much of its input could not be decoded since the start")]
    commissioning: list[StepAnswer]
    commands: Annotated[list[str], Field(examples=[["locate", "find"]])]
    wave_age_s: Annotated[float | None, Field(description="Seconds since its last piece of acceleration; null: none")]
    values: list[ValueAnswer]


class DeviceDetail(DeviceAnswer):
    """A device with the latest input of it that could not be decoded."""

    rejections: list[MishapAnswer]


class TalkerAnswer(Answer):
    """A device that sends or knocks and is registered nowhere. family, heard: null where not known."""

    id: Annotated[str, Field(examples=["9032074659"])]
    family: str | None
    way: str | None
    heard: Moment | None
    silent_s: float | None
    signals: list[str]


class Devices(Answer):
    """Devices, those in trouble first. unknown: senders that are not registered; only for keys that see everything."""

    devices: list[DeviceAnswer]
    unknown: list[TalkerAnswer]


class MqttLogin(Answer):
    """How the device logs in to the broker. The password is shown this once: put it into the device now."""

    username: Annotated[str, Field(examples=["w1"])]
    password: str


class MadeDevice(Answer):
    """The new device; mqtt: null where it does not log in to the broker itself."""

    device: DeviceAnswer
    mqtt: MqttLogin | None


def describe(view: DeviceView) -> DeviceAnswer:
    """A device as it is told in a list."""
    return DeviceAnswer(**_facts(view))


def describe_in_full(view: DeviceView) -> DeviceDetail:
    """A device as it is told alone."""
    return DeviceDetail(**_facts(view), rejections=[_mishap(one) for one in reversed(view.mishaps.latest)])


def describe_talker(one: Talker) -> TalkerAnswer:
    """A sender that is not registered, as it is told."""
    return TalkerAnswer(
        id=one.id,
        family=one.family,
        way=one.way,
        heard=moment_or_none(one.heard_ns),
        silent_s=one.silent_s,
        signals=list(one.signals),
    )


def _facts(view: DeviceView) -> dict[str, Any]:
    device, driver, placed = view.device, view.driver, view.assignment
    return {
        "id": device.id,
        "family": device.family,
        "title": Words(zh=driver.title_zh, en=driver.title_en) if driver is not None else None,
        "name": device.name,
        "placement": device.placement,
        "room": device.room,
        "options": masked(device.family, device.options),
        "active": device.active,
        "resident_id": view.resident_id,
        "assigned": moment_or_none(placed.from_ns if placed else None),
        "state": view.standing,
        "troubles": [_trouble(one) for one in view.troubles],
        "heard": moment_or_none(view.heard_ns),
        "silent_s": view.silent_s,
        "lost_after_s": view.lost_after_s,
        "fresh": view.fresh,
        "battery": view.battery,
        "clock_skew_s": view.clock_skew_s,
        "way": _way(view.way),
        "rejected": view.mishaps.count,
        "commissioning": [*map(_step, view.tried), *map(_untried, view.untried)],
        "commands": list(driver.commands) if driver is not None else [],
        "wave_age_s": view.wave_age_s,
        "values": [_value(one) for one in view.signals],
    }


def _title(signal: str) -> Words:
    row = SIGNALS.get(signal)
    return Words(zh=row.zh, en=row.en) if row is not None else Words(zh=signal, en=signal)


def _value(one: SignalView) -> ValueAnswer:
    return ValueAnswer(
        signal=one.signal,
        title=_title(one.signal),
        unit=SIGNALS[one.signal].unit,
        value=one.value,
        quality=one.quality,
        stale=one.stale,
        derived=one.derived,
        at=moment(one.at_ns),
        received=moment(one.received_ns),
    )


def _trouble(one: Trouble) -> TroubleAnswer:
    return TroubleAnswer(word=one.word, standing=one.standing, title=Words(zh=one.zh, en=one.en))


def _way(way: WayView | None) -> WayAnswer | None:
    if way is None:
        return None
    return WayAnswer.model_validate(
        {"name": way.name, "kind": way.kind, "connected": way.connected, "error": way.error}
    )


def _step(one: Tried) -> StepAnswer:
    return StepAnswer(signal=one.signal, title=_title(one.signal), seen=one.seen, at=moment(one.at_ns))


def _untried(signal: str) -> StepAnswer:
    return StepAnswer(signal=signal, title=_title(signal), seen=None, at=None)


def _mishap(one: Mishap) -> MishapAnswer:
    return MishapAnswer(
        received=moment(one.received_ns), reason=one.reason, topic=one.topic or None, hex=one.raw.hex(" ")
    )
