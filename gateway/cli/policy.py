"""`yinling policy check`: who would be called, when, if this happened then. Nobody is told."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.table import Table

from analytics.kinds import KINDS
from gateway.alerts.oncall import NS, local
from gateway.alerts.plan_check import unknown_names
from gateway.alerts.policy import Facts, Timing
from gateway.alerts.simulate import Site, timeline
from gateway.cli import BAD_ANSWER, CANNOT, app, errors
from gateway.cli.policy_week import Week
from gateway.cli.registry import registry_database
from gateway.cli.setup import DEFAULT_CONFIG, ConfigOption, out
from gateway.config import load_settings
from gateway.registry import Registry
from gateway.wiring import router

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from gateway.alerts.simulate import Event, Problem, Timeline
    from gateway.config import Settings

policy_app = typer.Typer(help="Who is told about an alert, in which order.", no_args_is_help=True)
app.add_typer(policy_app, name="policy")

WHAT = {
    "opened": ("发生", "it happens"),
    "skipped": ("已经确认，不再询问老人", "certain already: the resident is not asked"),
    "asked": ("现场询问老人", "the resident is asked on the spot"),
    "raised": ("报警", "raised"),
    "told": ("通知", "told"),
    "passed": ("无人可通知，立即跳过", "means nobody, passed at once"),
    "again": ("无人应答则反复通知", "all again until somebody answers"),
}
PROBLEMS = {
    "unreachable": (
        "第 {step} 步：联系人 {target} 的通道 {why} 没有配置",
        "step {step}: contact {target}: no channel {why} is set up",
    ),
    "nobody": ("第 {step} 步：{target} 此时无人（{why}）", "step {step}: {target} means nobody then ({why})"),
    "nobody_at_all": ("没有任何人会被通知到", "nobody at all would be reached"),
}
WHY = {
    "nobody_on_call": ("无人值班", "nobody is on call"),
    "no_contact": ("没有联系人", "no contact"),
    "no_assist": ("没有配置助急服务", "no 助急 service is set up"),
    "nobody_told": ("此前没有通知过任何人", "nobody was told before"),
    "no_schedule": ("没有这个值班表", "no such schedule"),
}


@policy_app.command("check")
def check_policy(
    resident: Annotated[str | None, typer.Option(help="Whom it is about; left out: the site")] = None,
    kind: Annotated[str, typer.Option(help="What happens, for example fall")] = "fall",
    at: Annotated[
        str | None, typer.Option(help='When, by the site\'s clock: "2026-11-22 03:10"; left out: now')
    ] = None,
    suspected: Annotated[bool, typer.Option(help="Begin with the cancel window")] = False,
    week: Annotated[
        bool, typer.Option("--week", help="Who is on call in the coming 7 days, and when nobody is")
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Machine output")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Play an alert through; exit 1 when somebody would never be reached, 2 when it cannot be played.

    With --week, the coming 7 days: who is on call, and which policy counts when; exit 1 when nobody is at some time.
    """
    settings = load_settings(config)
    zone = settings.site.zone
    if kind not in KINDS:
        _cannot(f"{kind!r} is no kind of alert; one of {', '.join(KINDS)}")
    at_ns = _moment(at, zone)
    site, warnings = _read(settings, config, resident)
    if week:
        _show_week(Week(site, Facts(kind, KINDS[kind].priority, resident), at_ns), settings, plain=json_output)
        return
    window_s = settings.alerts.cancel_window_s if kind == "fall" else None
    played = timeline(site, kind, resident, at_ns, suspected=suspected, window_s=window_s)
    if site.plan.policy and played.policy not in [policy.name for policy in site.plan.policy]:
        warnings.append(_none_fits(site))
    if json_output:
        typer.echo(json.dumps(_plain(played, warnings, zone), ensure_ascii=False))
    else:
        _show(played, warnings, zone, resident, chinese=settings.site.language == "zh-CN")
    if played.problems:
        raise typer.Exit(BAD_ANSWER)


def _show_week(week: Week, settings: Settings, *, plain: bool) -> None:
    if plain:
        typer.echo(json.dumps(week.plain(), ensure_ascii=False))
    else:
        week.show(0 if settings.site.language == "zh-CN" else 1)
    if week.gaps:
        raise typer.Exit(BAD_ANSWER)


def _none_fits(site: Site) -> tuple[str, str]:
    names = ", ".join(policy.name for policy in site.plan.policy)
    return (
        f"您的方案（{names}）都不适用于这个报警和时间，采用内置方案",
        f"none of your policies ({names}) fits this alert at this time: the built-in one counts",
    )


def _read(settings: Settings, config: Any, resident: str | None) -> tuple[Site, list[tuple[str, str]]]:
    with registry_database(config) as database:
        registry, found = Registry(database), router(settings)
        if resident is not None and registry.resident(resident) is None:
            _cannot(f"no resident {resident!r}; `yinling residents list` shows them")
        contacts = registry.contacts(resident)
        residents = [one.id for one in registry.residents()]
        everybody = [one for owner in (None, *residents) for one in registry.contacts(owner)]
        with database.read() as session:
            plan = found.plan(session)
    timing: Timing = found.timing
    site = Site(plan, contacts, found.zone, timing, found.assist, settings.channel_names)
    return site, unknown_names(plan, everybody, residents)


def _moment(text: str | None, zone: ZoneInfo) -> int:
    if text is None:
        return time.time_ns()
    try:
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()) * NS
    except (ValueError, OverflowError):
        _cannot(f'{text!r} is no time; write one such as "2026-11-22 03:10"')


def _cannot(text: str) -> NoReturn:
    errors.print(f"yinling: {text}", highlight=False)
    raise typer.Exit(CANNOT)


def _show(
    played: Timeline, warnings: list[tuple[str, str]], zone: ZoneInfo, resident: str | None, *, chinese: bool
) -> None:
    column = 0 if chinese else 1
    title = ("方案 {0}：会通知谁、什么时候", "Policy {0}: who would be called, when")[column].format(played.policy)
    table = Table(title=title)
    for heading in (("时间", "之后", "步骤", "事情", "通知"), ("time", "after", "step", "what", "told"))[column]:
        table.add_column(heading, overflow="fold")
    for event in played.events:
        table.add_row(*_row(event, zone, column))
    out.print(table)
    for problem in played.problems:
        out.print(_sentence(problem, column), style="red", highlight=False)
    for warning in warnings:
        out.print(warning[column], style="yellow", highlight=False)
    for help_text in _help(played, resident):
        out.print(help_text[column], highlight=False, soft_wrap=True)


def _help(played: Timeline, resident: str | None) -> Iterator[tuple[str, str]]:
    """What to do about it."""
    found = {problem.why or problem.what for problem in played.problems}
    if found & {"no_contact", "nobody_at_all"}:
        more = f" --resident {resident}" if resident else ""
        command = f'yinling contacts add ID "NAME" --channel CHANNEL --address ADDRESS{more}'
        yield f"添加联系人：{command}", f"Add a contact: {command}"
    if found & {"no_assist"}:
        yield "助急服务：在 yinling.toml 写 [assist]", "The 助急 service: write [assist] into yinling.toml"
    if any(problem.what == "unreachable" for problem in played.problems):
        yield "通道：在 yinling.toml 写 [channels.名称]", "A channel: write [channels.NAME] into yinling.toml"


def _row(event: Event, zone: ZoneInfo, column: int) -> tuple[str, ...]:
    missing = ("（不通）", " (unreachable)")[column]
    told = [f"{one.contact} ({one.channel}){'' if one.reachable else missing}" for one in event.told]
    told += [("＋120 急救卡", "+ card for 120")[column]] if event.card120 else []
    what = WHAT[event.what][column]
    if event.every_s is not None:
        what += ("，每 {0:g} 秒", ", every {0:g} s")[column].format(event.every_s)
    step = "" if event.step is None else f"{event.step} {event.name}".strip()
    clock = local(event.at_ns, zone).strftime("%m-%d %H:%M:%S")
    return clock, f"+{event.after_s:g} s", step, what, ", ".join(told)


def _sentence(problem: Problem, column: int) -> str:
    why = WHY[problem.why][column] if problem.why in WHY else problem.why
    return PROBLEMS[problem.what][column].format(step=problem.step, target=problem.target, why=why)


def _plain(played: Timeline, warnings: list[tuple[str, str]], zone: ZoneInfo) -> dict[str, Any]:
    events = [{**asdict(event), "time": local(event.at_ns, zone).isoformat()} for event in played.events]
    problems = [
        {**asdict(problem), "zh": _sentence(problem, 0), "en": _sentence(problem, 1)} for problem in played.problems
    ]
    return {
        "policy": played.policy,
        "events": events,
        "problems": problems,
        "warnings": [{"zh": zh, "en": en} for zh, en in warnings],
        "reached": not played.problems,
    }
