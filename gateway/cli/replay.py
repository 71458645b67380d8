"""`yinling replay` and `simulate`: recorded people and whole scenarios on real transports."""

from __future__ import annotations

import asyncio
import json
import socket
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.table import Table

from gateway.cli import BAD_ANSWER, CANNOT, app, errors
from gateway.cli.json_file import JsonFile, write_json
from gateway.cli.language import of_environment
from gateway.cli.offline import live_findings, offline_findings
from gateway.cli.rig import HASTE, Rig, RigDevice
from gateway.cli.setup import out
from gateway.registry import Resident

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.cli.offline import Told
    from simulators.recordings import Recording
    from simulators.replay import Played

WINDOW_S = 20.0
SETTLE_S = 15.0
"""After a recording: the time in which a suspected fall is decided, and on top of it the cancel window."""
COMPARE_S = 60.0
MOST = 400
ACCOUNTS = "accounts.json"


@dataclass(frozen=True, slots=True)
class Result:
    """One recording and what the gateway made of it; times in seconds after the alert's impact."""

    played: Played
    alert: dict[str, Any] | None
    live: Counter[Told] = field(default_factory=Counter)
    offline: Counter[Told] | None = None

    @property
    def same(self) -> bool | None:
        """Whether live and offline found the same; None where it was not compared."""
        return None if self.offline is None else self.live == self.offline

    @property
    def right(self) -> bool:
        """A fall ends acknowledged; an activity makes no alert."""
        if not self.played.recording.is_fall:
            return self.alert is None
        return self.alert is not None and self.alert["acknowledged"] is not None

    def plain(self) -> dict[str, Any]:
        """JSON-ready."""
        alert = self.alert
        times = {} if alert is None else {name: _after(alert, name) for name in ("raised", "delivered", "acknowledged")}
        recording = self.played.recording
        compared = {} if self.offline is None else {"same": self.same, "live": _listed(self.live)}
        if self.offline is not None and not self.same:
            compared["offline"] = _listed(self.offline)
        return compared | {
            "recording": recording.name,
            "device": self.played.device,
            "is_fall": recording.is_fall,
            "right": self.right,
            "alert": None if alert is None else {"id": alert["id"], "state": alert["state"], "after_s": times},
        }


@app.command()
def replay(
    path: Annotated[Path, typer.Argument(help="A dataset's folder or zip file")],
    trial: Annotated[str, typer.Option(help="Which recordings: a pattern such as F01/U01/* or */SA01/R01")] = "*",
    dataset: Annotated[str | None, typer.Option(help="weda-fall or sisfall; found by itself where absent")] = None,
    speed: Annotated[float, typer.Option(min=1.0, help="Times real time")] = 1.0,
    json_file: JsonFile = None,
    limit: Annotated[int, typer.Option(help="At most so many recordings", max=MOST)] = 8,
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare what was found with the offline detector on the same messages")
    ] = False,
) -> None:
    """Play recordings as wearables through the real broker to a gateway, and see what becomes of each.

    Exit 1 if a fall did not end as an acknowledged alert, or an activity made one; with --compare, if the gateway
    found anything else than the detector offline. A whole subject: --trial '*/U01/*' --limit 400.
    """
    recordings = _choose(path, trial, dataset, limit)
    with tempfile.TemporaryDirectory(prefix="yinling-replay-") as folder:
        results = asyncio.run(_play(Path(folder), recordings, speed, compare=compare))
    plain = [result.plain() for result in results]
    write_json(plain, json_file)
    out.print(_table(plain))
    if compare:
        number = sum(result.same is True for result in results)
        findings = sum(result.live.total() for result in results)
        out.print(f"live as offline: {number} of {len(results)} recordings, {findings} findings")
    if not all(result.same if compare else result.right for result in results):
        raise typer.Exit(BAD_ANSWER)


@app.command()
def simulate(
    scenario: Annotated[Path, typer.Argument(help="A scenario file, or the name of a shipped one")],
    site: Annotated[
        Path | None, typer.Option(help="A folder that --prepare has made: its accounts, links and truth")
    ] = None,
    prepare: Annotated[
        Path | None,
        typer.Option(help="Make a site in this folder: settings, residents, devices, accounts; play nothing"),
    ] = None,
    accounts: Annotated[
        Path | None, typer.Option(help="JSON: host, port, passwords, tcp_port, ports of devices")
    ] = None,
    links: Annotated[Path, typer.Option(help="Folder for the links to the simulated serial ports")] = Path(),
    truth: Annotated[Path, typer.Option(help="Where to write what truly happened, as JSON lines")] = Path(
        "truth.jsonl"
    ),
) -> None:
    """Play a scenario's devices on real transports to a gateway that is already running, until interrupted.

    First `--prepare FOLDER`, then `yinling run --config FOLDER/yinling.toml`, then `--site FOLDER`. Each thing that
    happens is said; FOLDER/truth.jsonl has the same as JSON lines.
    """
    from simulators.home import main
    from simulators.scenario import ScenarioError

    try:
        if prepare is not None:
            _prepare(scenario, prepare)
            return
        if site is not None:
            accounts, links, truth = site / ACCOUNTS, site, site / "truth.jsonl"
        if accounts is None:
            _cannot("say with which accounts: --site FOLDER of a site that --prepare has made, or --accounts FILE")
        _check_broker(accounts)
        main([str(scenario), f"--accounts={accounts}", f"--links={links}", f"--truth={truth}"])
    except ScenarioError as error:
        _cannot(str(error))


def _prepare(scenario: Path, folder: Path) -> None:
    """A site with everything that the scenario has, in a folder of its own."""
    from gateway.cli.site import site_of
    from simulators.scenario import load_scenario

    if (folder / "yinling.toml").exists():
        _cannot(f"{folder} has a site already; take another folder")
    folder = folder.resolve()
    rig = site_of(load_scenario(scenario), folder, of_environment())
    rig.prepare()
    rig.write_accounts()
    (folder / "key.txt").write_text(rig.key + "\n", encoding="utf-8")
    (folder / "key.txt").chmod(0o600)
    out.print(
        f"{len(rig.residents)} residents, {len(rig.devices)} devices; API key: {folder / 'key.txt'}", soft_wrap=True
    )
    out.print(f"yinling run --config {rig.config}", highlight=False, soft_wrap=True)
    out.print(f"yinling simulate {scenario} --site {folder}", highlight=False, soft_wrap=True)


def _check_broker(accounts: Path) -> None:
    """One clear line where there is nobody to play to. Raises FileNotFoundError for a file that is not there."""
    try:
        tree = json.loads(accounts.read_text(encoding="utf-8"))
        host, port = str(tree["host"]), int(tree["port"])
    except (ValueError, KeyError, TypeError) as error:
        _cannot(
            f'{accounts} is no accounts file such as {{"host": "127.0.0.1", "port": 1883, "passwords": {{}}}}: {error}'
        )
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError as error:
        _cannot(f"no gateway takes MQTT at {host}:{port} ({error}); start it first: yinling run")


def _cannot(text: str) -> NoReturn:
    errors.print(f"yinling: {text}", highlight=False, soft_wrap=True)
    raise typer.Exit(CANNOT)


def _choose(path: Path, pattern: str, dataset: str | None, limit: int) -> list[Recording]:
    from simulators.recordings import LOADERS, RecordingError

    names = [dataset] if dataset else ["weda-fall", "sisfall"]
    failure: Exception | None = None
    for name in names:
        if name not in LOADERS:
            failure = LookupError(f"unknown dataset {name!r}; known: {', '.join(LOADERS)}")
            continue
        try:
            chosen = list(islice(LOADERS[name](path, lambda trial: fnmatch(trial, f"*{pattern}")), limit))
        except RecordingError as error:
            failure = error
            continue
        if chosen:
            return chosen
        failure = LookupError(f"no recording of {path} fits {pattern!r}; names look like weda-fall/F01/U01/R01")
    errors.print(f"yinling: {failure}", highlight=False)
    raise typer.Exit(CANNOT)


async def _play(folder: Path, recordings: Sequence[Recording], speed: float, *, compare: bool = False) -> list[Result]:
    from simulators.replay import replay_mqtt
    from simulators.uplink import Account

    names = [f"replay-{number}" for number in range(len(recordings))]
    residents = [Resident(f"r-{name}", one.name) for name, one in zip(names, recordings, strict=True)]
    devices = [RigDevice(name, "yinling_wearable", f"r-{name}") for name in names]
    rig = Rig(folder, residents=residents, devices=devices, cancel_window_s=WINDOW_S)
    rig.prepare()
    try:
        rig.start_assist(*HASTE)
        await asyncio.to_thread(rig.start_gateway)
        out.print(f"playing {len(recordings)} recordings at {speed:g} times real time ...")
        accounts = [Account("127.0.0.1", rig.mqtt_port, name, rig.passwords[name]) for name in names]
        played = await replay_mqtt(list(zip(recordings, accounts, strict=True)), time.time_ns, speed)
        alerts = await asyncio.to_thread(_wait_for_answers, rig, played)
        if compare:
            offline = {one.device: offline_findings(one) for one in played}
            live = await asyncio.to_thread(_wait_for_findings, rig, played, offline)
            return [Result(one, alerts.get(one.device), live[one.device], offline[one.device]) for one in played]
    finally:
        rig.stop()
    return [Result(one, alerts.get(one.device)) for one in played]


def _wait_for_findings(
    rig: Rig, played: Sequence[Played], offline: Mapping[str, Counter[Told]]
) -> dict[str, Counter[Told]]:
    """What the gateway found, as soon as it is what is expected, or at the deadline."""
    deadline = time.monotonic() + COMPARE_S
    with rig.api() as api:
        while True:
            rig.check_alive()
            found = live_findings(api, played)
            if found == offline or time.monotonic() > deadline:
                return found
            time.sleep(1.0)


def _listed(findings: Counter[Told]) -> list[dict[str, Any]]:
    return [{"phase": phase, "ms": ms, "verdict": verdict} for phase, ms, verdict in sorted(findings.elements())]


def _wait_for_answers(rig: Rig, played: Sequence[Played]) -> dict[str, dict[str, Any]]:
    """Fall alerts by device, once all are answered or no more can come."""
    deadline = time.monotonic() + SETTLE_S + WINDOW_S + SETTLE_S
    falls = {one.device for one in played if one.recording.is_fall}
    others = len(played) - len(falls)
    found: dict[str, dict[str, Any]] = {}
    with rig.api() as api:
        while time.monotonic() < deadline:
            rig.check_alive()
            with suppress(KeyError):
                listed = api.get("/api/v1/alerts", params={"kind": "fall", "limit": 200}).json()["alerts"]
                raised = [alert for alert in listed if alert["raised"] is not None]
                found = {device: alert for alert in raised for device in alert["devices"]}
            answered = {device for device, alert in found.items() if alert["acknowledged"] is not None}
            if falls <= answered and not others:
                break
            time.sleep(0.5)
    return found


def _after(alert: dict[str, Any], name: str) -> float | None:
    moment = alert[name]
    return None if moment is None else round((moment["ns"] - alert["at"]["ns"]) / 1e9, 3)


def _table(results: Sequence[dict[str, Any]]) -> Table:
    table = Table("recording", "fall", "alert", "raised", "delivered", "acknowledged", "right")
    for one in results:
        times = one["alert"]["after_s"] if one["alert"] else {}
        cells = ["—" if times.get(n) is None else f"+{times[n]:.2f} s" for n in ("raised", "delivered", "acknowledged")]
        state = one["alert"]["state"] if one["alert"] else "none"
        table.add_row(
            one["recording"], "yes" if one["is_fall"] else "no", state, *cells, "yes" if one["right"] else "NO"
        )
    return table
