"""The monthly report: the statistics as a table (CSV) and as one printable page (HTML), in Chinese or English."""

from __future__ import annotations

import csv
import html
import io
from dataclasses import dataclass
from datetime import date, time
from typing import TYPE_CHECKING

from analytics.kinds import KINDS
from gateway.alerts.oncall import instant

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from gateway.alerts.statistics import Spread, Statistics

NOT_MEDICAL = ("本产品不是医疗器械。", "Not a medical device.")
TITLE = ("报警月报", "Monthly report of alerts")
HEADINGS = {
    "numbers": ("概况", "Numbers"),
    "kinds": ("按种类", "By kind"),
    "top": ("报警最多的来源", "Those that alarm most"),
}
COLUMNS = {
    "numbers": (("指标", "数值", "参考目标"), ("measure", "value", "usual target")),
    "kinds": (("种类", "报警", "确有其事", "误报", "准确率"), ("kind", "raised", "real", "false", "precision")),
    "top": (("来源", "种类", "报警", "占比"), ("source", "kind", "raised", "share")),
}
STYLE = (
    "body{font-family:'Noto Sans SC','Microsoft YaHei',sans-serif;max-width:48em;margin:2em auto;color:#111}"
    "table{border-collapse:collapse;width:100%;margin-bottom:1.5em}td,th{border:1px solid #999;padding:.3em .6em;"
    "text-align:left}th{background:#eee}td:nth-child(n+2){font-variant-numeric:tabular-nums}h1{font-size:1.5em}"
    "h2{font-size:1.15em}@page{size:A4;margin:18mm}@media print{body{margin:0;max-width:none}h2{break-after:avoid}}"
)

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What the page is made of. site: its name. month: "2026-11"."""

    site: str
    month: str
    statistics: Statistics
    english: bool

    @property
    def tables(self) -> dict[str, list[Row]]:
        """The rows of each part, as text."""
        column = int(self.english)
        return {
            "numbers": list(_numbers(self.statistics, column)),
            "kinds": [
                (_kind(one.kind, column), str(one.raised), str(one.real), str(one.false), _percent(one.precision))
                for one in self.statistics.kinds
            ],
            "top": [
                (one.subject, _kind(one.kind, column), str(one.raised), _percent(one.share))
                for one in self.statistics.top
            ],
        }


def span_of(month: str, zone: ZoneInfo) -> tuple[int, int]:
    """The instants at which a month such as "2026-11" begins and ends. Raises ValueError."""
    first = date.fromisoformat(f"{month}-01")
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return instant(first, time(), zone), instant(following, time(), zone)


def so_far(from_ns: int, to_ns: int, now_ns: int) -> tuple[int, int]:
    """A span up to now: what has not been yet is neither quiet nor open. Raises ValueError where it has not begun."""
    if from_ns >= now_ns:
        raise ValueError("has not begun")
    return from_ns, min(to_ns, now_ns)


def as_csv(report: Report) -> str:
    """One table: part, then the columns of that part."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    for part, rows in report.tables.items():
        writer.writerow((part, *COLUMNS[part][report.english]))
        writer.writerows((part, *map(harmless, row)) for row in rows)
    return out.getvalue()


def as_html(report: Report) -> str:
    """One page without anything from elsewhere."""
    column = int(report.english)
    title = html.escape(f"{report.site} · {TITLE[column]} {report.month}")
    parts = "".join(
        f"<h2>{HEADINGS[part][column]}</h2><table><tr>{''.join(f'<th>{h}</th>' for h in COLUMNS[part][column])}</tr>"
        + "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
        + "</table>"
        for part, rows in report.tables.items()
    )
    language = "en" if report.english else "zh-CN"
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body><h1>{title}</h1>{parts}<p>{NOT_MEDICAL[column]}</p></body></html>\n"
    )


def _numbers(of: Statistics, column: int) -> list[Row]:
    urgent = of.by_priority["high"]
    table: list[tuple[tuple[str, str], str, str]] = [
        (("报警", "alerts raised"), str(of.raised), ""),
        (("其中高优先级", "of these high priority"), str(urgent), "≈ 5 %"),
        (("报警到送达", "raised to delivered"), _seconds(of.to_delivered, column), "≤ 5 s"),
        (("报警到应答", "raised to acknowledged"), _seconds(of.to_acknowledged, column), "≤ 60 s"),
        (("报警到到场", "raised to on scene"), _seconds(of.to_on_scene, column), "≤ 15 min"),
        (("高优先级 60 秒内应答", "high priority answered within 60 s"), _percent(of.answered_60s), "100 %"),
        (("每位老人每天", "per resident and day"), _number(of.per_resident_day), ""),
        (("每位护理员每小时", "per carer and hour"), _number(of.per_carer_hour), "≤ 6"),
        (("报警成批（10 分钟超过 10 条）", "floods (more than 10 in 10 min)"), str(of.floods), "0"),
        (("成批时间占比", "share of time in floods"), _percent(of.flood_share), "< 1 %"),
        (("10 分钟内最多", "most within 10 min"), str(of.peak_10min), "≤ 10"),
        (("反复抖动的来源", "chattering sources"), str(of.chattering), "0"),
        (("超过 24 小时未结束", "open for more than 24 h"), str(of.stale), "< 5"),
    ]
    return [(words[column], value, target) for words, value, target in table]


def _kind(name: str, column: int) -> str:
    row = KINDS.get(name)
    return (row.zh, row.en)[column] if row else name


def _seconds(spread: Spread, column: int) -> str:
    if spread.median is None or spread.p95 is None:
        return "–"
    text = ("中位 {:.1f} s，95 % {:.1f} s（{} 次）", "median {:.1f} s, 95 % {:.1f} s ({} times)")[column]
    return text.format(spread.median, spread.p95, spread.number)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def harmless(cell: str) -> str:
    """A spreadsheet must not take a name for a formula."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@") else cell
