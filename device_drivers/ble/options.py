"""The options that all families of Bluetooth advertisements share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from device_drivers.ble.addresses import device_id
from device_drivers.ble.bthome import KEY_BYTES
from device_drivers.ble.clock import checked_offset

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SECOND_NS = 1_000_000_000
QUIET_S = 60.0
SHOW_ALL: Mapping[str, bool] = {"everything": True}
"""For looking at captures."""


@dataclass(frozen=True, slots=True)
class BleOptions:
    """devices: the only ones to be listened to, all if empty. help_buttons: every press of these calls for help.

    beacon_quiet_ns: a pendant's beacon after so long without one is a press. rooms: the room of each gateway, by its
    name or address. keys: encryption keys by device. offset_ns: what wall clocks of scales are ahead of UTC.
    everything: also devices that say nothing we know, and addresses that phones make up.
    """

    devices: frozenset[str] = frozenset()
    help_buttons: frozenset[str] = frozenset()
    beacon_quiet_ns: int = round(QUIET_S * SECOND_NS)
    rooms: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    offset_ns: int = 8 * 3600 * SECOND_NS
    everything: bool = False

    def lists(self, name: str) -> bool:
        """Whether the site has named the device."""
        return name in self.devices or name in self.help_buttons

    def admits(self, name: str) -> bool:
        """Whether the device is to be listened to."""
        return not self.devices or self.lists(name)


def checked(given: Mapping[str, Any]) -> BleOptions:
    """The options out of a configuration. Raises ValueError that names the wrong one."""
    return BleOptions(
        devices=_names(given, "devices"),
        help_buttons=_names(given, "help_buttons"),
        beacon_quiet_ns=round(_quiet(given.get("beacon_quiet_s", QUIET_S)) * SECOND_NS),
        rooms={_name("rooms", gateway): _room(room) for gateway, room in _mapping(given, "rooms").items()},
        keys={_name("bindkeys", device): _key(key) for device, key in _mapping(given, "bindkeys").items()},
        offset_ns=checked_offset(given),
        everything=given.get("everything") is True,
    )


def topics(given: Mapping[str, Any], default: Iterable[str]) -> list[str]:
    """Option `topics`, the topic filters to listen to. Raises ValueError."""
    listed = given.get("topics", list(default))
    if not isinstance(listed, list | tuple) or not listed or not all(isinstance(t, str) and t for t in listed):
        raise ValueError(f"topics is {listed!r}; give a list of MQTT topic filters")
    return list(listed)


def _names(given: Mapping[str, Any], option: str) -> frozenset[str]:
    listed = given.get(option, ())
    good = isinstance(listed, list | tuple)
    if not good:
        raise ValueError(f"{option} is {listed!r}; give a list of Bluetooth addresses")
    return frozenset(_name(option, one) for one in listed)


def _name(option: str, text: Any) -> str:
    found = device_id(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"{option} has {text!r}; give a Bluetooth address, for example C3:00:00:7B:57:3C")
    return found


def _mapping(given: Mapping[str, Any], option: str) -> Mapping[str, Any]:
    found = given.get(option, {})
    good = isinstance(found, dict)
    if not good:
        raise ValueError(f"{option} is {found!r}; give a table by address")
    return dict(found)


def _room(room: Any) -> str:
    if not isinstance(room, str) or not 0 < len(room) <= 64 or not room.isprintable():
        raise ValueError(f"rooms has {room!r}; give the name of a room")
    return room


def _key(key: Any) -> bytes:
    try:
        found = bytes.fromhex(key)
    except (TypeError, ValueError):
        found = b""
    if len(found) != KEY_BYTES:
        raise ValueError(f"bindkeys needs {2 * KEY_BYTES} hexadecimal digits for each device")
    return found


def _quiet(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 3600:
        raise ValueError(f"beacon_quiet_s is {value!r}; give 1 to 3600 seconds")
    return float(value)
