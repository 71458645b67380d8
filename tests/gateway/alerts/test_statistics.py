"""Statistics against a count by hand, and the monthly report in both languages."""

import csv
import io
import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from alert_site import T0, S, Site
from hypothesis import given
from hypothesis import strategies as st

from gateway.alerts.lifecycle import Outcome
from gateway.alerts.report import Report, as_csv, as_html, span_of
from gateway.alerts.statistics import Facts, Spread, compute, read
from gateway.channels.base import Accepted

DAY = 86_400 * S
OK = Accepted("ok")


def fact(at_s: float, kind: str = "help_call", **more: Any) -> Facts:
    priority = {"help_call": 1, "fall": 1, "heart_rate_high": 2, "battery_low": 3}[kind]
    known: dict[str, Any] = {"subject": "resident:r1", "resident_id": "r1", "outcome": "real_help"} | more
    after = {
        name: None if known.pop(name, None) is None else T0 + int((at_s + more[name]) * S)
        for name in ("delivered", "acknowledged", "on_scene", "closed")
    }
    return Facts(
        kind=kind,
        priority=priority,
        raised_ns=T0 + int(at_s * S),
        **{f"{name}_ns": at for name, at in after.items()},
        **known,
    )


def test_counted_by_hand() -> None:
    facts = [
        fact(0, delivered=1, acknowledged=30, on_scene=300, closed=900),
        fact(3600, "fall", delivered=3, acknowledged=90, closed=600, outcome="false_alarm"),
        fact(7200, "fall", delivered=2, acknowledged=60, closed=90_000, outcome="real_fall"),
        fact(9000, "heart_rate_high", closed=60, outcome="recovered"),
        fact(9500, "battery_low", subject="device:w1", outcome=None),
    ]
    found = compute(facts, T0, T0 + 2 * DAY, residents=2, carers=0.5)
    assert (found.raised, found.by_priority) == (5, {"high": 3, "medium": 1, "low": 1})
    assert found.to_delivered == Spread(3, 2.0, 3.0)
    assert found.to_acknowledged == Spread(3, 60.0, 90.0)
    assert found.to_on_scene == Spread(1, 300.0, 300.0)
    assert found.answered_60s == pytest.approx(2 / 3)
    assert [(k.kind, k.raised, k.real, k.false, k.precision) for k in found.kinds] == [
        ("fall", 2, 1, 1, 0.5),
        ("battery_low", 1, 0, 0, None),
        ("heart_rate_high", 1, 0, 0, None),
        ("help_call", 1, 1, 0, 1.0),
    ]
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


def test_nothing_is_no_number() -> None:
    found = compute([], T0, T0 + DAY, residents=0)
    assert (found.to_delivered, found.answered_60s, found.per_resident_day) == (Spread(0, None, None), None, None)
    assert (found.per_carer_hour, found.peak_10min, found.top) == (0.0, 0, ())


def test_floods_and_chattering() -> None:
    burst = [fact(10 * number, subject=f"s{number}") for number in range(15)]
    found = compute(burst, T0, T0 + DAY, residents=1)
    assert (found.floods, found.peak_10min, found.chattering) == (1, 15, 0)
    # from the 11th (100 s) until fewer than 5 are within 10 minutes (the 11th leaves at 700 s)
    assert found.flood_share == pytest.approx(600 / 86_400)
    assert compute(burst[:10], T0, T0 + DAY, residents=1).floods == 0
    assert compute([fact(at) for at in (0, 30, 60)], T0, T0 + DAY, residents=1).chattering == 1
    assert compute([fact(at) for at in (0, 30, 61)], T0, T0 + DAY, residents=1).chattering == 0


@given(st.lists(st.tuples(st.integers(0, 80_000), st.sampled_from(["fall", "battery_low"])), max_size=40))
def test_order_does_not_matter_and_shares_are_shares(raised: list[tuple[int, str]]) -> None:
    facts = [fact(at, kind, acknowledged=at % 120) for at, kind in raised]
    found = compute(facts, T0, T0 + DAY, residents=3)
    assert compute(facts[::-1], T0, T0 + DAY, residents=3).to_acknowledged == found.to_acknowledged
    assert 0 <= found.flood_share <= 1
    assert found.answered_60s is None or 0 <= found.answered_60s <= 1
    assert sum(one.raised for one in found.kinds) == found.raised == len(raised)
    assert sum(one.share for one in found.top) == pytest.approx(1 if raised else 0)


def live(site: Site) -> None:
    first = site.take().alert
    site.send(OK)
    site.now = 20
    site.service.acknowledge(first.id, "王芳", site.ns)
    site.service.resolve(first.id, "王芳", site.ns, outcome=Outcome.REAL_HELP)
    site.take("fall", episode="f", evidence={"test": True})
    site.now = 40
    site.take("battery_low", episode="b", resident_id="r2", devices=("=cmd()",))


def test_what_is_read_from_the_database(site: Site) -> None:
    live(site)
    with site.database.read() as session:
        facts = read(session, T0, T0 + DAY)
        assert [(one.kind, one.outcome) for one in facts] == [("help_call", "real_help"), ("battery_low", None)]
        assert facts[0].acknowledged_ns == T0 + 20 * S
        assert [one.kind for one in read(session, T0, T0 + DAY, residents=["r2"])] == ["battery_low"]
        assert read(session, T0 + DAY, T0 + 2 * DAY) == []


def test_the_report_in_both_languages(site: Site) -> None:
    live(site)
    zone = ZoneInfo("Asia/Shanghai")
    from_ns, to_ns = span_of("2025-01", zone)
    with site.database.read() as session:
        numbers = compute(read(session, from_ns, to_ns), from_ns, to_ns, residents=1)
    chinese, english = (Report("<银龄>", "2025-01", numbers, english=flag) for flag in (False, True))
    page = as_html(chinese)
    for words in (
        "&lt;银龄&gt; · 报警月报 2025-01",
        "呼救",
        "报警到应答",
        "中位 20.0 s",
        "本产品不是医疗器械",
        "100.0%",
    ):
        assert words in page, words
    assert not re.search(r"https?:|<script|src=", page)
    assert "Monthly report" in as_html(english)
    assert "median 20.0 s" in as_html(english)
    rows = list(csv.reader(io.StringIO(as_csv(english))))
    assert ["numbers", "alerts raised", "2", ""] in rows
    assert ["kinds", "Help call", "1", "1", "0", "100.0%"] in rows
    assert ["top", "device:=cmd()", "Battery low", "1", "50.0%"] in rows


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
