"""A process that stores readings until it is killed, telling what is durable: `python -m tests.gateway.store.child`.

child.py store DATABASE FROM         one reading a nanosecond from FROM, in batches; prints each durable end
child.py hold DATABASE               opens the file, says "open", and waits for the end of its input
child.py forward DATABASE URL        forwards as fast as it can, printing the rows accepted so far
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from device_drivers.observations import DeviceEvent, Reading
from gateway.store.base import StoreOptions
from gateway.store.duckdb_store import DuckDBStore

T0 = 1_760_000_000_000_000_000
BATCH = 400


def store_until_killed(path: Path, first: int) -> None:
    """Store reading number `first` and all that follow, an event with every batch."""
    store = DuckDBStore(StoreOptions(path, checkpoint_mb=1))
    for begin in count(first, BATCH):
        numbers = range(begin, begin + BATCH)
        readings = [Reading("w1", "heart_rate", float(n % 200), T0 + n, T0 + n) for n in numbers]
        store.append(readings, [DeviceEvent("w1", "help_button", True, T0 + begin, T0 + begin)], {"w1": "r1"})
        store.flush()
        print(begin + BATCH, flush=True)


def hold(path: Path) -> None:
    """Keep the file open as another process would."""
    store = DuckDBStore(StoreOptions(path))
    print("open", flush=True)
    sys.stdin.read()
    store.close()


def forward_until_killed(path: Path, url: str) -> None:
    """Forward page after page."""
    from pydantic import SecretStr

    from gateway.store.influx_client import InfluxOptions
    from gateway.store.influx_forwarder import InfluxForwarder

    store = DuckDBStore(StoreOptions(path))
    forwarder = InfluxForwarder(store, InfluxOptions(url, "o", "b", SecretStr("t"), batch_rows=200))
    while forwarder.step() == 0.0:
        print(forwarder.health().rows, flush=True)
    print("done", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    what, file, *rest = sys.argv[1:]
    if what == "store":
        store_until_killed(Path(file), int(rest[0]))
    elif what == "hold":
        hold(Path(file))
    else:
        forward_until_killed(Path(file), rest[0])
