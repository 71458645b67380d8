"""What the traffic of each of our families looks like, one small function a family.

`yinling bench drivers` measures with it, and tests/device_drivers/test_every_family.py holds every family to the same
rules. A third party's driver brings its own: `Driver.samples`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulators.samples import messages, streams

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from device_drivers.codec import Driver
    from device_drivers.sample import MessageSample, StreamSample

SAMPLES: Mapping[str, Callable[[], tuple[StreamSample | MessageSample, ...]]] = {
    "yinling_wearable": lambda: (messages.wearable(), streams.wearable()),
    "micradar": lambda: (streams.micradar(),),
    "hilink_tf": lambda: (streams.hilink_tf(),),
    "ld2410": lambda: (streams.ld2410(),),
    "ld2450": lambda: (streams.ld2450(),),
    "bci": lambda: (streams.bci(),),
    "contec": lambda: (streams.contec(),),
    "nonin": lambda: (streams.nonin_waves(), streams.nonin_spots()),
    "watch_3g": lambda: (streams.watch_3g(),),
    "minifinder": lambda: (streams.minifinder(),),
    "jt808": lambda: (streams.jt808(),),
    "emfit": lambda: (streams.emfit(),),
    "modbus_io": lambda: (streams.modbus_io(),),
    "zigbee2mqtt": lambda: (messages.zigbee2mqtt(),),
    "ble_gatt": lambda: (messages.ble_gatt(),),
    "minew": lambda: (messages.minew(),),
    "openmqttgateway": lambda: (messages.openmqttgateway(),),
    "bthome": lambda: (messages.bthome(),),
    "espresense": lambda: (messages.espresense(),),
    "chirpstack": lambda: (messages.lorawan("chirpstack"),),
    "thethings": lambda: (messages.lorawan("thethings"),),
    "generic_json": lambda: (messages.generic_json(),),
    "esphome": lambda: (messages.esphome(),),
}


def samples_of(driver: Driver) -> tuple[StreamSample | MessageSample, ...]:
    """The driver's own samples, or ours; empty for a driver that has none."""
    make = driver.samples or SAMPLES.get(driver.family)
    return make() if make is not None else ()
