"""`yinling policy check`: the timeline in both languages, as JSON, and its exit codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from gateway.cli import app, commands
from gateway.database import open_database
from gateway.registry import Contact, Registry, Resident

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

SETTINGS = """
data_directory = "var"
[site]
language = "{language}"
[assist]
url = "https://assist.example/alerts"
secrets = [{{env = "X"}}]
callback_secret = {{env = "X"}}
[escalation]
file = "escalation.toml"
"""
PLAN = """
[[policy]]
name = "night"
hours = [{from = "22:00", to = "07:00"}]
[[policy.steps]]
targets = ["assist", "oncall:night"]
[[policy.steps]]
name = "family"
targets = ["family", "card120"]
[[schedule]]
name = "night"
[[schedule.rotation]]
people = ["wang"]
hours = {from = "20:00", to = "06:00"}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "yinling.toml").write_text(SETTINGS.format(language="zh-CN"), encoding="utf-8")
    (tmp_path / "en.toml").write_text(SETTINGS.format(language="en"), encoding="utf-8")
    (tmp_path / "escalation.toml").write_text(PLAN, encoding="utf-8")
    database = open_database(tmp_path / "var" / "gateway.sqlite")
    registry = Registry(database)
    registry.add_resident(Resident("r1", "李奶奶"), by="t", now_ns=1)
    registry.add_contact(Contact("wang", None, "王护士", "carer", "webhook", "x"), by="t", now_ns=1)
    registry.add_contact(Contact("son", "r1", "李明", "family", "webhook", "x"), by="t", now_ns=1)
    database.close()
    return tmp_path


def check(site: Path, *more: str, config: str = "yinling.toml") -> Result:
    assert commands.__all__
    return CliRunner().invoke(app, ["policy", "check", "--config", str(site / config), *more], env={"COLUMNS": "160"})


def test_the_timeline(site: Path) -> None:
    result = check(site, "--resident", "r1", "--kind", "fall", "--at", "2026-11-22 03:10", "--suspected")
    assert result.exit_code == 0, result.output
    for words in (
        "方案 night",
        "11-22 03:10:20",
        "assist (webhook), wang (webhook)",
        "son (webhook)",
        "120 急救卡",
        "每 60 秒",
    ):
        assert words in result.stdout
    english = check(site, "--resident", "r1", "--at", "2026-11-22 03:10", config="en.toml")
    assert "Policy night: who would be called, when" in english.stdout
    assert "all again until somebody answers, every 60 s" in english.stdout


def test_a_gap_is_shown_and_the_exit_code_says_so(site: Path) -> None:
    result = check(site, "--resident", "r1", "--at", "2026-11-22 06:30", config="en.toml")
    assert result.exit_code == 1
    assert "step 1: oncall:night means nobody then (nobody is on call)" in result.stdout
    plain = json.loads(check(site, "--resident", "r1", "--at", "2026-11-22 06:30", "--json").stdout)
    assert plain["problems"][0]["zh"] == "第 1 步：oncall:night 此时无人（无人值班）"
    assert (plain["policy"], plain["reached"], plain["events"][0]["time"]) == (
        "night",
        False,
        "2026-11-22T06:30:00+08:00",
    )


def test_the_week_shows_everybody_and_the_gaps_that_matter(site: Path) -> None:
    shown = check(site, "--week", "--at", "2026-11-22 12:00", config="en.toml")
    assert shown.exit_code == 1
    for words in (
        "Who is on call in the coming 7 days · night",
        "Sun 11-22 20:00",
        "wang",
        "NOBODY",
        "which policy counts when",
    ):
        assert words in shown.stdout
    plain = json.loads(check(site, "--week", "--at", "2026-11-22 12:00", "--json").stdout)
    (night,) = plain["schedules"]
    assert [turn["people"] for turn in night["turns"][:2]] == [[], ["wang"]]
    assert len(night["gaps"]) == 7, "every morning from 06:00 on, when the night policy still asks; none is left today"
    assert night["gaps"][0]["from"] == "2026-11-23T06:00:00+08:00"
    assert plain["policies"][:2] == [
        {
            "from": "2026-11-22T12:00:00+08:00",
            "to": "2026-11-22T22:00:00+08:00",
            "policy": "built-in person",
            "own": False,
        },
        {"from": "2026-11-22T22:00:00+08:00", "to": "2026-11-23T07:00:00+08:00", "policy": "night", "own": True},
    ]
    assert "内置（没有自己的方案适用）" in check(site, "--week").stdout


def test_a_week_without_gaps_is_well(site: Path) -> None:
    plan = (site / "escalation.toml").read_text(encoding="utf-8").replace('to = "06:00"', 'to = "07:00"')
    (site / "escalation.toml").write_text(plan, encoding="utf-8")
    shown = check(site, "--week", "--at", "2026-11-22 12:00", config="en.toml")
    assert shown.exit_code == 0, shown.output
    assert "NOBODY" not in shown.stdout
    assert "nobody (no policy asks then)" in shown.stdout


def test_a_time_at_which_no_policy_fits_is_said(site: Path) -> None:
    noon = check(site, "--resident", "r1", "--at", "2026-11-22 12:00", config="en.toml")
    assert "none of your policies (night) fits this alert at this time" in noon.stdout
    assert "none of your policies" not in check(site, "--at", "2026-11-22 03:10", config="en.toml").stdout
    plain = json.loads(check(site, "--resident", "r1", "--at", "2026-11-22 12:00", "--json").stdout)
    assert "采用内置方案" in plain["warnings"][0]["zh"]


def test_the_first_step_that_is_shown_is_the_first_step(site: Path) -> None:
    plain = json.loads(check(site, "--resident", "r1", "--at", "2026-11-22 12:00", "--json").stdout)
    assert [(e["what"], e["step"]) for e in plain["events"]][:2] == [("opened", None), ("skipped", 1)]
    shown = check(site, "--resident", "r1", "--at", "2026-11-22 12:00", config="en.toml").stdout
    assert "certain already: the resident is not asked" in shown


def test_what_cannot_be_played_is_said(site: Path) -> None:
    for arguments in (("--kind", "earthquake"), ("--resident", "r9"), ("--at", "tomorrow")):
        result = check(site, *arguments)
        assert result.exit_code == 2, arguments
    assert check(site).exit_code in (0, 1)


def test_a_wrong_plan_is_named_with_its_file(site: Path) -> None:
    from gateway.config import ConfigError, load_settings

    (site / "escalation.toml").write_text(
        '[[policy]]\nname = "a"\nsteps = [{targets = ["oncall:x"]}]\n', encoding="utf-8"
    )
    with pytest.raises(ConfigError, match="no schedule for oncall:x"):
        load_settings(site / "yinling.toml")
    (site / "escalation.toml").write_text("[[", encoding="utf-8")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_settings(site / "yinling.toml")
    (site / "escalation.toml").unlink()
    with pytest.raises(ConfigError, match="cannot read"):
        load_settings(site / "yinling.toml")
    text = (site / "yinling.toml").read_text(encoding="utf-8") + '[[escalation.policy]]\nname = "b"\n'
    (site / "yinling.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="not in both"):
        load_settings(site / "yinling.toml")


def test_a_time_zone_that_does_not_exist_is_refused(site: Path) -> None:
    from gateway.config import ConfigError, settings_from

    for wrong in ("Mars/Olympus", "../etc/passwd", ""):
        with pytest.raises(ConfigError, match="timezone"):
            settings_from({"site": {"timezone": wrong}}, site)


def test_somebody_without_contacts_is_told_how_to_add_one_and_that_works(tmp_path: Path) -> None:
    settings = tmp_path / "yinling.toml"
    settings.write_text('data_directory = "var"\n[site]\nlanguage = "en"\n', encoding="utf-8")

    def yinling(*words: str) -> Result:
        return CliRunner().invoke(app, [*words, "--config", str(settings)], env={"COLUMNS": "160"})

    assert yinling("residents", "add", "r1", "王秀英").exit_code == 0
    alone = yinling("policy", "check", "--resident", "r1")
    assert alone.exit_code == 1
    (said,) = [line for line in alone.stdout.splitlines() if line.startswith("Add a contact: yinling ")]
    assert said.endswith("--resident r1")
    assert "write [assist]" in alone.stdout
    words = said.removeprefix("Add a contact: yinling ").replace('"', "").split()
    given = {"ID": "son", "NAME": "李明", "CHANNEL": "hub", "ADDRESS": "1"}
    added = yinling(*(given.get(word, word) for word in words))
    assert added.exit_code == 0
    assert "no channel hub is set up" in added.stderr
    assert "write [channels.NAME]" in yinling("policy", "check", "--resident", "r1").stdout
    settings.write_text(
        f'{settings.read_text("utf-8")}[channels.hub]\ntype = "mqtt"\nhost = "127.0.0.1"\ntls = false\n',
        encoding="utf-8",
    )
    reached = yinling("policy", "check", "--resident", "r1")
    assert "son (hub)" in reached.stdout
    assert "nobody at all" not in reached.stdout
    listed = yinling("contacts", "list").stdout
    assert "李明" in listed
    assert "r1" in listed
    assert yinling(*(given.get(word, word) for word in words)).exit_code == 2
