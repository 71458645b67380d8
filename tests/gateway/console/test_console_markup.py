"""HTML of the view models: both languages, everything foreign escaped, stale and unknown never shown as current."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta, timezone
from html.parser import HTMLParser

import numpy as np
import pytest

from analytics.kinds import Priority
from device_drivers.observations import Quality, Samples
from gateway.alerts.lifecycle import State
from gateway.console import markup
from gateway.console.trace import HEIGHT, WINDOW_S, Trace, draw
from gateway.console.views import AlertView, CardView, FactView, Freshness, Look, VitalView
from gateway.context import HealthItem

S = 1_000_000_000
NOW = 1_800_000_000 * S
CHINA = timezone(timedelta(hours=8))
EVIL = '<script>alert("1")</script>&'
VITAL = VitalView("heart_rate", "72", "/min", Freshness.CURRENT, 2.0)
CARD = CardView("r1", "李奶奶", "301", Look.CALM, False, (), (VITAL,) * 4, (), None, 3.0, True)
ALERT = AlertView(
    "a1", "fall", Priority.HIGH, State.RAISED, "r1", "李奶奶", "手环", "301", None, NOW - 187 * S, 187.0, None, True, 1,
    0, False, (),
)  # fmt: skip


class Tags(HTMLParser):
    """All tags of a text, and whether they close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        self.seen.append(tag)
        self.open.append(tag)

    def handle_startendtag(self, tag: str, _attrs: object) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_nothing_foreign_becomes_markup(language: str) -> None:
    card = replace(CARD, name=EVIL, room=EVIL, reasons=(EVIL,))
    alert = replace(ALERT, who=EVIL, where=EVIL, by=EVIL, kind=EVIL, state=State.EN_ROUTE)
    device = replace(ALERT, who=None, device=EVIL)
    part = HealthItem(EVIL, False, EVIL, EVIL, {})
    for text in (
        markup.look_html(card, language),
        markup.alert_html(alert, NOW, language),
        markup.alert_html(device, NOW, language),
        markup.health_html([part], language),
        markup.faults_html([("fault.board", EVIL)], language),
        markup.spoken(alert, language),
    ):
        tags = Tags(text)
        assert "script" not in tags.seen
        assert EVIL in tags.words


@pytest.mark.parametrize(
    ("seconds", "zh", "en"),
    [
        (0, "刚刚", "now"),
        (4.9, "刚刚", "now"),
        (5, "5 秒前", "5 s ago"),
        (59.9, "59 秒前", "59 s ago"),
        (60, "1 分钟前", "1 min ago"),
        (3599, "59 分钟前", "59 min ago"),
        (7200, "2 小时前", "2 h ago"),
        (172_800, "2 天前", "2 d ago"),
        (None, "时间不明", "time unknown"),
    ],
)
def test_ages(seconds: float | None, zh: str, en: str) -> None:
    assert markup.age_text(seconds, "zh-CN") == zh
    assert markup.age_text(seconds, "en") == en


def test_durations_and_clock() -> None:
    assert markup.duration_text(187.9, "en") == "3:07"
    assert markup.duration_text(3600 + 65, "zh-CN") == "1 小时 1 分"
    assert markup.clock_text(NOW - 187 * S, NOW, CHINA) == "15:56:53"
    assert markup.clock_text(NOW - 86_400 * S, NOW, CHINA) == "01-14 16:00:00"
    assert re.fullmatch(r"\d\d:\d\d:\d\d", markup.clock_text(NOW, NOW))


def test_current_stale_and_unknown_look_different() -> None:
    current = markup.vital_html(VITAL, "en")
    stale = markup.vital_html(replace(VITAL, freshness=Freshness.STALE, age_s=130.0), "en")
    unknown = markup.vital_html(VitalView("heart_rate", None, "/min", Freshness.UNKNOWN, None), "en")
    absent = VitalView("spo2", None, "%", Freshness.UNKNOWN, 9.0, Quality.NO_CONTACT)
    assert Tags(current).words == "Heart rate72/minnow"
    assert "y-v-current" in current
    assert Tags(stale).words == "Heart rate72/min2 min ago"
    assert "y-v-stale" in stale
    assert Tags(unknown).words == "Heart rate—"
    assert "y-v-unknown" in unknown
    assert Tags(markup.vital_html(absent, "zh-CN")).words == "血氧饱和度—未接触 · 9 秒前"
    poor = replace(VITAL, quality=Quality.POOR)
    assert Tags(markup.vital_html(poor, "zh-CN")).words == "心率72次/分信号差 · 刚刚"
    computed = replace(VITAL, derived=True)
    assert Tags(markup.vital_html(computed, "zh-CN")).words == "心率72次/分网关推算 · 刚刚"
    assert Tags(markup.vital_html(computed, "en")).words == "Heart rate72/mincomputed by the box · now"


@pytest.mark.parametrize("look", list(Look))
def test_a_state_has_colour_word_and_shape(look: Look) -> None:
    text = markup.look_html(replace(CARD, look=look), "zh-CN")
    others = [icon for other, icon in markup.ICONS.items() if other is not look]
    assert f"y-look y-{look}" in text
    assert markup.ICONS[look] in text
    assert not any(icon in text for icon in others)
    assert {"calm": "平安", "attention": "留意", "alarm": "报警", "unknown": "未知"}[look] in text


def test_flash_only_where_the_view_says_so() -> None:
    assert "y-flash" in markup.look_html(replace(CARD, look=Look.ALARM, flashing=True), "en")
    assert "y-flash" not in markup.look_html(replace(CARD, look=Look.ALARM), "en")
    assert "y-flash" in markup.alert_html(ALERT, NOW, "en")
    assert "y-flash" not in markup.alert_html(replace(ALERT, flashing=False), NOW, "en")


def test_why_unknown() -> None:
    unknown = replace(CARD, look=Look.UNKNOWN)
    assert "No device assigned" in markup.look_html(replace(unknown, has_devices=False), "en")
    assert "never heard" in markup.look_html(replace(unknown, heard_s=None), "en")
    assert "No current data · last heard 3 min ago" in markup.look_html(replace(unknown, heard_s=200.0), "en")


def test_reasons_in_words() -> None:
    card = replace(CARD, look=Look.ALARM, reasons=("fall", "signal_lost", "new_kind"))
    assert "跌倒、信号丢失、new_kind" in markup.look_html(card, "zh-CN")
    assert "Fall, Signal lost, new_kind" in markup.look_html(card, "en")


def test_alert_in_words() -> None:
    words = Tags(markup.alert_html(ALERT, NOW, "en", CHINA)).words
    assert words == "FallHigh李奶奶Room 301since 15:56:53, 3:07Nobody has answered"
    taken = replace(ALERT, state=State.ACKNOWLEDGED, by="王芳 (夜班手机)", flashing=False)
    assert "王芳 (夜班手机) 已接手" in markup.alert_html(taken, NOW, "zh-CN")
    assert "— 已接手" in markup.alert_html(replace(taken, by=None), NOW, "zh-CN")
    site = replace(ALERT, who=None, device=None, where="")
    assert "本站点" in markup.alert_html(site, NOW, "zh-CN")


def test_suspected_alert_tells_the_seconds_left() -> None:
    suspected = replace(ALERT, state=State.SUSPECTED, countdown_s=11.2, flashing=False)
    text = markup.alert_html(suspected, NOW, "en")
    assert "Contacts are told in 12 s" in text
    assert "y-what y-attention" in text
    assert "Telling the contacts now" in markup.alert_html(replace(suspected, countdown_s=0.0), NOW, "en")


def test_test_repeats_and_count() -> None:
    text = markup.alert_html(replace(ALERT, test=True, count=3, repeats=2, flashing=False), NOW, "en")
    assert "Test" in text
    assert "3 times" in text
    assert "told again 2 times" in text
    assert "y-what y-attention" in text


def test_health_puts_faults_first_and_counts_them() -> None:
    good = HealthItem("broker", True, "好", "fine", {})
    bad = HealthItem("serial:/dev/ttyUSB0", False, "断开", "gone", {})
    new = HealthItem("something:else", True, "好", "fine", {})
    words = Tags(markup.health_html([good, bad, new], "en")).words
    assert words.startswith("FaultSerial line /dev/ttyUSB0goneWorking parts: 2OKMessage brokerfine")
    assert "something else" in words
    assert markup.health_summary([good, bad], "en") == "Faults on the box: 1"
    assert markup.health_summary([good], "zh-CN") == "网关各部分正常"
    assert markup.health_summary([], "en") == "The box reports nothing about itself"
    assert "The box reports nothing" in markup.health_html([], "en")
    assert "<details" not in markup.health_html([bad], "en")


def test_facts() -> None:
    told = (FactView("bed_in"), FactView("battery", 40))
    assert markup.facts_html(told, "en") == "in bed · battery 40%"
    assert markup.facts_html((), "en") == ""


def test_link_banner_has_a_place_for_the_seconds() -> None:
    text = markup.link_html("zh-CN")
    assert "<b></b>" in text
    assert "hidden" in text


# The trace


def block(end_age_s: float, values: object = None, rate: float = 50.0, device_ahead_s: float = 0.0) -> Samples:
    raw = np.tile([0.0, 0.6, 0.8], (int(rate), 1)) if values is None else np.asarray(values)
    end = NOW - int(end_age_s * S)
    start = end - int(len(raw) / rate * S) + int(device_ahead_s * S)
    return Samples("w1", "accel", raw.astype(np.float32), rate, start, end)


def points(trace: Trace) -> list[tuple[str, float, float, float]]:
    found = re.findall(r"([ML])([\d.]+) ([\d.]+)V([\d.]+)", trace.path)
    assert "".join(f"{a}{b} {c}V{d}" for a, b, c, d in found) == trace.path
    return [(a, float(b), float(c), float(d)) for a, b, c, d in found]


def test_one_g_is_half_the_height_of_two() -> None:
    trace = draw([block(age) for age in range(11, -1, -1)], NOW)
    assert trace is not None
    assert trace.top_g == 2.0
    drawn = points(trace)
    assert [pen for pen, *_ in drawn].count("M") == 1
    assert {y for _, _, low, high in drawn for y in (low, high)} == {HEIGHT / 2}
    assert drawn[0][1] == 0
    assert len(drawn) == 120


def test_a_single_spike_survives() -> None:
    values = np.tile([0.0, 0.0, 1.0], (100, 1))
    values[37] = [0.0, 0.0, -4.2]
    trace = draw([block(0, values, rate=100.0)], NOW)
    assert trace is not None
    assert trace.top_g == 5.0
    assert min(high for *_, high in points(trace)) == pytest.approx(HEIGHT * (1 - 4.2 / 5), abs=0.06)


def test_a_missing_block_breaks_the_line() -> None:
    trace = draw([block(4), block(3), block(0)], NOW)
    assert trace is not None
    assert [pen for pen, *_ in points(trace)].count("M") == 2


def test_a_wrong_clock_of_the_device_does_not_move_the_trace() -> None:
    ages = range(5, -1, -1)
    right = draw([block(age) for age in ages], NOW)
    assert draw([block(age, device_ahead_s=3600.0) for age in ages], NOW) == right


def test_what_is_old_or_no_number_is_not_drawn() -> None:
    assert draw([], NOW) is None
    assert draw([block(WINDOW_S + 1)], NOW) is None
    assert draw([block(0, np.full((50, 3), np.nan))], NOW) is None
    late = draw([block(8)], NOW)
    assert late is not None
    assert max(x for _, x, *_ in points(late)) <= 240 * 4.1 / 12


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_trace_in_html(language: str) -> None:
    text = markup.trace_html(Trace("M0 1V2", 3.0), language)
    assert 'd="M0 1V2"' in text
    assert "0–3 g" in text
    Tags(text)
    assert "svg" not in markup.trace_html(None, language)
