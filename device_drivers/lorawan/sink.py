"""Collects what one uplink says: observations with the right time and repetition, and notes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from device_drivers.observations import DeviceEvent, Observation, Quality
from device_drivers.signals import reading

if TYPE_CHECKING:
    from device_drivers.lorawan.memory import DeviceMemory, Word


@dataclass(slots=True)
class Sink:
    """One uplink of one device. at_ns: when the network server had it; `sos_presses`: presses that call for help."""

    device_id: str
    memory: DeviceMemory
    at_ns: int
    received_ns: int
    sos_presses: frozenset[str] | None = None
    found: list[Observation] = field(default_factory=list)
    notes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def reading(self, signal: str, value: float | None, quality: Quality = Quality.GOOD) -> None:
        """A number, or None for unknown."""
        self.found.append(reading(self.device_id, signal, value, self.at_ns, self.received_ns, quality))

    def state(self, signal: str, value: Word, quality: Quality = Quality.GOOD) -> None:
        """A state, which may restate what is known."""
        self.event(signal, value, quality, repeat=self.memory.is_known(signal, value))

    def event(
        self,
        signal: str,
        value: Word,
        quality: Quality = Quality.GOOD,
        *,
        repeat: bool = False,
        token: str | None = None,
    ) -> None:
        """Something that happened now."""
        self.memory.known[signal] = value
        self.found.append(
            DeviceEvent(
                self.device_id, signal, value, self.at_ns, self.received_ns, quality, repeat=repeat, token=token
            )
        )

    def stored(self, signal: str, value: Word, at_ns: int, token: str | None = None) -> None:
        """Something that the device kept."""
        self.found.append(DeviceEvent(self.device_id, signal, value, at_ns, self.received_ns, stored=True, token=token))

    def stored_reading(self, signal: str, value: float | None, at_ns: int) -> None:
        """A number that the device kept."""
        self.found.append(reading(self.device_id, signal, value, at_ns, self.received_ns, stored=True))

    def note(self, kind: str, **facts: Any) -> None:
        """A fact that is no signal."""
        self.notes.append((kind, facts))

    def press(self, word: str, *keys: str, sos: bool) -> None:
        """A button was pressed: a call for help where `keys` are set up as such (or by default), else a press.

        word: "single", "double" or "hold". keys: how the set-up may name this press. sos: what holds without set-up.
        """
        calls = sos if self.sos_presses is None else not self.sos_presses.isdisjoint(keys)
        if calls:
            self.event("help_button", True)
        else:
            self.event("button", word)
