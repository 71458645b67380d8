"""A night report in words for family and carers, Chinese and English."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from analytics.daily.night import NightReport

NOT_MEDICAL = ("（非医疗器械，仅供参考）", "(Not a medical device, for information only)")
SOURCES = {
    "radar": ("雷达睡眠状态", "sleep states of the radar"),
    "movement": ("体动推算", "estimated from movement"),
    "none": ("未知", "unknown"),
}


class Words(NamedTuple):
    """One text in Chinese and in English."""

    zh: str
    en: str


def night_text(name: str, report: NightReport, zone: ZoneInfo) -> Words:
    """The whole report in one message. name: of the resident."""
    parts = [_bed(report, zone), _exits(report)]
    parts += [one for one in (_sleep(report), _vitals(report)) if one is not None]
    zh, en = "；".join(one.zh for one in parts), "; ".join(one.en for one in parts)
    return Words(f"【睡眠日报】{name}：{zh}。{NOT_MEDICAL[0]}", f"[Night report] {name}: {en}. {NOT_MEDICAL[1]}")


def span_words(minutes: int) -> Words:
    """A duration: hours and minutes."""
    hours, rest = divmod(minutes, 60)
    if not hours:
        return Words(f"{rest} 分钟", f"{rest} min")
    return Words(f"{hours} 小时 {rest} 分", f"{hours} h {rest} min")


def clock_words(at_ns: int, zone: ZoneInfo) -> str:
    """Time of the day by the site's clock."""
    return f"{datetime.fromtimestamp(at_ns // 10**9, zone):%H:%M}"


def _bed(report: NightReport, zone: ZoneInfo) -> Words:
    begin, span = clock_words(report.from_ns, zone), span_words(report.in_bed_min)
    if report.to_ns is None:
        return Words(
            f"{begin} 上床，出报告时仍在床，在床 {span.zh}", f"to bed {begin}, still in bed now, in bed {span.en}"
        )
    end = clock_words(report.to_ns, zone)
    return Words(f"{begin} 上床，{end} 起床，在床 {span.zh}", f"to bed {begin}, up {end}, in bed {span.en}")


def _exits(report: NightReport) -> Words:
    if not report.exits:
        return Words("夜间未离床", "never left the bed")
    return Words(
        f"离床 {report.exits} 次（最长 {report.longest_exit_min} 分钟）",
        f"left the bed {report.exits} times (at most {report.longest_exit_min} min)",
    )


def _sleep(report: NightReport) -> Words | None:
    if report.asleep_min is None:
        return None
    span, (zh, en) = span_words(report.asleep_min), SOURCES[report.source]
    more = Words("", "")
    if report.awakenings is not None and report.latency_min is not None:
        more = Words(
            f"，{report.latency_min} 分钟入睡，醒来 {report.awakenings} 次",
            f", fell asleep within {report.latency_min} min, awake {report.awakenings} times",
        )
    return Words(f"睡眠约 {span.zh}（{zh}）{more.zh}", f"slept about {span.en} ({en}){more.en}")


def _vitals(report: NightReport) -> Words | None:
    zh, en = [], []
    if report.heart_rate is not None and report.heart_rate_low is not None:
        mark = _computed(derived=report.heart_rate_derived)
        zh.append(f"心率 {report.heart_rate:.0f}（静息 {report.heart_rate_low:.0f}）次/分{mark.zh}")
        en.append(f"heart rate {report.heart_rate:.0f} (at rest {report.heart_rate_low:.0f}) /min{mark.en}")
    if report.respiratory_rate is not None:
        mark = _computed(derived=report.respiratory_rate_derived)
        zh.append(f"呼吸 {report.respiratory_rate:.0f} 次/分{mark.zh}")
        en.append(f"breathing {report.respiratory_rate:.0f} /min{mark.en}")
    if report.spo2 is not None and report.spo2_lowest is not None:
        zh.append(f"血氧 {report.spo2:.0f}%（最低 {report.spo2_lowest:.0f}%）")
        en.append(f"oxygen saturation {report.spo2:.0f}% (lowest {report.spo2_lowest:.0f}%)")
    return Words("，".join(zh), ", ".join(en)) if zh else None


def _computed(*, derived: bool) -> Words:
    """What stands behind a number that the box has computed from a wave."""
    return Words("（网关推算）", " (computed by the box)") if derived else Words("", "")
