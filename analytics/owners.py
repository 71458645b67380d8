"""Whose devices they are: what belongs to one resident is judged together, what nobody wears for itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


class _OfSomebody(Protocol):
    resident_id: str | None


AnyOwner = TypeVar("AnyOwner", bound=_OfSomebody)


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


def of_residents(owners: Mapping[str, AnyOwner], only: Iterable[str] | None) -> Iterator[tuple[str, AnyOwner]]:
    """Those of residents, with the resident: of these residents who are watched, None: of all. owners: by their key."""
    for key in owners if only is None else (owner_key("", resident_id) for resident_id in only):
        owner = owners.get(key)
        if owner is not None and owner.resident_id is not None:
            yield owner.resident_id, owner
