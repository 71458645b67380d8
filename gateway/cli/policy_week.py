"""What `yinling policy check --week` shows: who is on call in the coming 7 days, gaps, and which policy counts when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from gateway.alerts.oncall import local
from gateway.alerts.week import WEEK_NS, duties, policies
from gateway.cli.setup import out

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from gateway.alerts.oncall import Turn
    from gateway.alerts.policy import Facts
    from gateway.alerts.simulate import Site
    from gateway.alerts.week import Duties, Span

SOURCES = {"rotation": ("轮班", "rotation"), "holiday": ("节假日", "holiday"), "override": ("换班", "override")}
DAYS = (("周一", "周二", "周三", "周四", "周五", "周六", "周日"), ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"))
HEADS = (("值班表", "从", "到", "谁", ""), ("schedule", "from", "until", "who", ""))
POLICY_HEADS = (("方案", "从", "到"), ("policy", "from", "until"))
NOBODY = ("无人值班", "NOBODY")
NOT_ASKED = ("无人（此时没有方案用到）", "nobody (no policy asks then)")
NO_SCHEDULE = ("没有值班表", "there is no on-call schedule")
BUILT_IN = ("内置（没有自己的方案适用）", "built-in (none of your policies fits)")
TITLES = (
    ("今后 7 天谁值班", "Who is on call in the coming 7 days"),
    ("{0}：什么时候用哪个方案", "{0}: which policy counts when"),
)


class Week:
    """The coming 7 days of a site for one kind of alert about one resident."""

    def __init__(self, site: Site, facts: Facts, from_ns: int) -> None:
        self.zone = site.zone
        self.kind = facts.kind
        self.duties = duties(site.plan, from_ns, from_ns + WEEK_NS, site.zone)
        self.spans = policies(site.plan, facts, from_ns, from_ns + WEEK_NS, site.zone, site.timing)

    @property
    def gaps(self) -> bool:
        """Whether nobody is on call at some time at which a policy could ask."""
        return any(one.gaps for one in self.duties)

    def show(self, column: int) -> None:
        """Print it; column: 0 Chinese, 1 English."""
        if not self.duties:
            out.print(NO_SCHEDULE[column])
        for one in self.duties:
            out.print(_duties_table(one, self.zone, column))
        table = Table(title=TITLES[1][column].format(self.kind))
        for head in POLICY_HEADS[column]:
            table.add_column(head, overflow="fold")
        for span in self.spans:
            table.add_row(span.policy if span.own else BUILT_IN[column], *_when(span, self.zone, column))
        out.print(table)

    def plain(self) -> dict[str, Any]:
        """The same as JSON, times with the site's offset."""
        return {
            "schedules": [
                {
                    "schedule": one.schedule,
                    "turns": [_turn(turn, self.zone) for turn in one.turns],
                    "gaps": [_turn(turn, self.zone) for turn in one.gaps],
                }
                for one in self.duties
            ],
            "policies": [{**_times(span, self.zone), "policy": span.policy, "own": span.own} for span in self.spans],
        }


def _duties_table(one: Duties, zone: ZoneInfo, column: int) -> Table:
    table = Table(title=f"{TITLES[0][column]} · {one.schedule}")
    for head in HEADS[column][1:]:
        table.add_column(head, overflow="fold")
    for turn in one.turns:
        missed = any(gap.from_ns < turn.to_ns and turn.from_ns < gap.to_ns for gap in one.gaps)
        if turn.duty is None:
            table.add_row(*_when(turn, zone, column), (NOBODY if missed else NOT_ASKED)[column], style="red" * missed)
        else:
            who = ", ".join(turn.duty.people)
            table.add_row(*_when(turn, zone, column), who, SOURCES[turn.duty.source][column])
    return table


def _when(span: Turn | Span, zone: ZoneInfo, column: int) -> tuple[str, str]:
    begin, end = (local(at, zone) for at in (span.from_ns, span.to_ns))
    return f"{DAYS[column][begin.weekday()]} {begin:%m-%d %H:%M}", f"{DAYS[column][end.weekday()]} {end:%m-%d %H:%M}"


def _times(span: Turn | Span, zone: ZoneInfo) -> dict[str, str]:
    return {"from": local(span.from_ns, zone).isoformat(), "to": local(span.to_ns, zone).isoformat()}


def _turn(turn: Turn, zone: ZoneInfo) -> dict[str, Any]:
    return {**_times(turn, zone), "people": list(turn.duty.people) if turn.duty else []}
