"""`yinling devices scan`, `test` and `command`: find what is connected, try it before it is relied on, command it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Annotated, Any, NoReturn
from urllib.parse import quote

import httpx
import typer
from rich.table import Table

from device_drivers.registry import drivers, find_driver, is_ours
from device_drivers.signals import SIGNALS
from gateway.cli import BAD_ANSWER, CANNOT, errors
from gateway.cli.device_docs import DocsError, generate
from gateway.cli.registry import BY, devices_app, registry_database
from gateway.cli.setup import DEFAULT_CONFIG, ConfigOption, out
from gateway.commissioning import (
    Step,
    Tried,
    commissioning_key,
    merged,
    picked,
    step_of,
    tried_of,
    tried_text,
    well_done,
    what_to_try,
)
from gateway.config import Settings, load_settings
from gateway.device_commands import LONGEST_S
from gateway.registry import Device, Registry
from gateway.scan import MqttListener, probe_port, serial_ports

POLL_S = 0.5
NUMBER = re.compile(r"-?\d{1,6}(\.\d{1,6})?")


@devices_app.command("scan")
def scan(
    config: ConfigOption = DEFAULT_CONFIG,
    port: Annotated[list[str] | None, typer.Option(help="Probe only this port (may be given again)")] = None,
    seconds: Annotated[float, typer.Option(min=1.0, help="How long to listen to MQTT")] = 10.0,
    json_output: Annotated[bool, typer.Option("--json", help="Machine output")] = False,
) -> None:
    """Find serial ports and what speaks there (three valid frames in 3 s), list MQTT talkers, propose settings.

    Ports that a running gateway holds cannot be probed: stop it first, or leave them out.
    """
    settings = load_settings(config)
    reports = [probe_port(url) for url in (port or serial_ports())]
    heard = asyncio.run(_listen(settings, seconds))
    if json_output:
        typer.echo(json.dumps(_plain(reports, heard), ensure_ascii=False))
        return
    ports = Table("port", "family", "baud", "frames", "rejected", "note")
    for report in reports:
        best = report.best
        cells = (best.family, str(best.baud), str(best.frames), str(best.rejected)) if best else ("—",) * 4
        ports.add_row(report.url, *cells, report.error or ("" if best else "nothing understood"))
    out.print(ports)
    talkers = Table("family", "device", "messages", "signals")
    for one in heard.talkers():
        talkers.add_row(one.family, one.device_id, str(one.messages), ", ".join(one.signals))
    out.print(talkers)
    for number, report in enumerate(reports, 1):
        typer.echo(report.proposal(f"serial-{number}"), nl=False)


@devices_app.command("test")
def commission(
    device_id: Annotated[str, typer.Argument(help="The device, as registered")],
    url: Annotated[str, typer.Option(help="The running gateway")] = "http://127.0.0.1:8080",
    key_file: Annotated[Path | None, typer.Option(help="File with an API key; YINLING_KEY otherwise")] = None,
    signal: Annotated[list[str] | None, typer.Option(help="Only this signal (may be given again)")] = None,
    seconds: Annotated[float, typer.Option(min=1.0, help="Patience for each step")] = 60.0,
    ask: Annotated[
        bool | None, typer.Option("--ask/--no-ask", help="Choose among several; left out: on a terminal")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Commissioning: press the button, walk, lie down ...; the gateway must see it. The result is stored.

    What is tried is what the device has been heard to give, or can give. Exit 1 when the gateway did not see it.
    """
    with registry_database(config) as database:
        registry = Registry(database)
        device = registry.device(device_id)
        if device is None:
            errors.print(f"yinling: no device {device_id!r}; `yinling devices list` shows them")
            raise typer.Exit(CANNOT)
        language = load_settings(config).site.language
        with _api(url, key_file) as api:
            heard = [value["signal"] for value in _live(api, device_id)]
            choosing = sys.stdin.isatty() if ask is None else ask
            steps = _named(signal, device, heard) if signal else _chosen(device, heard, language, ask=choosing)
            tried = [_try(api, device_id, step, seconds, language) for step in steps]
        name = commissioning_key(device_id)
        done = tried_text(merged(tried_of(registry.setting(name)), tried))
        registry.put_setting(name, done, by=BY, now_ns=time.time_ns())
    if not tried or not all(one.seen for one in tried):
        raise typer.Exit(BAD_ANSWER)


@devices_app.command("command")
def command(
    device_id: Annotated[str, typer.Argument(help="The device, as registered")],
    name: Annotated[str, typer.Argument(help="The command, for example locate, find, interval")],
    arg: Annotated[list[str] | None, typer.Option(help="Its argument: --arg value=60")] = None,
    url: Annotated[str, typer.Option(help="The running gateway")] = "http://127.0.0.1:8080",
    key_file: Annotated[Path | None, typer.Option(help="File with an API key; YINLING_KEY otherwise")] = None,
    wait: Annotated[float, typer.Option(min=0.0, max=LONGEST_S, help="Seconds to wait for its answer")] = 5.0,
    json_output: Annotated[bool, typer.Option("--json", help="Machine output")] = False,
) -> None:
    """Tell a connected device to do something: report its place, ring, measure, report more often ...

    Exit 0: it was sent, and what the device answered is shown. Exit 1: the device is not connected now. Exit 2: the
    device knows no such command, the value does not fit, or the key does not allow it.
    """
    body = {"command": name, "args": dict(map(_argument, arg or [])), "wait_s": wait}
    try:
        with _api(url, key_file, timeout_s=wait + 10) as api:
            answer = api.post(f"{_path(device_id)}/commands", json=body)
    except httpx.TransportError as error:
        errors.print(f"yinling: no gateway at {url}: {error}; start it with `yinling run`", highlight=False)
        raise typer.Exit(CANNOT) from error
    if answer.status_code == httpx.codes.OK:
        reply = answer.json()["answer"]
        typer.echo(json.dumps(answer.json(), ensure_ascii=False) if json_output else _reply_text(reply))
        return
    offline = answer.status_code == httpx.codes.CONFLICT
    errors.print(f"yinling: {_problem(answer)}", highlight=False)
    raise typer.Exit(BAD_ANSWER if offline else CANNOT)


@devices_app.command("docs", hidden=True)
def write_docs(
    path: Annotated[Path, typer.Argument(help="The page of devices")] = Path("docs/devices.md"),
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 where it is not up to date")] = False,
) -> None:
    """Write what the drivers say of themselves into the page of devices; what people wrote there stays."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        _cannot(f"there is no page {path} here: this is for those who work on the project, in its folder")
    try:
        made = generate(text, [one for one in drivers().values() if is_ours(one)])
    except DocsError as error:
        errors.print(f"yinling: {path}: {error}", highlight=False)
        raise typer.Exit(CANNOT) from error
    if made == text:
        return
    if check:
        errors.print(f"yinling: {path} is not up to date; run `yinling devices docs`", highlight=False)
        raise typer.Exit(BAD_ANSWER)
    path.write_text(made, encoding="utf-8")


def _named(signals: list[str], device: Device, heard: list[str]) -> list[Step]:
    """The steps of the signals that were asked for; ends the command for one that the device cannot give."""
    able = find_driver(device.family).signals
    for one in signals:
        if one not in SIGNALS:
            _cannot(f"there is no signal {one!r}; {device.family} gives: {', '.join(able) or 'what its mapping says'}")
        if able and one not in able and one not in heard:
            _cannot(f"{device.family} does not give {one}; it gives: {', '.join(able)}")
    return [step_of(one) for one in signals]


def _chosen(device: Device, heard: list[str], language: str, *, ask: bool) -> list[Step]:
    """What to try with a device: what it can do, and of several the ones that the installer wants."""
    steps, known = what_to_try(device.family, heard)
    chinese = language == "zh-CN"
    if not steps or (not known and not ask):
        names = " ".join(f"--signal {step.signal}" for step in steps)
        zh = f"还没有收到 {device.id} 的数据，不知道它是什么设备：请先触发它一次，或指定要测的信号 {names}"
        en = f"nothing was heard of {device.id} yet that says what it is: trigger it once, or say what to try: {names}"
        _cannot((zh if chinese else en).rstrip(": "))
    if len(steps) == 1 or not ask:
        return steps
    for number, step in enumerate(steps, 1):
        out.print(f"{number}  {step.zh if chinese else step.en}", highlight=False)
    question = "测哪几项（如 1,3；回车为全部）" if chinese else "Which (such as 1,3; Enter for all)"
    while (found := picked(typer.prompt(question, default="", show_default=False), len(steps))) is None:
        out.print(f"1 – {len(steps)}")
    return [steps[one] for one in found]


def _cannot(text: str) -> NoReturn:
    errors.print(f"yinling: {text}", highlight=False, soft_wrap=True)
    raise typer.Exit(CANNOT)


def _argument(text: str) -> tuple[str, Any]:
    """Name and value of name=value. A number of more than six digits is text: it is a telephone number."""
    name, sign, value = text.partition("=")
    if not sign:
        errors.print(f"yinling: --arg {text!r} is no name=value")
        raise typer.Exit(CANNOT)
    return name, float(value) if NUMBER.fullmatch(value) else value


def _reply_text(reply: dict[str, Any] | None) -> str:
    if reply is None:
        return "sent; the device has not answered / 已发送，设备没有回答"
    fields = ", ".join(f"{name}={value}" for name, value in reply["fields"].items())
    return f"sent; the device answered ({reply['kind']}) / 已发送，设备已回答: {fields}"


def _problem(answer: httpx.Response) -> str:
    try:
        tree = answer.json()
        wrong = "; ".join(f"{one['field']}: {one['problem']}" for one in tree.get("errors") or [])
        return f"{tree['title']} / {tree['title_zh']}: {wrong or tree.get('detail') or ''}".rstrip(": ")
    except (ValueError, KeyError, TypeError):
        return f"the gateway answered {answer.status_code}: {answer.text[:200]}"


def _path(device_id: str) -> str:
    return f"/api/v1/devices/{quote(device_id, safe='')}"


def _api(url: str, key_file: Path | None, timeout_s: float = 10.0) -> httpx.Client:
    key = key_file.read_text(encoding="utf-8").strip() if key_file else os.environ.get("YINLING_KEY", "")
    return httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=timeout_s)


def _try(api: httpx.Client, device_id: str, step: Step, seconds: float, language: str) -> Tried:
    out.print(step.zh if language == "zh-CN" else step.en)
    since_ns, deadline = time.time_ns(), time.monotonic() + seconds
    while time.monotonic() < deadline:
        if well_done(step, _live(api, device_id), since_ns):
            out.print("ok", style="green")
            return Tried(step.signal, True, time.time_ns())
        time.sleep(POLL_S)
    out.print("not seen / 没有收到", style="red")
    return Tried(step.signal, False, time.time_ns())


def _live(api: httpx.Client, device_id: str) -> list[dict[str, Any]]:
    try:
        answer = api.get(_path(device_id))
    except httpx.TransportError as error:
        errors.print(f"yinling: no gateway at {api.base_url}: {error}; is `yinling run` running?", highlight=False)
        raise typer.Exit(CANNOT) from error
    if answer.status_code != httpx.codes.OK:
        errors.print(f"yinling: the gateway answered {answer.status_code}: {answer.text[:200]}", highlight=False)
        raise typer.Exit(CANNOT)
    values: list[dict[str, Any]] = answer.json()["values"]
    return values


async def _listen(settings: Settings, seconds: float) -> MqttListener:
    from device_drivers.transports.mqtt_session import MqttSession
    from gateway.wiring import observer_options

    listener = MqttListener()
    session = MqttSession(observer_options(settings, listener.subscriptions), asyncio.get_running_loop())
    session.start()
    try:
        async with asyncio.timeout(seconds):
            while messages := await session.take():
                for message in messages:
                    listener.hear(message.topic, message.payload, message.received_ns)
                session.ack(messages)
    except TimeoutError:
        pass
    finally:
        session.stop()
    return listener


def _plain(reports: list[Any], heard: MqttListener) -> dict[str, Any]:
    return {
        "ports": [
            {
                "url": one.url,
                "error": one.error,
                "family": one.best.family if one.best else None,
                "baud": one.best.baud if one.best else None,
            }
            for one in reports
        ],
        "talkers": [
            {"family": t.family, "device": t.device_id, "messages": t.messages, "signals": list(t.signals)}
            for t in heard.talkers()
        ],
        "not_understood": dict(heard.topics),
    }
