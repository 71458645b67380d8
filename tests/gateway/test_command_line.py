"""The command line as people and scripts use it: what it prints, and its exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from gateway.cli import app, commands

if TYPE_CHECKING:
    from click.testing import Result

ROOT = Path(__file__).resolve().parents[2]
HEART_71 = "53 59 85 02 00 01 47 7B 54 43"
WRONG_SUM = "53 59 80 81 00 01 00 7D 54 43"


def run(*arguments: str) -> Result:
    assert commands.__all__
    return CliRunner().invoke(app, list(arguments))


def lines(*arguments: str) -> list[dict[str, Any]]:
    result = run(*arguments)
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_decode_gives_one_json_line_for_each_observation() -> None:
    (line,) = lines("decode", "micradar", "--hex", HEART_71)
    assert (line["signal"], line["value"], line["unit"], line["quality"]) == ("heart_rate", 71, "/min", "good")


def test_decode_takes_aliases_and_says_what_a_query_is() -> None:
    (line,) = lines("decode", "micradar_5359", "--hex", "53 59 02 A1 00 01 0F 5F 54 43")
    assert (line["kind"], line["note"], line["query"]) == ("note", "query", "product model")


def test_a_rejected_frame_is_shown_raw_with_the_reason_and_exit_code_1() -> None:
    result = run("decode", "micradar", "--hex", WRONG_SUM)
    line = json.loads(result.stdout)
    assert (line["kind"], line["error"], line["expected"]) == ("rejected", "checksum", "AE")
    assert line["raw"].upper() == WRONG_SUM
    assert result.exit_code == 1


def test_decode_takes_mqtt_messages_too() -> None:
    found = lines("decode", "z2m", "--topic", "zigbee2mqtt/sos", "--payload", '{"action":"emergency","battery":100}')
    assert {one["signal"]: one["value"] for one in found} == {"help_button": True, "battery": 100}


@pytest.mark.parametrize(
    "arguments",
    [
        ("decode", "nonsense", "--hex", "00"),
        ("decode", "micradar", "--hex", "xyz"),
        ("decode", "zigbee2mqtt"),
        ("config", "check", "--config", "/absent.toml"),
        ("doctor", "--config", "/absent.toml"),
        ("evaluate", "falls", "/absent", "--dataset", "weda-fall"),
        ("evaluate", "falls", "/absent", "--dataset", "nonsense"),
        ("replay", "/absent"),
        ("simulate", "/absent", "--accounts", "/absent.json"),
        ("keys", "revoke", "absent"),
    ],
)
def test_what_cannot_be_done_ends_with_code_2_or_a_typed_error(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    if arguments[0] == "keys":
        assert run("init").exit_code == 0
    result = run(*arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        from device_drivers.registry import UnknownFamilyError
        from gateway.config import ConfigError

        assert isinstance(result.exception, ConfigError | UnknownFamilyError | FileNotFoundError)
    else:
        assert result.exit_code == 2


def test_first_set_up_by_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    first = run("init", "--name", 'the "quiet" home', "--language", "en")
    assert first.exit_code == 0, first.output
    assert re.search(r"^yl_\S{40,}$", first.stdout, re.MULTILINE)
    again = run("init")
    assert again.exit_code == 0
    assert "yl_" not in again.stdout
    assert run("config", "check").exit_code == 0
    checks = {check["name"]: check["verdict"] for check in json.loads(run("doctor", "--json").stdout)}
    assert checks["database"] == "ok"
    assert run("doctor").exit_code == 0
    assert run("residents", "add", "r1", "王秀英", "--room", "101").exit_code == 0
    added = run("devices", "add", "watch-1", "yinling_wearable", "--resident", "r1")
    assert re.search(r"password \S{40,}", added.stdout)
    assert run("devices", "add", "watch-1", "yinling_wearable").exit_code == 2
    assert "王秀英" in run("residents", "list").stdout
    assert "watch-1" in run("devices", "list").stdout
    key = run("keys", "create", "ward phone", "--role", "operator").stdout.strip()
    assert key.startswith("yl_")
    listed = run("keys", "list").stdout
    assert "ward phone" in listed
    assert key not in listed
    assert (tmp_path / "var" / "gateway.sqlite").exists()


def command_names() -> list[str]:
    group = get_command(app)
    return sorted(group.commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
@pytest.mark.parametrize("name", command_names())
def test_every_command_is_in_the_readme(readme: str, name: str) -> None:
    assert f"yinling {name}" in (ROOT / readme).read_text(encoding="utf-8")


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_links_of_the_readme_lead_somewhere(readme: str) -> None:
    text = (ROOT / readme).read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+)\)", text)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_both_readmes_say_plainly_that_this_is_no_medical_device() -> None:
    assert "Not a medical device" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "不是医疗器械" in (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")


def test_every_command_explains_itself() -> None:
    for name in command_names():
        result = run(name, "--help")
        assert result.exit_code == 0
        assert len(result.stdout) > 100
