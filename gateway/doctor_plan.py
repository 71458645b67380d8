"""What the self-diagnosis says of the escalation plan: times of the coming week without anybody, names nobody has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.alerts.oncall import local
from gateway.alerts.oncall_watch import AHEAD_NS
from gateway.alerts.plan_check import unknown_names
from gateway.alerts.week import WEEK_NS, duties
from gateway.registry import Registry
from gateway.wiring import router

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from gateway.alerts.oncall import Turn
    from gateway.alerts.policy import Plan
    from gateway.config import Settings
    from gateway.database import Database

Found = tuple[str, bool, tuple[str, str], tuple[str, str]]
"""Name of the check, whether it must be mended now, what was found, what to do; in Chinese and English."""


def plan_problems(settings: Settings, database: Database, now_ns: int) -> Iterator[Found]:
    """Everything wrong with the plan in force; nothing where all is well. Reads only."""
    found, registry = router(settings), Registry(database)
    with database.read() as session:
        plan = found.plan(session)
    yield from _gaps(plan, now_ns, found.zone)
    residents = [one.id for one in registry.residents()]
    everybody = [one for owner in (None, *residents) for one in registry.contacts(owner)]
    for words in unknown_names(plan, everybody, residents):
        fix = ("改正方案，或添加联系人：yinling contacts add", "correct the plan, or add them: `yinling contacts add`")
        yield "escalation", False, words, fix
    unset = sorted({one.channel for one in everybody} - settings.channel_names)
    for channel in unset:
        names = ", ".join(sorted({one.id for one in everybody if one.channel == channel}))
        table = "[assist]" if channel == "webhook" else f"[channels.{channel}]"
        text = (f"通道 {channel} 没有配置，通知不到：{names}", f"no channel {channel} is set up to tell {names}")
        yield "contacts", False, text, (f"在配置中写 {table}", f"write {table} into the settings")
    if not everybody and settings.assist is None:
        text = ("没有联系人，也没有助急服务：报警通知不到任何人", "no contact and no 助急 service: alerts reach nobody")
        yield "contacts", False, text, ("yinling contacts add，或填写 [assist]", "`yinling contacts add`, or [assist]")


def _gaps(plan: Plan, now_ns: int, zone: ZoneInfo) -> Iterator[Found]:
    for one in duties(plan, now_ns, now_ns + WEEK_NS, zone):
        if not one.gaps:
            continue
        first, more = one.gaps[0], len(one.gaps) - 1
        zh = f"值班表 {one.schedule}：{_when(first, zone)} 无人值班" + (f"，本周另有 {more} 处" if more else "")
        en = f"schedule {one.schedule}: nobody is on call {_when(first, zone)}"
        en += f", and {more} more times this week" if more else ""
        fix = ("补上值班（yinling policy check --week）", "fill the gap (`yinling policy check --week`)")
        yield "on_call", first.from_ns < now_ns + AHEAD_NS, (zh, en), fix


def _when(turn: Turn, zone: ZoneInfo) -> str:
    begin, end = (local(at, zone) for at in (turn.from_ns, turn.to_ns))
    return f"{begin:%m-%d %H:%M} – {end:%m-%d %H:%M}"
