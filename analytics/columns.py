"""Observations as arrays, made once for all detectors: a batch of ten thousand readings is looked at as a whole.

A detector that offers `take(columns, chosen)` beside `ingest(observations)` is given the arrays and the places of
what it wants (ascending: in the order of arrival). Its `ingest` is `take(columns, everything(columns))`.
"""

from __future__ import annotations

from functools import cached_property
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np

from device_drivers.observations import Quality, Reading
from device_drivers.signals import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from device_drivers.observations import Observation

SIGNAL_CODE: Mapping[str, int] = {name: code for code, name in enumerate(SIGNALS)}
UNKNOWN = len(SIGNAL_CODE)
"""The code of a signal that the table does not have."""
FURTHEST_NS = 2**62
"""Times further from 1970 than this (146 years) become this: far outside what any detector takes."""


class Columns:
    """What observations have in common, each (n,), computed when first asked for.

    signal: index into SIGNALS, or UNKNOWN. reading: whether it is a `Reading`. value: float64, NaN where absent and for
    everything that is no reading. good: of good quality. at_ns, received_ns: int64.
    """

    def __init__(self, observations: Sequence[Observation], names: Names | None = None) -> None:
        self.observations = observations
        self.size = len(observations)
        self.names = names

    @cached_property
    def signal(self) -> NDArray[np.int64]:
        """Codes of the signals."""
        codes = map(SIGNAL_CODE.get, [o.signal for o in self.observations], repeat(UNKNOWN))
        return np.fromiter(codes, np.int64, self.size)

    @cached_property
    def device_id(self) -> list[str]:
        """Names of the devices."""
        return [o.device_id for o in self.observations]

    @cached_property
    def reading(self) -> NDArray[np.bool_]:
        """Which are readings."""
        return np.array([type(o) is Reading for o in self.observations], dtype=np.bool_)

    @cached_property
    def value(self) -> NDArray[np.float64]:
        """Values of the readings."""
        if self.reading.all():
            values = [o.value for o in self.observations]  # type: ignore[union-attr]
        else:
            values = [o.value if type(o) is Reading else None for o in self.observations]
        return np.array(values, dtype=np.float64)

    @cached_property
    def derived(self) -> NDArray[np.bool_]:
        """Which are readings that the gateway has computed from a wave."""
        return np.array([type(o) is Reading and o.derived for o in self.observations], dtype=np.bool_)

    @cached_property
    def good(self) -> NDArray[np.bool_]:
        """Which are of good quality."""
        good = Quality.GOOD
        return np.array([o.quality is good for o in self.observations], dtype=np.bool_)

    @cached_property
    def stored(self) -> NDArray[np.bool_]:
        """Which the device had kept."""
        return np.array([o.stored for o in self.observations], dtype=np.bool_)

    @cached_property
    def at_ns(self) -> NDArray[np.int64]:
        """When they happened, UTC."""
        return _times([o.at_ns for o in self.observations])

    @cached_property
    def received_ns(self) -> NDArray[np.int64]:
        """When they were received, UTC."""
        return _times([o.received_ns for o in self.observations])

    @cached_property
    def device(self) -> NDArray[np.int64]:
        """Numbers of the devices in `names`, -1 where they are not in it."""
        numbers = {} if self.names is None else self.names.numbers
        return np.fromiter(map(numbers.get, self.device_id, repeat(-1)), np.int64, self.size)


class Names:
    """Numbers of devices, the same for all detectors of an engine, so that each name is looked up once a batch."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.version = 0
        self._free: list[int] = []

    @property
    def spare(self) -> int:
        """Numbers that were given out and taken back."""
        return len(self._free)

    def add(self, device_id: str) -> None:
        """Give it a number, once."""
        if device_id not in self.numbers:
            self.numbers[device_id] = self._free.pop() if self._free else len(self.numbers)
            self.version += 1

    def remove(self, device_id: str) -> None:
        """Take its number back; unknown ones are ignored."""
        number = self.numbers.pop(device_id, None)
        if number is not None:
            self._free.append(number)
            self.version += 1


class Slots:
    """The slots of a detector's devices by name, and for a whole batch at once."""

    def __init__(self) -> None:
        self._slot_of: dict[str, int] = {}
        self._table: NDArray[np.int64] | None = None
        self._made_for: tuple[Names, int] | None = None

    def get(self, device_id: str) -> int:
        """The slot of a device, -1 where it has none."""
        return self._slot_of.get(device_id, -1)

    def put(self, device_id: str, slot: int) -> None:
        """The device has this slot from now on."""
        self._slot_of[device_id] = slot
        self._table = None

    def remove(self, device_id: str) -> int:
        """The device has none any more; which it had. Raises KeyError where it had none."""
        self._table = None
        return self._slot_of.pop(device_id)

    def of(self, columns: Columns, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        """Slots of the devices of the chosen ones, -1 where the detector does not know the device."""
        names = columns.names
        if names is None:
            found = map(self._slot_of.get, map(columns.device_id.__getitem__, chosen.tolist()), repeat(-1))
            return np.fromiter(found, np.int64, chosen.size)
        if self._table is None or self._made_for != (names, names.version):
            self._table = np.full(len(names.numbers) + names.spare + 1, -1, dtype=np.int64)
            for device_id, slot in self._slot_of.items():
                self._table[names.numbers.get(device_id, -1)] = slot
            self._table[-1] = -1
            self._made_for = names, names.version
        return np.asarray(self._table[columns.device[chosen]])


def everything(columns: Columns) -> NDArray[np.int64]:
    """The places of all of them."""
    return np.arange(columns.size)


def wanted_codes(signals: Iterable[str] | None) -> NDArray[np.bool_]:
    """Which codes a detector wants, (UNKNOWN + 1,). None: all. One with a signal of its own wants all unknown ones."""
    wanted = np.zeros(UNKNOWN + 1, dtype=np.bool_)
    if signals is None:
        wanted[:] = True
    else:
        wanted[[SIGNAL_CODE.get(name, UNKNOWN) for name in signals]] = True
    return wanted


def coded(of: Callable[[str], int | None], absent: int = -1) -> NDArray[np.int64]:
    """A table from codes to a detector's own numbers of the signals, `absent` where it has none."""
    return np.array([absent if (own := of(name)) is None else own for name in SIGNALS] + [absent], dtype=np.int64)


def _times(times: list[int]) -> NDArray[np.int64]:
    try:
        return np.array(times, dtype=np.int64)
    except OverflowError:
        return np.array([max(-FURTHEST_NS, min(FURTHEST_NS, one)) for one in times], dtype=np.int64)
