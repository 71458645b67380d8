"""Commands without a settings file speak the environment's language; and small things that an installer meets."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app, commands
from gateway.cli.language import of_environment
from gateway.config import settings_from
from gateway.doctor import examine
from gateway.wiring import own_account

assert commands.__all__


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "zh-CN"),
        ({"LANG": ""}, "zh-CN"),
        ({"LANG": "zh_CN.UTF-8"}, "zh-CN"),
        ({"LANG": "zh_TW"}, "zh-CN"),
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "de_DE", "LC_ALL": "zh_CN.UTF-8"}, "zh-CN"),
        ({"LANG": "zh_CN", "LC_MESSAGES": "en_GB"}, "en"),
        ({"LANG": "zh_CN", "LC_ALL": ""}, "zh-CN"),
    ],
)
def test_the_first_variable_that_is_set_counts(environment: dict[str, str], language: str) -> None:
    assert of_environment(environment) == language


@pytest.mark.parametrize(("lang", "word"), [("zh_CN.UTF-8", "系列"), ("en_US.UTF-8", "family"), (None, "系列")])
def test_a_command_without_settings_follows_the_environment(lang: str | None, word: str) -> None:
    environment: dict[str, str | None] = {"LANG": lang, "LC_ALL": None, "LC_MESSAGES": None, "COLUMNS": "200"}
    result = CliRunner().invoke(app, ["bench", "drivers", "--family", "bci", "--frames", "10"], env=environment)
    assert word in result.stdout, result.output
    forced = CliRunner().invoke(
        app, ["bench", "drivers", "--family", "bci", "--frames", "10", "--language", "en"], env=environment
    )
    assert "family" in forced.stdout


@pytest.mark.parametrize("command", [["bench", "drivers"], ["demo", "--headless"], ["assist"], ["init"]])
def test_a_language_there_is_not_is_refused(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, [*command, "--language", "fr"])
    assert result.exit_code == 2
    assert not (tmp_path / "yinling.toml").exists()


@pytest.mark.parametrize(
    ("more", "lang", "language", "name"),
    [
        ([], "en_US.UTF-8", "en", "Yinling home"),
        ([], "zh_CN.UTF-8", "zh-CN", "银龄之家"),
        (["--language", "en", "--name", "Oak"], "zh_CN.UTF-8", "en", "Oak"),
    ],
)
def test_the_first_settings_keep_the_language_for_all_that_follows(
    more: list[str], lang: str, language: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environment: dict[str, str | None] = {"LANG": lang, "LC_ALL": None, "LC_MESSAGES": None, "COLUMNS": "200"}
    assert CliRunner().invoke(app, ["init", *more], env=environment).exit_code == 0
    site = tomllib.loads((tmp_path / "yinling.toml").read_text(encoding="utf-8"))["site"]
    assert (site["language"], site["name"]) == (language, name)
    title = "Yinling doctor" if language == "en" else "银龄自检"
    assert title in CliRunner().invoke(app, ["doctor"], env=environment).stdout


@pytest.mark.parametrize(
    ("device", "family", "own"),
    [
        ("zigbee2mqtt/sos-bedside", "zigbee2mqtt", False),
        ("zigbee2mqtt/bridge", "zigbee2mqtt", True),
        ("home/gw/scale", "openmqttgateway", False),
        ("watch-1", "yinling_wearable", True),
        ("radar", "micradar", False),
    ],
)
def test_only_who_logs_in_gets_a_password(
    device: str, family: str, own: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert own_account(family, device) is own
    assert CliRunner().invoke(app, ["init"]).exit_code == 0
    added = CliRunner().invoke(app, ["devices", "add", device, family])
    assert added.exit_code == 0
    assert ("password" in added.stdout) is own


def test_doctor_names_every_driver_there_is(tmp_path: Path) -> None:
    (drivers,) = [check for check in examine(settings_from({}, tmp_path)) if check.name == "drivers"]
    used, others = drivers.en.split("; there are also, once set up: ")
    assert "yinling_wearable" in used
    assert "micradar" in others
    assert "micradar" in drivers.zh
    assert not set(others.split(", ")) & set(used.removeprefix("the drivers in use are well: ").split(", "))


def test_the_page_of_devices_is_missed_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["devices", "docs"])
    assert result.exit_code == 2
    assert "for those who work on the project" in result.stderr
    assert "Errno" not in result.output
