"""Views of devices as HTML: both languages, nothing unknown as a number, everything foreign escaped."""

from __future__ import annotations

import re
from collections import deque
from datetime import UTC

import numpy as np
import pytest

from device_drivers.observations import DeviceEvent, Observation, Quality, Reading, Samples
from gateway.commissioning import Tried
from gateway.console import device_markup as made
from gateway.device_view import DeviceView, Registered, Talker, look_at
from gateway.live import LiveState
from gateway.mishaps import Mishap, Mishaps
from gateway.registry import Assignment, Device, Resident
from gateway.ways import WayIn

S = 1_000_000_000
NOW = 1_790_000_000 * S
EVIL = "<script>alert(1)</script>"
PEOPLE = {"r1": Resident("r1", EVIL, room="301")}
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def view(
    device: Device, *observations: Observation, way: WayIn | None = None, tried: tuple[Tried, ...] = ()
) -> DeviceView:
    live = LiveState()
    live.update(observations)
    registered = Registered([device], {device.id: Assignment(device.id, "r1", 0, None)}, {device.id: tried})
    found = look_at(device.id, registered, live, [way] if way else [], NOW)
    assert found is not None
    return found


def evil() -> DeviceView:
    mishaps = {"": Mishaps(4, deque([Mishap(NOW - S, EVIL, b"\x00\xff", EVIL)], 3))}
    line = WayIn(f"serial:{EVIL}", "serial", False, {"micradar"}, EVIL, line=EVIL, frames=0, mishaps=mishaps)
    return view(
        Device(EVIL, "micradar", EVIL, room=EVIL),
        DeviceEvent(EVIL, "posture", EVIL, NOW, NOW),
        way=line,
        tried=(Tried(EVIL, False, NOW - S), Tried("fall", True, NOW - S)),
    )


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_everything_foreign_is_escaped(language: str) -> None:
    one = evil()
    text = made.head_html(one, PEOPLE, language) + made.details_html(one, NOW, language, UTC)
    text += made.raw_html(tuple(one.mishaps.latest), NOW, language, UTC)
    text += made.unknown_html([Talker(EVIL, EVIL, f"tcp:{EVIL}", NOW, 3.0, (EVIL, "heart_rate"))], language)
    assert "<script" not in text
    assert text.count("&lt;script") >= 8
    assert "00 ff" in text
    if language == "en":
        assert not CHINESE.search(text)


def test_values_in_words() -> None:
    device = Device("d", "micradar")
    one = view(
        device,
        Reading("d", "heart_rate", 72.0, NOW, NOW),
        Reading("d", "latitude", 31.230416, NOW, NOW),
        Reading("d", "steps", 1234567.0, NOW, NOW),
        Reading("d", "spo2", None, NOW, NOW, Quality.NO_CONTACT),
        DeviceEvent("d", "smoke", True, NOW, NOW),
        DeviceEvent("d", "bed_occupancy", "left", NOW, NOW),
        DeviceEvent("d", "posture", "lying", NOW, NOW),
    )
    found = {signal.signal: made.value_text(signal, "zh-CN") for signal in one.signals}
    assert found == {
        "heart_rate": "72 次/分",
        "latitude": "31.23042 deg",
        "steps": "1234567",
        "spo2": "—",
        "smoke": "是",
        "bed_occupancy": "离床",
        "posture": "lying",
    }
    details = made.details_html(one, NOW, "zh-CN")
    assert 'class="y-signal y-v-unknown" data-signal="spo2"' in details
    assert "未接触 · 刚刚" in details
    computed = view(device, Reading("d", "heart_rate", 72.0, NOW, NOW, derived=True))
    assert '<span class="y-age">网关推算 · 刚刚</span>' in made.details_html(computed, NOW, "zh-CN")
    assert '<span class="y-age">computed by the box · now</span>' in made.details_html(computed, NOW, "en")


def test_a_device_of_which_nothing_is_known() -> None:
    one = view(Device("mat", "departed"))
    head = made.head_html(one, {}, "en")
    assert "no driver for its family is installed" in head
    assert "departed" in head
    assert "r1" in head
    assert "y-dev-facts" not in head
    details = made.details_html(one, NOW, "en")
    assert "No data yet" in details
    assert "This kind of device has no steps to try" in details
    assert "— · sends only when it is used" in details
    assert made.raw_html((), NOW, "en") == '<p class="y-none">No bytes were kept</p>'
    assert made.unknown_html((), "en") == '<p class="y-none">None</p>'


def test_facts_and_limits() -> None:
    ahead = Reading("d", "battery", 55.0, NOW + 90 * S, NOW)
    wave = Samples("d", "accel", np.zeros((5, 3), np.float32), 50.0, NOW - 9 * S, NOW - 9 * S)
    one = view(
        Device("d", "yinling_wearable", placement="worn"),
        wave,
        ahead,
        way=WayIn("mqtt:x", "mqtt", True, {"yinling_wearable"}),
    )
    head = made.head_html(one, PEOPLE, "en")
    for words in ("battery 55%", "MQTT session x connected", "its clock is 90 s ahead", "Room 301"):
        assert words in head
    details = made.details_html(one, NOW, "en")
    assert "may be silent for 5 min" in details
    assert 'y-v-stale" data-signal="accel"' in details
    button = view(
        Device("zigbee2mqtt/sos", "zigbee2mqtt"), way=WayIn("mqtt:z", "mqtt", False, {"zigbee2mqtt"}, "refused")
    )
    assert "not connected (refused) · may be silent for 26 h" in made.details_html(button, NOW, "en")


def test_finding() -> None:
    one = view(Device("w1", "micradar", "卧室雷达", room="301"))
    people = {"r1": Resident("r1", "李奶奶")}
    for text in ("卧室", "W1", " 301 ", "李奶", "MICRA"):
        assert made.matches(one, people, text), text
    assert not made.matches(one, people, "302")


def test_no_alert_no_strip() -> None:
    assert made.alerts_html((), "en") == ""
