"""A whole site on loopback for demo, replay, bench and tests: gateway, stand-in 助急 service and devices as processes.

Everything lies in one folder; ports are free ones; processes are ended by their own id.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import psutil

from device_drivers.registry import find_driver
from gateway.api.keys import KeyStore
from gateway.api.scopes import Role
from gateway.broker.config import hash_password, write_private
from gateway.cli.toml_text import toml_block
from gateway.database import open_database
from gateway.registry import Device, Registry, Resident
from gateway.wiring import CALLBACK_PATH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

START_S = 90.0
STOP_S = 10.0
POLL_S = 0.05
BY = "rig"
BROKER_PID = "var/broker/broker.pid"
HASTE = ("--speed=20", "--on-scene-s=60", "--resolved-s=40")
"""The people of the stand-in service are close by and work 20 times faster, so that a day's pieces fit into 90 s."""


class RigError(RuntimeError):
    """A process of the site did not come up; the text has the end of its log."""


@dataclass(frozen=True, slots=True)
class RigDevice:
    """One device of the site. resident: whose; serial_link: name of the pty's link for a serial device.

    line: the whole `[[serial]]` block, for one that is reached otherwise. options: as in the registry. account: whether
    it logs in to the broker itself, where its family may.
    """

    id: str
    family: str
    resident: str | None = "r1"
    room: str = ""
    serial_link: str | None = None
    line: Mapping[str, Any] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    account: bool = True


@dataclass(slots=True)
class Rig:
    """The site. `prepare`, then `start_*`; `stop` ends everything. passwords: MQTT password of each device.

    tcp: whether devices call a TCP port. ports: those that simulated devices open, by device.
    """

    folder: Path
    language: str = "zh-CN"
    residents: Sequence[Resident] = (Resident("r1", "王秀英", 1941, "female", "101"),)
    devices: Sequence[RigDevice] = ()
    cancel_window_s: float = 20.0
    api_port: int = 0
    extra_settings: str = ""
    tcp: bool = False
    mqtt_port: int = 0
    tcp_port: int = 0
    assist_port: int = 0
    ports: dict[str, int] = field(default_factory=dict)
    key: str = field(default="", repr=False)
    key_id: str = ""
    passwords: dict[str, str] = field(default_factory=dict, repr=False)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def api_url(self) -> str:
        """Address of API and console."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def config(self) -> Path:
        """The settings file."""
        return self.folder / "yinling.toml"

    @property
    def assist_record(self) -> Path:
        """What the stand-in service received and did, as JSON lines."""
        return self.folder / "assist.jsonl"

    def prepare(self) -> None:
        """Write settings, secrets and registry."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.api_port = self.api_port or free_port()
        self.mqtt_port, self.assist_port = free_port(), free_port()
        self.tcp_port = free_port() if self.tcp else 0
        for name in ("assist", "callback"):
            text = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
            write_private(self.folder / f"{name}.secret", text)
        self.config.write_text(self._settings(), encoding="utf-8")
        self._fill_registry()

    def start_assist(self, *options: str) -> None:
        """Start the stand-in 助急 service; options go to its command line."""
        self._start(
            "assist",
            "-m",
            "simulators.assist_service",
            f"--port={self.assist_port}",
            f"--secret-file={self.folder / 'assist.secret'}",
            f"--callback-url={self.api_url}{CALLBACK_PATH}",
            f"--callback-secret-file={self.folder / 'callback.secret'}",
            f"--journal={self.assist_record}",
            *options,
        )
        self._wait_for_port("assist", self.assist_port)

    def start_gateway(self, *, wait: bool = True) -> None:
        """Start `yinling run`; with `wait`, until it is ready."""
        self._start("gateway", "-m", "gateway.cli", "run", "--config", str(self.config))
        if wait:
            self.wait_ready()

    def start_home(self, scenario: str, *options: str) -> None:
        """Start the simulated devices of a scenario file (or of a shipped one, by name); `begin` starts their story."""
        accounts = self.write_accounts()
        self._start(
            "home",
            "-m",
            "simulators.home",
            scenario,
            f"--accounts={accounts}",
            f"--links={self.folder}",
            f"--truth={self.folder / 'truth.jsonl'}",
            *options,
        )

    def write_accounts(self) -> Path:
        """Write what simulated devices log in with: the file that `--accounts` takes."""
        accounts = self.folder / "accounts.json"
        places = {"tcp_port": self.tcp_port, "ports": self.ports, "passwords": self.passwords}
        write_private(accounts, json.dumps({"host": "127.0.0.1", "port": self.mqtt_port, **places}))
        return accounts

    @property
    def begin_file(self) -> Path:
        """What a home that was started with `--begin` waits for."""
        return self.folder / "begin"

    @property
    def ready_file(self) -> Path:
        """What a home that was started with `--ready` makes."""
        return self.folder / "ready"

    def wait_home(self) -> None:
        """Until the ports of a home that was started with `--ready` are there. Raises RigError."""
        deadline = time.monotonic() + START_S
        while not self.ready_file.exists():
            self.check_alive("home")
            if time.monotonic() > deadline:
                raise RigError(f"no simulated devices after {START_S:g} s: {self._log_end('home')}")
            time.sleep(POLL_S)

    def wait_ready(self) -> None:
        """Until the gateway says that it is ready. Raises RigError."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            self.check_alive("gateway")
            try:
                if httpx.get(f"{self.api_url}/health/ready", timeout=2).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(POLL_S)
        raise RigError(f"the gateway is not ready after {START_S:g} s: {self._log_end('gateway')}")

    def api(self) -> httpx.Client:
        """A client of the gateway's API with the administrator's key."""
        return httpx.Client(base_url=self.api_url, headers={"authorization": f"Bearer {self.key}"}, timeout=10)

    def kill(self, name: str) -> None:
        """SIGKILL, as a crash or a power cut of that part would be."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def stop(self, name: str | None = None) -> None:
        """End one process, or all; the gateway last, so that it sees the others go."""
        names = [name] if name else sorted(self.processes, key=lambda one: one == "gateway")
        for one in names:
            process = self.processes.pop(one)
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def end_broker(self) -> None:
        """End a broker that a gateway which could not go on has left behind, for the next one to adopt."""
        with contextlib.suppress(OSError, ValueError, psutil.Error):
            broker = psutil.Process(int((self.folder / BROKER_PID).read_text(encoding="ascii")))
            if any(str(self.folder) in word for word in broker.cmdline()):
                broker.terminate()
                broker.wait(STOP_S)

    def assist_log(self) -> list[dict[str, Any]]:
        """The stand-in service's record; a last line that is still being written is left out."""
        if not self.assist_record.exists():
            return []
        text = self.assist_record.read_text(encoding="utf-8")
        return [json.loads(line) for line in text.split("\n")[:-1]]

    def _start(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(os.environ)
            )

    def check_alive(self, name: str | None = None) -> None:
        """Raises RigError with the end of its log if a process (or any) has ended by itself."""
        for one in [name] if name else list(self.processes):
            code = self.processes[one].poll()
            if code is not None:
                raise RigError(f"{one} ended with exit code {code}: {self._log_end(one)}")

    def _log_end(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")[-2000:]

    def _wait_for_port(self, name: str, port: int) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            self.check_alive(name)
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(POLL_S)
        raise RigError(f"{name} does not listen after {START_S:g} s: {self._log_end(name)}")

    def _settings(self) -> str:
        lines = "".join(toml_block("[[serial]]", line) for device in self.devices if (line := self._line(device)))
        ports = toml_block("[[tcp]]", {"port": self.tcp_port}) if self.tcp else ""
        return f"""\
data_directory = "var"
[site]
name = "银龄之家"
language = "{self.language}"
[api]
port = {self.api_port}
[mqtt]
port = {self.mqtt_port}
[alerts]
cancel_window_s = {self.cancel_window_s}
[assist]
url = "http://127.0.0.1:{self.assist_port}/alerts"
secrets = [{{file = "assist.secret"}}]
callback_secret = {{file = "callback.secret"}}
allow_private = true
{self.extra_settings}
{ports}{lines}"""

    def _line(self, device: RigDevice) -> dict[str, Any]:
        """The `[[serial]]` block of a device, empty for one that calls by itself."""
        named = {"family": device.family, "device_id": device.id}
        if device.line is not None:
            return {**named, **device.line}
        return {**named, "url": str(self.folder / device.serial_link)} if device.serial_link else {}

    def _fill_registry(self) -> None:
        now_ns = time.time_ns()
        (self.folder / "var").mkdir(mode=0o700, exist_ok=True)
        database = open_database(self.folder / "var" / "gateway.sqlite")
        registry = Registry(database)
        for resident in self.residents:
            registry.add_resident(resident, by=BY, now_ns=now_ns)
        for device in self.devices:
            placement = "room" if device.room else "worn"
            registry.add_device(
                Device(device.id, device.family, device.id, placement, device.room, device.options),
                by=BY,
                now_ns=now_ns,
            )
            if device.resident is not None:
                registry.assign(device.id, device.resident, by=BY, now_ns=now_ns)
            if device.account and find_driver(device.family).account_topics is not None:
                password = self.passwords[device.id] = secrets.token_urlsafe(24)
                registry.set_credentials_hash(device.id, hash_password(password), by=BY, now_ns=now_ns)
        made = KeyStore(database).create(BY, Role.ADMIN, by=BY, now_ns=now_ns)
        self.key, self.key_id = made.secret, made.key.id
        database.close()


def free_port() -> int:
    """A TCP port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
