"""Watches the box itself: heartbeats, test alerts, the outbox's age, disk, clock and power, each as a periodic duty.

What is judged is pure and elsewhere (`box_watch`, `heartbeat`, `drill`, `clock_watch`, `power`); here it is read,
asked and reported. A fault of the box is one finding; it never touches the alert of a person.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from analytics.kinds import Priority
from gateway import drill, power, salvage
from gateway.alerts.payload import rfc3339
from gateway.alerts.policy import TEST_ALERT
from gateway.alerts.records import AlertFilter
from gateway.box_watch import DISK_FAULT, DISK_LOW, QUEUE_LATE, BoxWatch, Condition
from gateway.channel_settings import ScaipSettings
from gateway.channels.mqtt_channel import MqttChannel
from gateway.channels.webhook import WebhookChannel
from gateway.clock_watch import ASSIST, NTP, ClockBook, kept_in_step
from gateway.context import HealthItem
from gateway.heartbeat import Beating, FarSide, heartbeat_data
from gateway.sntp import address_of, ask, decode_answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from analytics.findings import Evidence, Finding
    from gateway.alerts.service import AlertService
    from gateway.channels.base import Channel
    from gateway.config import Settings
    from gateway.context import InDatabase

LOOK_S, STAMP_S, ASK_TIME_S, DRILL_S = 5.0, 30.0, 600.0, 15.0
LATE_S = {Priority.HIGH: 60.0, Priority.MEDIUM: 900.0, Priority.LOW: 7200.0}
"""A message that is older and still on its way is late; a contact that cannot be reached is told of otherwise."""
NAMES = {Priority.HIGH: "high", Priority.MEDIUM: "medium", Priority.LOW: "low"}
QUEUE_BEGIN_S, QUEUE_END_S = 10.0, 30.0
DISK_END_S = 60.0
STAMP = "alive.json"
DATABASE_FILE = "gateway.sqlite"
ROOT = Path("/")


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to do again and again. later: not at once, but after the first pause."""

    name: str
    period_s: float
    act: Callable[[], Awaitable[None]]
    later: bool = False


@dataclass(frozen=True, slots=True)
class Around:
    """What the watches use of the gateway. healthy: whether its other parts are well. root: "/"."""

    settings: Settings
    alerts: AlertService
    channels: Mapping[str, Channel]
    in_database: InDatabase
    report: Callable[[Sequence[Finding]], None]
    clock: Callable[[], int]
    monotonic: Callable[[], float]
    healthy: Callable[[], bool]
    root: Path = ROOT


class Watches:
    """Made at the start; `begin` before the rest runs, `duties` while it runs, `end` when it has ended in order."""

    def __init__(self, around: Around) -> None:
        self._around = around
        self.box = BoxWatch()
        self.clocks = ClockBook(around.settings.watch.clock_limit_s)
        self.far: dict[str, FarSide] = {}
        self._stamps = power.StampFile(around.settings.data / STAMP)
        self._boot = power.boot_id(around.root)
        self._stamp_error = ""
        self._ages: dict[Priority, float] = {}
        self._free = 0
        self._drill = Condition("", "", None)
        self._started = rfc3339(around.clock())
        now_s = around.monotonic()
        for name, interval_s in _intervals(around.settings).items():
            if interval_s > 0 and isinstance(around.channels.get(name), Beating):
                self.far[name] = FarSide(name, interval_s, now_s)

    async def begin(self) -> None:
        """Tell when nobody was watched, and begin to stamp once that is on the disk."""
        around, now_ns = self._around, self._around.clock()
        settings = around.settings
        sure = kept_in_step(around.root) is not False
        last, zone = self._stamps.read(), settings.site.zone
        found = power.was_off(last, self._boot, now_ns, settings.watch.off_s, zone, clock_sure=sure)
        if found is not None:
            await self._tell(found, now_ns)
        self._write_stamp(ended=False)

    def end(self) -> None:
        """The gateway ends because it was asked to."""
        self._write_stamp(ended=True)

    def resume(self, finding: Finding) -> bool:
        """An alert still open from before this start; False where it is not of this part."""
        return finding.kind == TEST_ALERT or self.box.resume(finding)

    def duties(self) -> Iterator[Duty]:
        """What is to be done again and again."""
        settings = self._around.settings
        yield Duty("box", LOOK_S, self.look)
        yield Duty("alive_stamp", STAMP_S, self.stamp)
        for name, far in self.far.items():
            yield Duty(f"heartbeat:{name}", far.interval_s, lambda name=name: self.beat(name), later=True)  # type: ignore[misc]
        if settings.watch.ntp_server is not None:
            yield Duty("time_server", ASK_TIME_S, self.ask_time)
        if settings.assist is not None and settings.assist.test is not None:
            yield Duty("test_alert", DRILL_S, self.drill)

    async def look(self) -> None:
        """Everything that may be wrong with the box, once."""
        around = self._around
        now_ns, now_s = around.clock(), around.monotonic()
        self._ages = await around.in_database(around.alerts.outbox.oldest, now_ns)
        self._free = (await asyncio.to_thread(shutil.disk_usage, around.settings.data)).free
        around.report(self.box.look(self._conditions(now_s), now_ns, now_s))

    async def stamp(self) -> None:
        """Write that we are alive; what cannot be written is a fault of the disk."""
        await asyncio.to_thread(self._write_stamp, ended=False)

    async def beat(self, name: str) -> None:
        """One heartbeat to one far side."""
        around, far, channel = self._around, self.far[name], self._around.channels[name]
        now_ns = around.clock()
        count = len(await around.in_database(around.alerts.open_alerts))
        site = around.settings.site.name
        said = heartbeat_data(site, far.interval_s, str(self._started), count, healthy=around.healthy())
        if isinstance(channel, Beating):
            far.settle(await channel.heartbeat(now_ns // 10**9, said, now_ns), around.monotonic())
        if isinstance(channel, WebhookChannel) and channel.offset is not None:
            self.clocks.add(ASSIST, channel.offset, around.monotonic())
            channel.offset = None

    async def ask_time(self) -> None:
        """Ask the time server, if there is one. Raises SntpError or OSError, and is then tried again."""
        around = self._around
        host, port = address_of(around.settings.watch.ntp_server or "")
        cookie, sent_ns, sent_s = secrets.randbits(64), around.clock(), around.monotonic()
        data = await ask(host, port, cookie)
        received_ns = sent_ns + int((around.monotonic() - sent_s) * 1e9)
        self.clocks.add(NTP, decode_answer(data, cookie, sent_ns, received_ns), around.monotonic())

    async def drill(self) -> None:
        """Send the test alert that is due, and end the one that was accepted."""
        around = self._around
        assist, now_ns = around.settings.assist, around.clock()
        if assist is None or assist.test is None:
            return
        page = await around.in_database(around.alerts.list, AlertFilter(kinds=(TEST_ALERT,)), limit=5)
        due_ns = drill.due_at(assist.test.at, assist.test.days, around.settings.site.zone, now_ns)
        self._drill = drill.condition(page.alerts, now_ns)
        found = drill.findings(due_ns, page.alerts, now_ns)
        if found:
            await around.in_database(around.alerts.take_many, found, now_ns)

    def health(self) -> Iterator[HealthItem]:
        """What people may want to know of it."""
        yield self._outbox_item()
        yield self._disk_item()
        now_s = self._around.monotonic()
        for far in self.far.values():
            yield _far_item(far, now_s)
        for name, channel in self._around.channels.items():
            if isinstance(channel, MqttChannel):
                yield _mqtt_item(name, connected=channel.connected)
        found, step = self.clocks.best(now_s), kept_in_step(self._around.root)
        if found is not None or step is False:
            yield self._clock_item(now_s)

    async def _tell(self, finding: Finding, now_ns: int) -> None:
        """Write it down now, before the stamp that it follows from is gone; if that fails, with the next turn."""
        try:
            await self._around.in_database(self._around.alerts.take_many, [finding], now_ns)
        except SQLAlchemyError:
            self._around.report([finding])

    def _conditions(self, now_s: float) -> Iterator[Condition]:
        least = self._around.settings.watch.disk_free_mb * 1_000_000
        free: dict[str, Evidence] = {"free_mb": self._free // 1_000_000}
        error: dict[str, Evidence] = {"error": self._stamp_error} if self._stamp_error else {}
        late = [priority for priority, age_s in self._ages.items() if age_s > LATE_S[priority]]
        worst = min(late, default=None)
        queue: dict[str, Evidence] = (
            {} if worst is None else {"priority": NAMES[worst], "age_s": round(self._ages[worst])}
        )
        yield Condition(DISK_LOW, "box:disk", self._free < least, free, end_s=DISK_END_S)
        yield salvage.condition(self._around.settings.data / DATABASE_FILE)
        yield Condition(DISK_FAULT, "box:disk", bool(self._stamp_error), error)
        yield Condition(QUEUE_LATE, "box:queue", worst is not None, queue, QUEUE_BEGIN_S, QUEUE_END_S)
        yield self.clocks.condition(now_s)
        yield from (far.condition(now_s) for far in self.far.values())
        if self._drill.bad is not None:
            yield self._drill
        mains = power.mains_condition(self._around.root)
        if mains is not None:
            yield mains

    def _write_stamp(self, *, ended: bool) -> None:
        try:
            self._stamps.write(power.Stamp(self._around.clock(), self._boot, ended))
            self._stamp_error = ""
        except OSError as error:
            self._stamp_error = error.strerror or type(error).__name__

    def _outbox_item(self) -> HealthItem:
        numbers = {f"oldest_{NAMES[priority]}_s": self._ages.get(priority, 0.0) for priority in Priority}
        if all(age_s <= LATE_S[priority] for priority, age_s in self._ages.items()):
            return HealthItem("outbox", True, "报警发送正常", "alerts are being sent", numbers)
        return HealthItem("outbox", False, "报警排队过久", "alerts wait too long to be sent", numbers)

    def _disk_item(self) -> HealthItem:
        numbers = {"free_bytes": float(self._free)}
        if self._stamp_error:
            zh, en = f"磁盘写入失败：{self._stamp_error}", f"the disk cannot be written: {self._stamp_error}"
            return HealthItem("disk", False, zh, en, numbers)
        low = (DISK_LOW, "box:disk") in self.box.open
        zh, en = ("磁盘将满", "the disk is nearly full") if low else ("磁盘正常", "the disk is well")
        return HealthItem("disk", not low, zh, en, numbers)

    def _clock_item(self, now_s: float) -> HealthItem:
        found, bad = self.clocks.best(now_s), self.clocks.condition(now_s).bad
        if found is None:
            return HealthItem("clock_sync", True, "时钟尚未与网络同步", "the clock is not synchronised yet", {})
        numbers = {"offset_s": found[1].offset_s, "error_s": found[1].error_s}
        zh, en = ("时钟不准", "the clock is wrong") if bad else ("时钟准确", "the clock is right")
        return HealthItem("clock_sync", not bad, zh, en, numbers)


def _intervals(settings: Settings) -> dict[str, float]:
    """Seconds between heartbeats by channel."""
    found = {"webhook": settings.assist.heartbeat_s} if settings.assist is not None else {}
    return found | {name: one.heartbeat_s for name, one in settings.channels.items() if isinstance(one, ScaipSettings)}


def _mqtt_item(name: str, *, connected: bool) -> HealthItem:
    if connected:
        return HealthItem(f"channel:{name}", True, f"通道 {name} 已连接", f"channel {name} is connected", {})
    return HealthItem(f"channel:{name}", False, f"通道 {name} 未连接", f"channel {name} is not connected", {})


def _far_item(far: FarSide, now_s: float) -> HealthItem:
    numbers = {
        "accepted": float(far.accepted),
        "refused": float(far.refused),
        "silent_s": far.silent_s(now_s),
    }
    if far.condition(now_s).bad:
        zh, en = f"{far.channel} 无应答：{far.error}", f"{far.channel} does not answer: {far.error}"
        return HealthItem(f"heartbeat:{far.channel}", False, zh, en, numbers)
    zh, en = f"{far.channel} 心跳正常", f"{far.channel} takes our heartbeats"
    return HealthItem(f"heartbeat:{far.channel}", True, zh, en, numbers)
