"""Who was told, as values and as HTML: the newest message to each, escaped, in both languages."""

from __future__ import annotations

from typing import Any

import pytest
from console_site import Site

from gateway.alerts.holds import Silence
from gateway.channels.base import Accepted, Refused
from gateway.console.statistics_page import _months_around
from gateway.console.telling import Duty, Telling, Told, duty_html, read, telling_html
from gateway.registry import Contact

S = 1_000_000_000
NOW = 1_800_000_000 * S


def everybody(_: str | None) -> bool:
    return True


def test_the_newest_word_of_each_contact(site: Site) -> None:
    site.resident("r1", "李奶奶", "301", "w1")
    for number, channel in enumerate(("sms", "wecom")):
        contact = Contact(f"c{number}", "r1", f"家人{number}", "family", channel, "1", order=0)
        site.registry.add_contact(contact, by="test", now_ns=1)
    fall = site.find("help_call", "r1", "w1")
    now = site.now()
    for dispatch in site.alerts.outbox.claim(now, 10):
        word: Any = Accepted("x") if dispatch.channel == "sms" else Refused("errcode 93000")
        site.alerts.settle(dispatch, word, now)
    tellings, duty = read(site.context, site.alerts.open_alerts())
    telling = tellings[fall]
    assert duty == Duty()
    assert telling.step > 0
    assert telling.next_ns is not None
    assert {(one.name, one.word, one.said) for one in telling.told} == {
        ("家人0", "told", ""),
        ("家人1", "waiting", "errcode 93000"),
    }
    site.alerts.acknowledge(fall, "家人0", now, via=("sms", "c0"))
    told = read(site.context, site.alerts.open_alerts())[0][fall].told
    assert {one.word for one in told if one.name == "家人0"} == {"answered"}


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_what_people_wrote_is_escaped_and_every_mark_is_told(language: str) -> None:
    told = (Told(None, "webhook", "dead", "<b>410</b>", 3), Told("<i>x</i>", "sms", "told", "", 1))
    text = telling_html(Telling(2, 4, NOW, 1, "maintenance", NOW, told), NOW, language)
    assert "<b>410" not in text
    assert "<i>x" not in text
    assert "×3" in text
    assert text.count("<li") == 2
    assert "y-told-none" in telling_html(Telling(0, 0, None, 0, "grouped", None, ()), NOW, language)


def test_pauses_of_others_are_not_shown() -> None:
    pause = Silence(1, "paused", "r2", "heart_rate_high", None, "<u>擦洗</u>", "王芳", 0, NOW)
    site_wide = Silence(2, "maintenance", None, None, None, "换电池", "王芳", 0, NOW)
    device = Silence(3, "maintenance", None, None, "w1", "换电池", "王芳", 0, NOW)
    duty = Duty((("night", ("刘<b>",)), ("day", ())), (pause, site_wide, device))
    shown = duty_html(duty, {"r2": "王大爷"}, everybody, NOW, "zh-CN")
    assert "王大爷 心率过高" in shown
    assert shown.count("data-hold") == 3
    assert "<u>" not in shown
    assert "刘<b>" not in shown
    assert "无人值班" in shown
    mine = duty_html(duty, {}, lambda resident: resident != "r2", NOW, "en")
    assert 'data-hold="1"' not in mine
    assert duty_html(Duty(), {}, everybody, NOW, "en") == ""


def test_months_around_a_turn_of_the_year() -> None:
    assert _months_around("2026-01") == ("2025-12", "2026-02")
    assert _months_around("2026-12") == ("2026-11", "2027-01")
