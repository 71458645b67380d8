"""The real command under a service manager: what it hears, and what the next start says about a kill."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEADLINE_S = 120.0


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@contextmanager
def gateway(folder: Path, notify: str) -> Iterator[subprocess.Popen[bytes]]:
    """`yinling run` as a process of its own; killed at the end if it still runs."""
    command = [sys.executable, "-m", "gateway.cli", "run", "--config", str(folder / "yinling.toml")]
    environment = {**os.environ, "NOTIFY_SOCKET": notify}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, cwd=Path.cwd(), stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def kinds(folder: Path) -> list[tuple[str, str]]:
    """Kind and cause of every alert in the database."""
    with closing(sqlite3.connect(folder / "var" / "gateway.sqlite", timeout=60)) as database:
        rows = database.execute("SELECT kind, evidence FROM alerts").fetchall()
    return [(kind, json.loads(evidence).get("cause", "")) for kind, evidence in rows]


def test_what_the_service_manager_hears_and_what_a_kill_leaves(tmp_path: Path, free_port: int) -> None:
    text = f"[api]\nport = {free_port}\n[mqtt]\nembedded = false\nfamilies = []\n[watch]\noff_s = 1\n"
    (tmp_path / "yinling.toml").write_text(text, encoding="utf-8")
    heard: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as manager:
        name = os.path.relpath(tmp_path / "notify")
        manager.bind(name)

        def hears(wanted: bytes, times: int = 1) -> bool:
            try:
                while True:
                    heard.append(manager.recv(256))
            except BlockingIOError:
                return heard.count(wanted) >= times

        with gateway(tmp_path, name) as process:
            until(lambda: hears(b"WATCHDOG=1", 2), "no sign of life")
            assert heard[0] == b"READY=1"
            assert kinds(tmp_path) == []
            process.send_signal(signal.SIGKILL)
            process.wait()
            stamp = json.loads((tmp_path / "var" / "alive.json").read_bytes())
            assert stamp["ended"] is False
        until(lambda: time.time_ns() - stamp["at_ns"] > 1.5e9, "time stands still")
        heard.clear()
        with gateway(tmp_path, name) as process:
            until(lambda: hears(b"WATCHDOG=1"), "no sign of life after the kill")
            until(lambda: ("box_was_off", "crash") in kinds(tmp_path), "the outage is not told")
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE_S) == 0
            assert hears(b"STOPPING=1")
            assert json.loads((tmp_path / "var" / "alive.json").read_bytes())["ended"] is True
