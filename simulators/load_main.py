"""A crowd of wearables for load: one message a second each, spread evenly, through one connection with QoS 1.

`python -m simulators.load_main --account FILE --wearers N --seconds S` prints one JSON line a second: how many were
sent and acknowledged, and how far the generator itself is behind its plan. Falls happen at seeded moments.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simulators.mqtt_load import LoadPublisher
from simulators.wearable_load import make_payloads

if TYPE_CHECKING:
    from collections.abc import Sequence

SLICES = 50
"""Pieces of each second, so that messages come evenly and not all at once."""


async def crowd(account: dict[str, Any], wearers: int, seconds: int, falls: int, seed: int) -> None:
    """Send, and report each second."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(wearers, size=min(falls, wearers), replace=False).tolist()
    when = {wearer: int(rng.integers(5, max(6, seconds - 20))) for wearer in chosen}
    publisher = LoadPublisher()
    await publisher.connect(account["host"], account["port"], f"load-{seed}", account["username"], account["password"])
    start_ns = time.time_ns()
    say({"start_ns": start_ns, "falls": {f"load-{wearer}": second for wearer, second in when.items()}})
    batches = make_payloads(wearers, seconds, start_ns=start_ns - 10**9, rng=rng, falls=when)
    for second, batch in enumerate(batches):
        await _spread(publisher, batch, start_ns / 1e9 + second)
        behind_s = time.time() - (start_ns / 1e9 + second + 1)
        say(
            {
                "second": second,
                "sent": publisher.counts.sent,
                "acknowledged": publisher.counts.acknowledged,
                "behind_s": round(behind_s, 3),
            }
        )
    await publisher.close()


async def _spread(publisher: LoadPublisher, batch: Sequence[tuple[str, bytes]], begin_s: float) -> None:
    size = -(-len(batch) // SLICES)
    for number in range(SLICES):
        await publisher.publish(batch[number * size : (number + 1) * size])
        await asyncio.sleep(max(0.0, begin_s + (number + 1) / SLICES - time.time()))


def say(line: dict[str, Any]) -> None:
    """One JSON line, at once."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m simulators.load_main", description=__doc__)
    parser.add_argument("--account", type=Path, required=True, help="JSON: host, port, username, password")
    parser.add_argument("--wearers", type=int, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--falls", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    account = json.loads(given.account.read_text(encoding="utf-8"))
    asyncio.run(crowd(account, given.wearers, given.seconds, given.falls, given.seed))


if __name__ == "__main__":
    main()
