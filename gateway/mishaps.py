"""What could not be decoded, kept apart by where it came from: how often, and the latest bytes, for diagnosis."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from device_drivers.codec import Codec, Rejection

KEPT_LATEST = 3
MAX_PLACES = 1_000
"""Topics or devices with mishaps of their own; the oldest are forgotten."""
DELIBERATE = frozenset({"retained", "duplicate"})
"""Reasons that a codec counts although it understood: old or doubled messages are left out on purpose."""


@dataclass(frozen=True, slots=True)
class Mishap:
    """One piece of input that was not understood. received_ns: UTC. topic: "" where it came over a line."""

    received_ns: int
    reason: str
    raw: bytes
    topic: str = ""


@dataclass(slots=True)
class Mishaps:
    """All mishaps of one place: how many, and the latest ones."""

    count: int = 0
    latest: deque[Mishap] = field(default_factory=lambda: deque(maxlen=KEPT_LATEST))

    def join(self, others: Iterable[Mishaps]) -> Mishaps:
        """These and others in one, the latest of all last."""
        parts = [self, *others]
        latest = sorted((one for part in parts for one in part.latest), key=lambda one: one.received_ns)
        return Mishaps(sum(part.count for part in parts), deque(latest[-KEPT_LATEST:], KEPT_LATEST))


class MishapLog:
    """Follows the rejections of one codec. A place is the topic or the device that a rejection names, "" for none."""

    def __init__(self) -> None:
        self.by_place: OrderedDict[str, Mishaps] = OrderedDict()
        self._known: dict[str, int] = {}
        self._total = 0

    def follow(self, codec: Codec, received_ns: int) -> None:
        """Take over what the codec has rejected since the last call. Cheap where that is nothing."""
        rejected = codec.health.rejected
        total = rejected.total()
        if total == self._total:
            return
        new = {reason: n - self._known.get(reason, 0) for reason, n in rejected.items()}
        wanted = {reason: n for reason, n in new.items() if n > 0 and reason not in DELIBERATE}
        self._known, self._total = dict(rejected), total
        found: list[Rejection] = []
        for one in reversed(codec.rejections):
            if wanted.get(one.reason, 0) > 0:
                wanted[one.reason] -= 1
                found.append(one)
        for one in reversed(found):
            self._keep(one, received_ns)
        missed = sum(wanted.values())
        if missed:
            self._place("").count += missed

    def _keep(self, one: Rejection, received_ns: int) -> None:
        topic, device = one.detail.get("topic"), one.detail.get("device")
        place = self._place(str(device or topic or ""))
        place.count += 1
        place.latest.append(Mishap(received_ns, one.reason, one.raw, str(topic or "")))

    def _place(self, name: str) -> Mishaps:
        found = self.by_place.setdefault(name, Mishaps())
        self.by_place.move_to_end(name)
        if len(self.by_place) > MAX_PLACES:
            self.by_place.popitem(last=False)
        return found


class Namer:
    """Tells which device a place belongs to: the device itself, or a topic that contains its id."""

    def __init__(self, device_ids: Iterable[str]) -> None:
        self._ids: dict[str, str] = {}
        shorts: dict[str, set[str]] = {}
        for device_id in device_ids:
            self._ids[_plain(device_id)] = device_id
            shorts.setdefault(_plain(device_id).rpartition("/")[2], set()).add(device_id)
        for short, owners in shorts.items():
            if len(owners) == 1:
                self._ids.setdefault(short, next(iter(owners)))

    def owner(self, place: str) -> str | None:
        """The device, by the longest part of the place that is its id; None where no device is named."""
        levels = _plain(place).split("/")
        for length in range(len(levels), 0, -1):
            for start in range(len(levels) - length + 1):
                found = self._ids.get("/".join(levels[start : start + length]))
                if found is not None:
                    return found
        return None

    def by_owner(self, places: Mapping[str, Mishaps]) -> dict[str, Mishaps]:
        """The mishaps of each device that is named by some place."""
        found: dict[str, list[Mishaps]] = {}
        for place, mishaps in places.items():
            owner = self.owner(place)
            if owner is not None:
                found.setdefault(owner, []).append(mishaps)
        return {owner: parts[0].join(parts[1:]) for owner, parts in found.items()}


def _plain(text: str) -> str:
    """Bluetooth addresses are written in several ways."""
    return text.replace(":", "").replace("-", "").upper()
