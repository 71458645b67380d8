"""What is remembered of each device: known states, to tell news from restatement, and message ids. Bounded."""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_DEVICES = 2_000
KEPT_IDS = 64

Word = bool | str | None


@dataclass(slots=True)
class DeviceMemory:
    """One device."""

    known: dict[str, Word] = field(default_factory=dict)
    ids: dict[str, None] = field(default_factory=dict)
    unmapped: set[str] = field(default_factory=set)

    def is_known(self, signal: str, value: Word) -> bool:
        """Whether the value only restates what was so before; remembers it."""
        same = signal in self.known and self.known[signal] == value
        self.known[signal] = value
        return same

    def is_seen(self, message_id: str) -> bool:
        """Whether a message of this id came before; remembers it."""
        seen = message_id in self.ids
        self.ids[message_id] = None
        if len(self.ids) > KEPT_IDS:
            del self.ids[next(iter(self.ids))]
        return seen


class DeviceMemories:
    """The memory of all devices: the one silent for longest is forgotten first."""

    def __init__(self) -> None:
        self._devices: dict[str, DeviceMemory] = {}

    def __len__(self) -> int:
        return len(self._devices)

    def of(self, device_id: str) -> DeviceMemory:
        """The memory of a device, new if need be."""
        memory = self._devices.pop(device_id, None) or DeviceMemory()
        self._devices[device_id] = memory
        if len(self._devices) > MAX_DEVICES:
            del self._devices[next(iter(self._devices))]
        return memory
