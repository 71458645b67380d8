"""A home (or a care centre) of simulated devices on real transports, each as it is in life.

`python -m simulators.home SCENARIO --accounts FILE --links FOLDER --truth FILE` plays a scenario in real time and
writes what truly happened, and when, as JSON lines: what a gateway must have noticed is judged against these. The
devices live from the start; with `--begin FILE` the story waits until that file is there, and `--ready FILE` is made
once a gateway can find the serial ports.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simulators.families import find_family
from simulators.played import Played
from simulators.scenario import Scenario, load_scenario
from simulators.wires import Accounts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simulators.played import Value
    from simulators.scenario import Happening

__all__ = ["Accounts", "Home", "Truth", "main"]

TICK_S = 0.02
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Truth:
    """What happened: the device as a gateway knows it, what it did, and when.

    kind: the kind of alert that it calls for, None for none. signal, value: what must be in the history instead.
    after_s: how long it must last before a gateway can conclude it. once: it must be in the history once only.
    """

    device: str
    do: str
    kind: str | None
    at_ns: int
    family: str = ""
    signal: str | None = None
    value: Value | None = None
    after_s: float = 0.0
    once: bool = False


class Home:
    """Plays one scenario. truth: called with every happening as it happens. begin: when the story may begin."""

    def __init__(
        self,
        scenario: Scenario,
        accounts: Accounts,
        links: Path,
        truth: Callable[[Truth], None],
        begin: Callable[[], bool] = lambda: True,
    ) -> None:
        self._scenario = scenario
        self._truth = truth
        self._begin = begin
        self._clock = accounts.clock
        placed = replace(accounts, links=links)
        seeds = np.random.SeedSequence(scenario.seed).spawn(len(scenario.devices))
        self.devices: dict[str, Played] = {
            device.id: Played(find_family(device.family), device, placed, np.random.default_rng(seed))
            for device, seed in zip(scenario.devices, seeds, strict=True)
        }

    async def run(self, stop: asyncio.Event) -> None:
        """Play until `stop`; after the last happening life goes on."""
        running = [asyncio.create_task(one.way.run(), name=one.device.id) for one in self.devices.values()]
        started_ns: int | None = None
        left = list(self._scenario.happenings)
        try:
            while not stop.is_set():
                now_ns = self._clock()
                if started_ns is None and self._begin():
                    started_ns = now_ns
                while started_ns is not None and left and left[0].at_s * 1e9 <= now_ns - started_ns:
                    self._happen(left.pop(0), now_ns)
                for one in self.devices.values():
                    one.way.tick(now_ns)
                _check(running)
                await asyncio.sleep(TICK_S)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            for one in self.devices.values():
                one.way.close()

    def _happen(self, happening: Happening, now_ns: int) -> None:
        played = self.devices[happening.device]
        at_ns = played.happen(happening.do, happening.options, now_ns)
        outcome = played.row.actions[happening.do].outcome
        family, device = played.row.family, self._scenario.known_as(happening)
        if outcome is None:
            self._truth(Truth(device, happening.do, None, at_ns, family))
            return
        value = outcome.expected(happening.options)
        said = (outcome.signal, value, outcome.after_s, outcome.once)
        self._truth(Truth(device, happening.do, outcome.alert, at_ns, family, *said))


def _check(tasks: Sequence[asyncio.Task[None]]) -> None:
    """A device whose wire cannot be had (a port that is taken) ends the play. Raises what it raised."""
    for task in tasks:
        if task.done():
            task.result()


def main(arguments: list[str] | None = None) -> None:
    """Play a scenario until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m simulators.home", description=__doc__)
    parser.add_argument("scenario", type=Path)
    parser.add_argument("--accounts", type=Path, required=True)
    parser.add_argument("--links", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--begin", type=Path, help="the story waits until this file is there")
    parser.add_argument("--ready", type=Path, help="a file to make once every serial port is there")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    accounts = Accounts(**json.loads(given.accounts.read_text(encoding="utf-8")))
    with given.truth.open("a", encoding="utf-8") as file:

        def write(truth: Truth) -> None:
            file.write(json.dumps(asdict(truth)) + "\n")
            file.flush()
            log.info("%s: %s%s", truth.device, truth.do, f" ({truth.kind})" if truth.kind else "")

        def may_begin() -> bool:
            return given.begin is None or given.begin.exists()

        home = Home(load_scenario(given.scenario), accounts, given.links, write, may_begin)
        if given.ready is not None:
            given.ready.touch()
        asyncio.run(_until_signal(home))


async def _until_signal(home: Home) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await home.run(stop)


if __name__ == "__main__":
    main()
