"""Wrong settings and tasks are told one by one, where people wrote them, without what only follows from them."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from gateway.config import ConfigError, settings_from
from gateway.daily.tasks import TaskError, plan_from


def told(text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        settings_from(tomllib.loads(text), Path(), "yinling.toml")
    head, *rest = str(raised.value).split("\n  ")
    assert head == "yinling.toml:"
    return rest


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[site]\nlanguage = "fr"', "site.language: 'fr' is not one of 'zh-CN' or 'en'"),
        ('[site]\nnam = "x"', "site.nam: there is no such setting"),
        ('[api]\nport = "x"', "api.port: must be a whole number"),
        ('[mqtt]\nembedded = "maybe"', "mqtt.embedded: must be true or false"),
        ('mqtt = "x"', "mqtt: must be a table"),
        ('[channels.a]\ntype = "wecom"', "channels.a.token: is missing"),
        ("[channels.a]\nx = 1", "channels.a: type is missing"),
        ("[site]\nname = 1", "site.name: must be text in quotes"),
    ],
)
def test_one_wrong_setting_is_one_sentence(text: str, sentence: str) -> None:
    assert told(text) == [sentence]


def test_items_of_lists_are_counted_from_one_and_named() -> None:
    text = """
[[serial]]
url = "a"
family = "micradar"
device_id = "radar"
baud = "fast"
[[escalation.policy]]
name = "night"
steps = [{targets = ["nobody!"]}]
"""
    first, second = told(text)
    assert first == "serial number 1 (radar) baud: must be a whole number"
    assert second.startswith("escalation.policy number 1 (night) steps number 1 targets number 1: a target is assist")


def test_what_was_typed_in_the_place_of_a_secret_is_not_repeated() -> None:
    text = '[channels.a]\ntype = "wecom"\ntoken = "hunter2hunter2"\n[assist]\nurl = "x"\nsecrets = "hunter2hunter2"'
    sentences = told(text)
    assert len(sentences) >= 2
    assert "hunter2" not in repr(sentences)


def test_a_wrong_union_says_what_there_is() -> None:
    (one,) = told('[channels.hub]\ntype = "pigeon"')
    assert one.startswith("channels.hub: type 'pigeon' is not one of")
    assert "wecom" in one


def test_tasks_are_named() -> None:
    with pytest.raises(TaskError) as raised:
        plan_from([{"id": "pills", "kind": "medication", "times": ["25:00"]}, {"id": "walk", "kind": "walking"}, "x"])
    text = str(raised.value)
    assert "task number 1 (pills) times number 1: must be" in text
    assert "task number 2 (walk) kind: 'walking' is not one of 'medication'" in text
    assert "task number 3" in text
    assert "Input" not in text
