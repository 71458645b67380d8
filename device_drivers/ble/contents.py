"""What the data of one advertisement says, before it is known whether it is news."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from device_drivers.observations import Quality

if TYPE_CHECKING:
    from datetime import datetime


class Beacon(NamedTuple):
    """An iBeacon. tx_power: dBm at one metre."""

    uuid: str
    major: int
    minor: int
    tx_power: int


class Press(NamedTuple):
    """A button's event: one of the words of signal `button`; button counts the buttons of one device from 1."""

    word: str
    button: int = 1


@dataclass(slots=True)
class Contents:
    """packet: the device's number of what it says; the same number is the same press and the same values.

    mac: the device's own address, where the data has it. once: a measurement with an identity, equal bytes are the same
    one; time: its wall clock. report: facts that are no signal; identity: what the device is. beacons: iBeacons heard.
    """

    readings: dict[str, tuple[float | None, Quality]] = field(default_factory=dict)
    states: dict[str, bool | str | None] = field(default_factory=dict)
    presses: list[Press] = field(default_factory=list)
    beacons: list[Beacon] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)
    identity: dict[str, Any] = field(default_factory=dict)
    packet: int | None = None
    mac: str | None = None
    once: bytes | None = None
    time: datetime | None = None

    def add(self, signal: str, value: float | None, quality: Quality = Quality.GOOD) -> None:
        """A reading; of several of the same kind the first counts, the others are facts."""
        if signal in self.readings:
            self.also(signal, value)
        else:
            self.readings[signal] = (value, quality)

    def also(self, name: str, value: Any) -> None:
        """A fact that is no signal; further ones of the same name are numbered."""
        key, number = name, 1
        while key in self.report:
            number += 1
            key = f"{name}_{number}"
        self.report[key] = value

    @property
    def says_something(self) -> bool:
        """Whether there is more in it than the presence of a beacon."""
        return bool(self.readings or self.states or self.presses)
