"""Statistics against a count by hand, and the monthly report in both languages."""

import csv
import io
import re
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from alert_site import T0, S, Site
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from gateway.alerts.happened import month_report, names_of, read, read_stays, statistics_of
from gateway.alerts.lifecycle import Outcome
from gateway.alerts.oncall_watch import device_of
from gateway.alerts.report import Report, as_html, percent, rate, so_far, span_of
from gateway.alerts.report_csv import as_csv
from gateway.alerts.report_words import CSV_COLUMNS, FAST, MEASURES, NO_ROWS, NOTES
from gateway.alerts.statistics import Facts, Spread, Statistics, Stay, compute
from gateway.channels.base import Accepted
from gateway.config import SiteSettings
from gateway.models import ResidentRow
from gateway.registry import Device, Resident
from gateway.removal import remove_resident
from gateway.tables import NOTHING, Part, tables

DAY = 86_400 * S
OK = Accepted("ok")
ALWAYS = Stay("r0", T0 - 400 * DAY)
NURSE = "王芳"
ZONE = ZoneInfo("Asia/Shanghai")


def fact(at_s: float, kind: str = "help_call", **more: Any) -> Facts:
    """An alert. acknowledged, closed ...: at how many seconds after it was raised."""
    priority = {"help_call": 1, "fall": 1, "nobody_on_call": 1, "heart_rate_high": 2, "battery_low": 3}[kind]
    known: dict[str, Any] = {"subject": "resident:r1", "resident_id": "r1", "outcome": None} | more
    after = {
        name: None if known.pop(name, None) is None else T0 + int((at_s + more[name]) * S)
        for name in ("delivered", "acknowledged", "on_scene", "closed")
    }
    by = None if after["closed"] is None else ("analytics" if known["outcome"] == "recovered" else NURSE)
    return Facts(
        kind=kind,
        priority=priority,
        raised_ns=T0 + int(at_s * S),
        closed_by=by,
        **{f"{name}_ns": at for name, at in after.items()},
        **known,
    )


def count(facts: list[Facts], days: float = 1, stays: tuple[Stay, ...] = (ALWAYS,), **more: Any) -> Statistics:
    """The numbers of so many days from T0 on, looked at in their end."""
    end = T0 + int(days * DAY)
    return compute(facts, T0, end, stays=stays, **({"now_ns": end} | more))


def test_counted_by_hand() -> None:
    facts = [
        fact(0, delivered=1, acknowledged=30, on_scene=300, closed=900, outcome="real_help"),
        fact(3600, "fall", delivered=3, acknowledged=90, closed=600, outcome="false_alarm"),
        fact(7200, "fall", delivered=2, acknowledged=60, closed=90_000, outcome="real_fall"),
        fact(9000, "heart_rate_high", closed=61, outcome="recovered"),
        fact(9500, "battery_low", subject="device:w1", outcome=None),
    ]
    found = count(facts, 2, (ALWAYS, replace(ALWAYS, who="r2")), carers=0.5)
    assert (found.raised, found.by_priority) == (5, {"high": 3, "medium": 1, "low": 1})
    assert (found.persons, found.equipment) == (4, 1)
    assert found.to_delivered == Spread(3, 5, 2.0, 3.0)
    assert found.to_acknowledged == Spread(3, 5, 60.0, 90.0)
    assert found.to_on_scene == Spread(1, 5, 300.0, 300.0)
    assert (found.never_answered, found.ended_unanswered) == (2, 1)
    assert (found.urgent_in_time, found.urgent_judged) == (2, 3)
    assert found.answered_60s == pytest.approx(2 / 3)
    assert [(k.kind, k.raised, k.real, k.false, k.recovered, k.open, k.precision) for k in found.kinds] == [
        ("fall", 2, 1, 1, 0, 0, 0.5),
        ("battery_low", 1, 0, 0, 0, 1, None),
        ("heart_rate_high", 1, 0, 0, 1, 0, None),
        ("help_call", 1, 1, 0, 0, 0, 1.0),
    ]
    assert (found.residents, found.resident_days) == (2, 4.0)
    assert found.per_resident_day == 4 / (2 * 2)
    assert found.per_carer_hour == 5 / (48 * 0.5)
    assert found.stale == 2
    assert (found.top[0].subject, found.top[0].kind, found.top[0].raised, found.top[0].share) == (
        "resident:r1",
        "fall",
        2,
        0.4,
    )
    assert (found.floods, found.chattering, found.peak_10min) == (0, 0, 2)


def test_who_ends_an_alert_at_once_has_answered_it() -> None:
    ended = fact(0, closed=20, outcome="real_help")
    found = count([ended, fact(100, closed=20, outcome="recovered")])
    assert ended.answered_ns == T0 + 20 * S
    assert found.to_acknowledged == Spread(1, 2, 20.0, 20.0)
    assert (found.never_answered, found.ended_unanswered) == (1, 1)


def test_what_is_too_young_or_ended_by_itself_sooner_is_no_failure() -> None:
    def urgent(*facts: Facts, now_s: float) -> tuple[int, int, float | None]:
        found = count(list(facts), now_ns=T0 + int(now_s * S))
        return found.urgent_in_time, found.urgent_judged, found.answered_60s

    waiting = fact(0)
    assert urgent(waiting, now_s=60) == (0, 0, None)
    assert urgent(waiting, now_s=61) == (0, 1, 0.0)
    assert urgent(waiting, fact(30, acknowledged=5), now_s=50) == (1, 1, 1.0)
    assert urgent(fact(0, acknowledged=60), fact(0, acknowledged=61), now_s=90) == (1, 2, 0.5)
    assert urgent(fact(0, closed=60, outcome="recovered"), now_s=900) == (0, 0, None)
    assert urgent(fact(0, closed=61, outcome="recovered"), now_s=900) == (0, 1, 0.0)
    assert urgent(fact(0, "heart_rate_high"), now_s=900) == (0, 0, None)


def test_days_count_from_the_registration_on() -> None:
    """Two residents, one since the last of ten days, one who left after the first."""
    late, gone = Stay("r1", T0 + 9 * DAY), Stay("r2", T0 - DAY, T0 + DAY)
    found = count([fact(9.5 * 86_400)] * 4, 10, (late, gone))
    assert (found.residents, found.resident_days, found.per_resident_day) == (2, 2.0, 2.0)
    assert (found.counted_from_ns, found.per_carer_hour) == (T0, 4 / 240)
    found = count([fact(9.5 * 86_400)] * 4, 10, (late,))
    assert (found.counted_from_ns, found.per_carer_hour) == (T0 + 9 * DAY, 4 / 24)
    assert (found.residents, found.per_resident_day) == (1, 4.0)
    before = count([fact(9.5 * 86_400), fact(0, "battery_low")], 10, (late,))
    assert before.counted_from_ns == T0, "an alert shows that the box watched"
    assert before.per_resident_day == 1.0, "equipment is not about a resident"


def test_a_rate_is_not_made_of_minutes() -> None:
    fresh = (Stay("r1", T0 + DAY // 2),)
    assert count([fact(86_300)], 1, fresh).per_resident_day is None
    assert count([fact(86_300)], 1, fresh).per_carer_hour == 1 / 12
    assert count([fact(86_300)], 1, (Stay("r1", T0 + DAY - 600 * S),)).per_carer_hour is None
    assert count([], 1, (Stay("r1", T0 + 2 * DAY),)).per_carer_hour is None


@pytest.mark.parametrize("outcome", [None, *(one.value for one in Outcome)])
@pytest.mark.parametrize("kind", ["fall", "nobody_on_call"])
def test_every_alert_of_a_kind_is_in_one_column(kind: str, outcome: str | None) -> None:
    closed = None if outcome is None else 60
    (row,) = count([fact(0, kind, outcome=outcome, closed=closed)] * 3).kinds
    parts = [row.real, row.false, row.recovered, row.other, row.open]
    assert sorted(parts) == [0, 0, 0, 0, 3]
    judged = outcome in ("real_fall", "real_help", "false_alarm")
    assert (row.precision is not None) == (judged and kind == "fall"), "equipment is not judged by precision"


def test_nothing_is_no_number() -> None:
    found = count([], stays=())
    assert (found.to_delivered, found.answered_60s, found.per_resident_day) == (Spread(0, 0, None, None), None, None)
    assert (found.per_carer_hour, found.peak_10min, found.top) == (0.0, 0, ())


def test_what_is_open_for_a_day_is_judged_by_now() -> None:
    """An alert of the last hour of a month that was open for long into the next one."""
    late = fact(86_000, closed=100_000, outcome="real_help")
    assert count([late]).stale == 1
    assert count([fact(86_000)]).stale == 0
    assert count([fact(86_000)], now_ns=T0 + 3 * DAY).stale == 1


def test_floods_and_chattering() -> None:
    burst = [fact(10 * number, subject=f"s{number}") for number in range(15)]
    found = count(burst)
    assert (found.floods, found.peak_10min, found.chattering) == (1, 15, 0)
    # from the 11th (100 s) until fewer than 5 are within 10 minutes (the 11th leaves at 700 s)
    assert found.flood_share == pytest.approx(600 / 86_400)
    assert count(burst[:10]).floods == 0
    # it is only counted until the end of the span: from 100 s to 200 s
    assert count(burst, 200 / 86_400).flood_share == pytest.approx(0.5)
    assert count([fact(at) for at in (0, 30, 60)]).chattering == 1
    assert count([fact(at) for at in (0, 30, 61)]).chattering == 0


@given(st.lists(st.tuples(st.integers(0, 80_000), st.sampled_from(["fall", "battery_low"])), max_size=40))
def test_order_does_not_matter_and_shares_are_shares(raised: list[tuple[int, str]]) -> None:
    facts = [fact(at, kind, acknowledged=at % 120 if at % 3 else None) for at, kind in raised]
    found = count(facts)
    assert count(facts[::-1]).to_acknowledged == found.to_acknowledged
    assert 0 <= found.flood_share <= 1
    assert found.answered_60s is None or 0 <= found.answered_60s <= 1
    assert sum(one.raised for one in found.kinds) == found.raised == len(raised)
    assert sum(one.share for one in found.top) == pytest.approx(1 if raised else 0)
    assert found.to_acknowledged.number + found.never_answered == found.raised
    assert found.persons + found.equipment == found.raised


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def live(site: Site) -> None:
    """A month with one call, answered after 20 s, a test, a flat battery and a gap in a schedule; two residents."""
    site.registry.update_resident(Resident("r1", "李<奶奶>", room="301"), by="test", now_ns=T0 - DAY)
    with site.database.write() as session:
        session.execute(update(ResidentRow).values(created_ns=T0 - DAY))
    site.registry.add_resident(Resident("r2", "王爷爷"), by="test", now_ns=T0 - DAY)
    site.registry.add_device(Device("=cmd()", "yinling_wearable", name="手环"), by="test", now_ns=T0)
    first = site.take().alert
    site.send(OK)
    site.now = 20
    site.service.acknowledge(first.id, NURSE, site.ns)
    site.service.resolve(first.id, NURSE, site.ns, outcome=Outcome.REAL_HELP)
    site.take("fall", episode="f", evidence={"test": True})
    site.now = 40
    site.take("battery_low", episode="b", resident_id="r2", devices=("=cmd()",))
    gap = site.take("nobody_on_call", episode="n", resident_id=None, devices=(device_of("night"),)).alert
    site.service.resolve(gap.id, NURSE, site.ns, outcome=Outcome.FALSE_ALARM)


def made(site: Site, month: str = "2025-01", *, english: bool = True, **more: Any) -> Report:
    with site.database.read() as session:
        settings = SiteSettings(name="<银龄>")
        return month_report(session, settings, month, more.pop("now_ns", T0 + DAY), english=english, **more)


def test_what_is_read_from_the_database(site: Site) -> None:
    live(site)
    with site.database.read() as session:
        facts = read(session, T0, T0 + DAY)
        assert [(one.kind, one.outcome) for one in facts] == [
            ("help_call", "real_help"),
            ("battery_low", None),
            ("nobody_on_call", "false_alarm"),
        ]
        assert facts[0].acknowledged_ns == T0 + 20 * S
        assert facts[2].answered_ns == T0 + 40 * S, "ended by a person without a word before"
        assert [one.kind for one in read(session, T0, T0 + DAY, residents=["r2"])] == ["battery_low"]
        assert read(session, T0 + DAY, T0 + 2 * DAY) == []
        assert read_stays(session) == [Stay("r1", T0 - DAY), Stay("r2", T0 - DAY)]
    site.registry.update_resident(Resident("r2", "王爷爷", active=False), by="test", now_ns=T0 + DAY)
    with site.database.read() as session:
        assert read_stays(session, residents=["r2"]) == [Stay("r2", T0 - DAY, T0 + DAY)]
        found = statistics_of(session, T0, T0 + 3 * DAY, T0 + 3 * DAY)
        assert (found.residents, found.resident_days) == (2, 4.0)


def test_who_was_removed_was_cared_for_until_then(site: Site) -> None:
    """Alerts about somebody who has left stay; so do the days, or the rates of all others would rise."""
    for begin, end in ((0, 2), (3, 4)):
        site.registry.add_resident(Resident("r7", "孙爷爷"), by="test", now_ns=T0 + begin * DAY)
        remove_resident(site.database, "r7", by="test", now_ns=T0 + end * DAY)
    site.registry.add_resident(Resident("r7", "孙爷爷"), by="test", now_ns=T0 + 9 * DAY)
    with site.database.read() as session:
        mine = read_stays(session, residents=["r7"])
        assert [(one.from_ns, one.to_ns) for one in mine] == [
            (T0 + 9 * DAY, None),
            (T0, T0 + 2 * DAY),
            (T0 + 3 * DAY, T0 + 4 * DAY),
        ]
        assert {one.who for one in mine} == {"r7"}
        assert len(read_stays(session)) == 4
        assert read_stays(session, residents=["r8"]) == []
        found = statistics_of(session, T0, T0 + 10 * DAY, T0 + 10 * DAY, residents=["r7"])
        assert (found.residents, found.resident_days) == (1, 4.0), "one person, three stays"


def test_sources_have_names(site: Site) -> None:
    live(site)
    told = {
        "resident:r1": "李<奶奶> · 301",
        "resident:r9": "resident r9 (not registered)",
        "device:=cmd()": "device 手环",
        "device:w7": "device w7",
        "device:oncall:night": "on-call schedule night",
        "device:box:disk": "the box: disk",
        "device:box": "the box",
        "device:far:webhook": "far side webhook",
        "device:flood:signal_lost": "many at once: Signal lost",
        "site": "the site",
        "strange": "strange",
    }
    with site.database.read() as session:
        assert {subject: words[1] for subject, words in names_of(session, told).items()} == told
        chinese = names_of(session, ["device:oncall:night", "device:box:disk"])
        assert [words[0] for words in chinese.values()] == ["值班表 night", "网关：磁盘"]


def test_the_report_in_both_languages(site: Site) -> None:
    live(site)
    page = plain(as_html(made(site, english=False)))
    for words in (
        "&lt;银龄&gt; · 报警月报 2025-01",
        "<td>呼救</td><td>1</td><td>1</td><td>0</td><td>0</td><td>0</td><td>0</td><td>100.0 %</td>",
        "<td>报警到应答</td><td>2 / 3 (66.7 %)</td><td>10.0 秒</td><td>20.0 秒</td><td>≤ 60 秒</td>",
        "<td>至今无人应答</td><td>1 / 3 (33.3 %)</td>",
        "<td>无人值班</td><td>1</td><td>0</td><td>1</td><td>0</td>",
        "<td>李&lt;奶奶&gt; · 301</td>",
        "<td>值班表 night</td>",
        "按同时 1 人在岗",
        "本月尚未结束",
        "ISA-18.2",
        "本产品不是医疗器械",
    ):
        assert words in page, words
    assert not re.search(r"https?:|<script|src=", page)
    page = plain(as_html(made(site)))
    for words in (
        "Monthly report",
        "Period: 2025-01-01 00:00 to 2025-01-03 11:04.",
        "before 2025-01-01 11:04",
        "The month is not over",
        "Residents registered: 2, days of care in all: 4.0. Carers at a time: 1 (assumed)",
        "Made 2025-01-03 11:04.",
        "<td>of these high priority</td><td>2 of 3 (66.7 %)</td>",
        "<td>raised to acknowledged</td><td>2 of 3 (66.7 %)</td><td>10.0 s</td><td>20.0 s</td>",
        "<td>per carer and hour (all, equipment too; 1 at a time)</td><td>0.0625</td>",
        "<td>per resident and day (about persons only)</td><td>0.250</td>",
    ):
        assert words in page, words


def test_the_table_has_the_same_columns_in_every_row_and_numbers_in_them(site: Site) -> None:
    live(site)
    english = list(csv.DictReader(io.StringIO(as_csv(made(site)))))
    chinese = list(csv.reader(io.StringIO(as_csv(made(site, english=False)))))
    assert {len(row) for row in chinese} == {len(CSV_COLUMNS)}
    assert chinese[0][:3] == ["表", "代码", "名称"]
    assert len(chinese) == len(english) + 1
    rows = {(row["table"], row["code"]): row for row in english}
    answered = rows["fast", "to_acknowledged"]
    assert [answered[name] for name in ("count", "of", "share", "median_s", "p95_s")] == [
        "2",
        "3",
        "0.666667",
        "10",
        "20",
    ]
    assert rows["about", "begins"]["value"] == "2025-01-01T00:00:00+08:00"
    assert rows["about", "carers"]["value"] == "1"
    assert rows["many", "per_carer_hour"]["value"] == "0.0625"
    assert rows["kinds", "help_call"]["precision"] == "1"
    assert (
        rows["equipment", "nobody_on_call"]["precision"],
        rows["equipment", "nobody_on_call"]["ended_by_person"],
    ) == ("", "1")
    assert (rows["top", "device:=cmd()"]["name"], rows["top", "device:=cmd()"]["kind"]) == (
        "device 手环",
        "battery_low",
    )
    for name in ("count", "of", "share", "median_s", "p95_s", "real", "false", "open", "precision"):
        assert all(re.fullmatch(r"(\d+(\.\d+)?)?", row[name]) for row in english), name
    site.registry.update_resident(Resident("r1", "=1+1"), by="test", now_ns=T0)
    assert "'=1+1" in as_csv(made(site)), "no formula"


def test_a_month_without_alerts_says_so(site: Site) -> None:
    page = as_html(made(site, now_ns=T0))
    for name in ("kinds", "equipment", "top"):
        assert NO_ROWS[name][1] in page
    assert page.count("<table>") == 2
    over = made(site, now_ns=T0 + 60 * DAY, residents=[])
    assert not [line for line in over.about if "not over" in line]
    assert "Only about the residents that you may see." in over.about
    with pytest.raises(ValueError, match="not begun"):
        made(site, "2025-02", now_ns=T0)


def test_words_and_numbers_for_people() -> None:
    assert [rate(value) for value in (None, 0, 0.00012345, 0.0123, 0.5, 1, 12.345)] == [
        "–",
        "0",
        "0.000123",
        "0.0123",
        "0.500",
        "1.00",
        "12.35",
    ]
    assert (percent(None), percent(0.25)) == ("–", "25.0\N{NO-BREAK SPACE}%")
    assert set(FAST) <= set(MEASURES)
    assert all(zh and en and zh != en for zh, en in NOTES)
    slow = count([fact(0, acknowledged=150), fact(0, acknowledged=9000), fact(0, "battery_low", acknowledged=119)])
    report = Report("x", "2025-01", slow, T0 + DAY, ZONE, {}, english=True)
    fast = next(part for part in report.parts if part.name == "fast")
    assert tuple(map(plain, fast.rows[1][:4])) == ("raised to acknowledged", "3 of 3 (100.0 %)", "2.5 min", "2.5 h")
    assert report.parts[-1].rows[0][0] == "resident:r1", "without a name its own"
    assert so_far(T0, T0 + DAY, T0 + 5) == (T0, T0 + 5)


def test_an_empty_table_is_said() -> None:
    empty = Part("x", "<h>", ("a",), ())
    assert tables([empty], english=False) == f"<h2>&lt;h&gt;</h2><p>{NOTHING[0]}</p>"
    assert "<p>none</p>" in tables([Part("x", "h", ("a",), (), "none")], english=True)
    assert "y-scroll" in tables([Part("x", "h", ("a",), (("1",),))], english=True)


def test_months() -> None:
    zone = ZoneInfo("Europe/Berlin")
    begin, end = span_of("2026-12", zone)
    assert datetime.fromtimestamp(end / S, zone).isoformat() == "2027-01-01T00:00:00+01:00"
    march = span_of("2026-03", zone)
    assert (march[1] - march[0]) / (3600 * S) == 31 * 24 - 1
    assert begin < end
    for wrong in ("2026-13", "2026", "x", "2026-1"):
        with pytest.raises(ValueError, match=r"\w"):
            span_of(wrong, zone)
