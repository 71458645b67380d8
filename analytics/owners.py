"""Whose devices they are: what belongs to one resident is judged together, what nobody wears for itself."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Owner:
    """A resident, or a device of nobody. row: of the detector's tables."""

    key: str
    resident_id: str | None
    row: int
    devices: set[str] = field(default_factory=set)


def owner_key(device_id: str, resident_id: str | None) -> str:
    """By which name a detector finds the owner of a device; with a resident the device does not matter."""
    return f"resident {resident_id}" if resident_id is not None else f"device {device_id}"
