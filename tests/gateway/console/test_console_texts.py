"""Every text exists in both languages, every key that is used exists, and none stands there unused."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

import gateway.console
from analytics.kinds import Priority
from device_drivers.observations import Quality
from device_drivers.signals import SIGNALS
from gateway.alerts.lifecycle import Outcome, State
from gateway.alerts.oncall import WEEKDAYS
from gateway.console.documents import THEMES
from gateway.console.plan_form import WAYS
from gateway.console.texts import LANGUAGES, TEXTS, speaker
from gateway.console.views import VITALS, WORDS, Action, Look
from gateway.device_view import Standing

FOLDER = Path(gateway.console.__file__).parent
SOURCES = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py") if path.name != "texts.py"}
STEMS = "|".join(sorted({key.split(".")[0] for key in TEXTS}))
KEY = re.compile(rf"[\"']((?:{STEMS})\.[a-z_0-9]+)[\"']")
FAMILIES: dict[str, set[str]] = {
    "told": {"told", "answered", "waiting", "dead"},
    "held": {"paused", "maintenance", "grouped", "limited"},
    "duty": {"paused", "maintenance"},
    "look": set(Look),
    "state": set(State),
    "action": set(Action),
    "outcome": set(Outcome),
    "priority": {str(int(one)) for one in Priority},
    "quality": {str(one) for one in Quality if one is not Quality.GOOD},
    "unit": {SIGNALS[signal].unit for row in VITALS for signal in row},
    "fact": {*WORDS.values(), "battery"},
    "theme": set(THEMES),
    "standing": set(Standing),
    "value": {"true", "false"},
    "day": set(WEEKDAYS),
    "plan": {f"way.{way}" for way in WAYS},
    "consent": {"give", "withdraw"},
    "run": {"open", "due", "missed", "done", "late", "skipped", "dropped", "unknown"},
}


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("key", sorted(TEXTS))
def test_both_languages_are_complete(key: str) -> None:
    zh, en = TEXTS[key]
    assert zh.strip()
    assert en.strip()
    assert fields(zh) == fields(en)
    same_in_both = zh == en or key == "app.other_language"
    assert same_in_both or not re.search(r"[\u4e00-\u9fff]", en)


def test_every_used_key_exists_and_every_key_is_used() -> None:
    used = {key for source in SOURCES.values() for key in KEY.findall(source)}
    assert used - TEXTS.keys() == set()
    families = {f"{family}.{word}" for family, words in FAMILIES.items() for word in words}
    assert families <= TEXTS.keys()
    parts = {key for key in TEXTS if key.startswith("part.")}
    assert TEXTS.keys() - used - families - parts == set()


def test_every_part_of_the_box_has_a_name() -> None:
    sources = [path.read_text(encoding="utf-8") for path in FOLDER.parent.rglob("*.py")]
    named = {name for source in sources for name in re.findall(r'HealthItem\(\s*f?"(\w+)', source)}
    assert {"broker", "clock_sync", "heartbeat"} <= named
    assert {name for name in named if f"part.{name}" not in TEXTS} == set()


def test_no_page_holds_texts_of_its_own() -> None:
    for name, source in SOURCES.items():
        found = [line for line in source.splitlines() if re.search(r"[\u4e00-\u9fff]", line)]
        assert [line for line in found if "助急" not in line and '"、"' not in line] == [], name


def test_speaker() -> None:
    assert speaker("en")("look.alarm") == "Alarm"
    assert speaker("zh-CN")("look.alarm") == "报警"
    assert speaker("fr")("look.alarm") == "报警"
    assert speaker("en")("state.en_route", who="{x} <b>") == "{x} <b> is on the way"
    with pytest.raises(KeyError):
        speaker("en")("no.such")
    assert LANGUAGES == ("zh-CN", "en")
