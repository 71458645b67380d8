"""A home (or a ward) of simulated devices on real transports: MQTT, each with its own account, and ptys.

`python -m simulators.home SCENARIO --accounts FILE --links FOLDER --truth FILE` plays a scenario in real time and
writes what truly happened, and when, as JSON lines: what a gateway must have noticed is judged against these.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simulators.home_devices import PlayedRadar, PlayedWearable, PlayedZigbee
from simulators.scenario import EMERGENCIES, Scenario, load_scenario
from simulators.uplink import Account

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulators.home_devices import Played
    from simulators.scenario import Happening, SimulatedDevice

TICK_S = 0.02


@dataclass(frozen=True, slots=True)
class Accounts:
    """Where the broker is, and each device's password."""

    host: str
    port: int
    passwords: dict[str, str]

    def of(self, device_id: str) -> Account:
        """The account of a device; without a password it logs in with an empty one."""
        return Account(self.host, self.port, device_id, self.passwords.get(device_id, ""))


@dataclass(frozen=True, slots=True)
class Truth:
    """What happened: the device, what it did, the kind of alert it calls for (None: no emergency), and when."""

    device: str
    do: str
    kind: str | None
    at_ns: int


class Home:
    """Plays one scenario. truth: called with every happening as it happens."""

    def __init__(
        self,
        scenario: Scenario,
        accounts: Accounts,
        links: Path,
        truth: Callable[[Truth], None],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._scenario = scenario
        self._truth = truth
        self._clock = clock
        seeds = np.random.SeedSequence(scenario.seed).spawn(len(scenario.devices))
        self._devices: dict[str, Played] = {
            device.id: _played(device, accounts, links, np.random.default_rng(seed))
            for device, seed in zip(scenario.devices, seeds, strict=True)
        }

    async def run(self, stop: asyncio.Event) -> None:
        """Play until `stop`; after the last happening life goes on."""
        uplinks = [asyncio.create_task(uplink.run()) for one in self._devices.values() if (uplink := one.uplink)]
        started_ns = self._clock()
        left = list(self._scenario.happenings)
        try:
            while not stop.is_set():
                now_ns = self._clock()
                while left and left[0].at_s * 1e9 <= now_ns - started_ns:
                    self._happen(left.pop(0), now_ns)
                for device in self._devices.values():
                    device.tick(now_ns)
                await asyncio.sleep(TICK_S)
        finally:
            for task in uplinks:
                task.cancel()
            await asyncio.gather(*uplinks, return_exceptions=True)
            for device in self._devices.values():
                device.close()

    def _happen(self, happening: Happening, now_ns: int) -> None:
        at_ns = self._devices[happening.device].happen(happening.do, happening.options, now_ns)
        kind = EMERGENCIES.get((self._scenario.device(happening.device).type, happening.do))
        self._truth(Truth(self._source(happening), happening.do, kind, at_ns))

    def _source(self, happening: Happening) -> str:
        """The device as the gateway knows it: a Zigbee node is called after its network's base topic."""
        node = happening.options.get("node")
        return happening.device if node is None else f"{happening.device.removesuffix('/bridge')}/{node}"


def _played(device: SimulatedDevice, accounts: Accounts, links: Path, rng: np.random.Generator) -> Played:
    if device.type == "wearable":
        return PlayedWearable(device, accounts.of(device.id), rng)
    if device.type == "radar":
        return PlayedRadar(device, links)
    return PlayedZigbee(device, accounts.of(device.id))


def main(arguments: list[str] | None = None) -> None:
    """Play a scenario until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m simulators.home", description=__doc__)
    parser.add_argument("scenario", type=Path)
    parser.add_argument("--accounts", type=Path, required=True)
    parser.add_argument("--links", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True)
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    accounts = Accounts(**json.loads(given.accounts.read_text(encoding="utf-8")))
    with given.truth.open("a", encoding="utf-8") as file:

        def write(truth: Truth) -> None:
            file.write(json.dumps(asdict(truth)) + "\n")
            file.flush()

        home = Home(load_scenario(given.scenario), accounts, given.links, write)
        asyncio.run(_until_signal(home))


async def _until_signal(home: Home) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await home.run(stop)


if __name__ == "__main__":
    main()
