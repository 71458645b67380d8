"""Exchanges a part of the engine that has failed: the others keep what they know, the new one learns what can be told.

The new part is given the latest seconds again. What it cannot stand is searched by halving and left out, so that one
device's bad data takes no other device's with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from analytics.engine import Engine
    from analytics.findings import Detector, Finding
    from device_drivers.observations import Observation

MOST_TRIES = 256
"""Bounds the search for what a part cannot stand; what is still doubtful then is left out as well."""
REST_NS = 60 * 1_000_000_000
DeviceOptions = dict[str, object]
Devices = dict[str, tuple[str | None, DeviceOptions]]


class Mender:
    """Makes a new part and finds out what it can be given.

    make: a fresh part. devices: device -> (resident, options that this part knows). now_ns: as for `step`.
    """

    def __init__(self, make: Callable[[], Detector], devices: Devices, now_ns: int) -> None:
        self._make = make
        self._devices = devices
        self._now_ns = now_ns
        self._tries = 0

    def mend(self, units: Sequence[Sequence[Observation]]) -> tuple[Detector, list[Finding], int]:
        """The new part, what it has found, and how many of the units were left out.

        units: observations that belong together (the latest seconds of one device, one event); each in order.
        """
        good = self._bearable(list(units))
        done = self._attempt(good)
        if done is None:
            good, done = [], self._attempt([])
        if done is None:  # it cannot even be made and stepped: it must not be asked again every turn
            return _Silent(self._now_ns), [], len(units)
        return *done, len(units) - len(good)

    def _bearable(self, units: list[Sequence[Observation]]) -> list[Sequence[Observation]]:
        if not units or self._tries >= MOST_TRIES:
            return []
        if self._attempt(units) is not None:
            return units
        half = len(units) // 2
        return self._bearable(units[:half]) + self._bearable(units[half:]) if half else []

    def _attempt(self, units: list[Sequence[Observation]]) -> tuple[Detector, list[Finding]] | None:
        self._tries += 1
        observations = sorted((one for unit in units for one in unit), key=lambda one: one.received_ns)
        try:
            part = self._make()
            for device_id, (resident_id, options) in self._devices.items():
                part.attach(device_id, resident_id, **options)
            part.ingest(observations)
            return part, part.step(self._now_ns)
        except Exception:  # noqa: BLE001 - the answer to the question is no
            return None


class _Silent:
    """Stands for a while where a part stood that fails whatever it is given; then that part is tried again."""

    def __init__(self, now_ns: int) -> None:
        self._until_ns = now_ns + REST_NS

    def attach(self, device_id: str, resident_id: str | None, **options: object) -> None:
        """Nothing is watched."""

    def detach(self, device_id: str) -> None:
        """Nothing is watched."""

    def ingest(self, observations: Sequence[Observation]) -> None:
        """Nothing is kept."""

    def step(self, now_ns: int) -> list[Finding]:
        """Nothing is found. Raises RuntimeError when it is time to try the part again."""
        if now_ns >= self._until_ns:
            raise RuntimeError("a part that could not be started is tried again")
        return []


def exchange_failed(
    engine: Engine,
    number: int,
    fresh: Callable[[], Engine],
    devices: Mapping[str, tuple[str | None, Mapping[str, object]]],
    past: Sequence[Sequence[Observation]],
    now_ns: int,
) -> int:
    """Exchange one failed part of an engine; how many units of the past could not be given to the new one.

    fresh: makes an engine of the same parts. past: units of observations, of any signals.
    """
    _, wants = engine.detector(number)
    units = [[one for one in unit if wants is None or one.signal in wants] for unit in past]
    known = engine.options_of(number)
    wanted: Devices = {
        device_id: (resident_id, {name: value for name, value in options.items() if name in known})
        for device_id, (resident_id, options) in devices.items()
    }
    mender = Mender(lambda: fresh().detector(number)[0], wanted, now_ns)
    part, found, left_out = mender.mend([unit for unit in units if unit])
    engine.exchange(number, part, found)
    return left_out
