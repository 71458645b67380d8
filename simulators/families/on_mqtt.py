"""Devices with an MQTT account of their own, and those behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulators.alink import AlinkDevice
from simulators.motion import Activity
from simulators.mqtt_sites import (
    BthomeSite,
    EsphomeSite,
    EspresenseRoom,
    LorawanServer,
    MeterGateway,
    MinewFloor,
    OmgSite,
    WornWearable,
    ZigbeeSite,
)
from simulators.played import Action, Doing, Outcome, SimulatedDevice, SimulatedFamily
from simulators.wires import OnMqtt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulators.zigbee import Published

CALL = Outcome(alert="help_call")
FALL = Outcome(alert="fall")
SLOW_S = 40.0
"""A slow heart must last 30 s (analytics' limits); the window of the pulse wave is 8 s."""
DOOR_OPEN, DOOR_CLOSED = 0x01, 0x00
BTHOME_DOOR = 0x1A


# Our own wearable


def _wearable_fall(wearable: WornWearable, doing: Doing) -> None:
    doing.at_ns = wearable.switched_on(doing.now_ns).fall()


def _does(activity: Activity) -> Action[WornWearable]:
    return Action(lambda wearable, doing: wearable.do(activity, doing.now_ns))


def _fix_vitals(wearable: WornWearable, doing: Doing) -> None:
    names = ("heart_rate", "spo2", "skin_temperature")
    found = {name: doing.options[name] for name in names if name in doing.options}
    wearable.switched_on(doing.now_ns).set_vitals(**found)


def _slow_heart(wearable: WornWearable, doing: Doing) -> None:
    wearable.switched_on(doing.now_ns).set_vitals(heart_rate=float(doing.options.get("heart_rate", 36.0)))


def _battery(wearable: WornWearable, doing: Doing) -> None:
    wearable.switched_on(doing.now_ns).battery_percent = float(doing.options["percent"])


WEARABLE: Mapping[str, Action[WornWearable]] = {
    "fall": Action(_wearable_fall, FALL),
    "walk": _does(Activity.WALKING),
    "sit": _does(Activity.SITTING),
    "lie": _does(Activity.LYING),
    "get_up": _does(Activity.STANDING),
    "press": Action(lambda wearable, doing: wearable.press(doing.now_ns), CALL),
    "take_off": Action(
        lambda wearable, doing: wearable.switched_on(doing.now_ns).take_off(), Outcome(signal="worn", value=False)
    ),
    "put_on": Action(
        lambda wearable, doing: wearable.switched_on(doing.now_ns).put_on(), Outcome(signal="worn", value=True)
    ),
    "vitals": Action(_fix_vitals),
    "slow_heart": Action(_slow_heart, Outcome(alert="heart_rate_low", after_s=SLOW_S)),
    "battery": Action(_battery),
}


# Zigbee


def _zigbee(name: str, outcome: Outcome | None = None, **state: Any) -> Action[ZigbeeSite]:
    def act(site: ZigbeeSite, doing: Doing) -> list[Published]:
        return [getattr(site.network, name)(doing.node, doing.now_ns, **state)]

    return Action(act, outcome)


def _bridge(*, online: bool) -> Action[ZigbeeSite]:
    return Action(lambda site, _: [site.network.bridge_state(online=online)])


ZIGBEE: Mapping[str, Action[ZigbeeSite]] = {
    "press": Action(lambda site, doing: site.network.press(doing.node, doing.now_ns), CALL),
    "open": _zigbee("door", Outcome(signal="door", value="open"), is_open=True),
    "close": _zigbee("door", Outcome(signal="door", value="closed"), is_open=False),
    "smoke": _zigbee("smoke", Outcome(alert="smoke"), smoke=True),
    "smoke_over": _zigbee("smoke", smoke=False),
    "motion": _zigbee("motion", Outcome(signal="occupancy", value=True), occupied=True),
    "fall": _zigbee("fall", FALL, what="fall"),
    "fall_over": _zigbee("fall", what="none"),
    "lie_down": _zigbee("update", Outcome(signal="bed_occupancy", value="in"), contact=True),
    "get_up": _zigbee("update", Outcome(signal="bed_occupancy", value="left"), contact=False),
    "bridge_offline": _bridge(online=False),
    "bridge_online": _bridge(online=True),
}


# Bluetooth


def _pressure(site: MeterGateway, doing: Doing) -> list[Published]:
    said = doing.options
    meter = site.meters[doing.node]
    return [meter.blood_pressure(float(said["systolic"]), float(said["diastolic"]), 76.0, doing.now_ns)]


def _temperature(site: MeterGateway, doing: Doing) -> list[Published]:
    return [site.meters[doing.node].temperature(float(doing.options["celsius"]))]


def _weigh(site: MeterGateway, doing: Doing) -> list[Published]:
    return [site.meters[doing.node].weight(float(doing.options["kg"]), doing.now_ns)]


METERS: Mapping[str, Action[MeterGateway]] = {
    "blood_pressure": Action(_pressure, Outcome(signal="systolic_pressure", option="systolic", once=True)),
    "temperature": Action(_temperature, Outcome(signal="body_temperature", option="celsius", once=True)),
    "weigh": Action(_weigh, Outcome(signal="body_weight", option="kg", once=True)),
}
MINEW: Mapping[str, Action[MinewFloor]] = {"press": Action(lambda site, doing: site.press(doing.node), CALL)}


def _bthome_press(site: BthomeSite, doing: Doing) -> object:
    return site.says(doing.node, site.devices[doing.node].press(), doing.now_ns)


def _bthome_door(state: int) -> Any:
    def act(site: BthomeSite, doing: Doing) -> object:
        return site.says(doing.node, site.devices[doing.node].says((BTHOME_DOOR, state)), doing.now_ns)

    return act


BTHOME: Mapping[str, Action[BthomeSite]] = {
    "press": Action(_bthome_press, CALL),
    "open": Action(_bthome_door(DOOR_OPEN), Outcome(signal="door", value="open")),
    "close": Action(_bthome_door(DOOR_CLOSED), Outcome(signal="door", value="closed")),
}
OMG: Mapping[str, Action[OmgSite]] = {
    "weigh": Action(
        lambda site, doing: site.weigh(doing.node, float(doing.options["kg"]), doing.now_ns),
        Outcome(signal="body_weight", option="kg", once=True),
    ),
    "press": Action(lambda site, doing: site.press(doing.node), CALL),
}


def _at_distance(metres: float) -> Any:
    def act(room: EspresenseRoom, doing: Doing) -> None:
        room.distances[doing.node] = float(doing.options.get("metres", metres))

    return act


ESPRESENSE: Mapping[str, Action[EspresenseRoom]] = {
    "near": Action(_at_distance(0.8), Outcome(signal="room", option="room")),
    "far": Action(_at_distance(9.0)),
}


# LoRaWAN


def _item(outcome: Outcome, method: str, *said: str) -> Action[LorawanServer]:
    def act(site: LorawanServer, doing: Doing) -> object:
        return site.uplink(doing.node, getattr(site.devices[doing.node], method)(*said), doing.now_ns)

    return Action(act, outcome)


LORAWAN: Mapping[str, Action[LorawanServer]] = {
    "press": Action(lambda site, doing: site.press(doing.node, doing.now_ns), CALL),
    "fall": _item(FALL, "alarm", "fall"),
    "lie_down": _item(Outcome(signal="bed_occupancy", value="in"), "status", "in_bed"),
    "get_up": _item(Outcome(signal="bed_occupancy", value="left"), "status", "out_of_bed"),
}


# Whatever speaks JSON, and ESPHome


def _alink_bed(*, in_bed: bool) -> Any:
    def act(device: AlinkDevice, doing: Doing) -> object:
        device.in_bed = in_bed
        return device.report(doing.now_ns)

    return act


ALINK: Mapping[str, Action[AlinkDevice]] = {
    "press": Action(lambda device, doing: device.event("SOS", doing.now_ns), CALL),
    "fall": Action(lambda device, doing: device.event("FallDetected", doing.now_ns), FALL),
    "lie_down": Action(_alink_bed(in_bed=True), Outcome(signal="bed_occupancy", value="in")),
    "get_up": Action(_alink_bed(in_bed=False), Outcome(signal="bed_occupancy", value="left")),
}


def _heart(site: EsphomeSite, doing: Doing) -> None:
    site.heart_rate = float(doing.options["heart_rate"])


ESPHOME: Mapping[str, Action[EsphomeSite]] = {
    "pull": Action(lambda site, _: site.set(site.SOS, value=True), CALL),
    "reset": Action(lambda site, _: site.set(site.SOS, value=False)),
    "fall": Action(lambda site, _: site.set(site.FALL, value=True), FALL),
    "fall_over": Action(lambda site, _: site.set(site.FALL, value=False)),
    "arrive": Action(lambda site, _: site.set(site.TARGET, value=True), Outcome(signal="presence", value=True)),
    "leave": Action(lambda site, _: site.set(site.TARGET, value=False), Outcome(signal="presence", value=False)),
    "measure": Action(_heart, Outcome(signal="heart_rate", option="heart_rate")),
}


def _below_base(device: SimulatedDevice, node: str) -> str:
    """Nodes of a bridge, and tags of a room node, are called after the base topic."""
    return f"{device.id.partition('/')[0]}/{node}"


ROWS: tuple[SimulatedFamily[Any], ...] = (
    SimulatedFamily("yinling_wearable", WornWearable, OnMqtt(), WEARABLE, ("wearable",)),
    SimulatedFamily("zigbee2mqtt", lambda device, _: ZigbeeSite(device), OnMqtt(), ZIGBEE, ("zigbee",), _below_base),
    SimulatedFamily("ble_gatt", lambda device, _: MeterGateway(device), OnMqtt(), METERS),
    SimulatedFamily("minew", lambda device, _: MinewFloor(device), OnMqtt(), MINEW),
    SimulatedFamily("bthome", lambda device, _: BthomeSite(device), OnMqtt(), BTHOME),
    SimulatedFamily("openmqttgateway", lambda device, _: OmgSite(device), OnMqtt(), OMG),
    SimulatedFamily("espresense", lambda device, _: EspresenseRoom(device), OnMqtt(), ESPRESENSE, (), _below_base),
    SimulatedFamily("chirpstack", lambda device, _: LorawanServer(device), OnMqtt(), LORAWAN),
    SimulatedFamily("thethings", lambda device, _: LorawanServer(device), OnMqtt(), LORAWAN),
    SimulatedFamily("generic_json", lambda device, _: AlinkDevice(device.id), OnMqtt(), ALINK),
    SimulatedFamily("esphome", lambda device, _: EsphomeSite(device), OnMqtt(), ESPHOME),
)
