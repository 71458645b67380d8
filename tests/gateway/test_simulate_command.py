"""`yinling simulate`: a site is made for a scenario, and what is missing is said in one line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from gateway.cli import app, commands
from gateway.config import load_settings
from gateway.database import open_database
from gateway.registry import Registry

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

assert commands.__all__


def simulate(*words: str) -> Result:
    return CliRunner().invoke(app, ["simulate", *words])


def test_a_site_is_made_with_everything_that_the_scenario_has(tmp_path: Path) -> None:
    site = tmp_path / "site"
    made = simulate("home", "--prepare", str(site))
    assert made.exit_code == 0, made.output
    settings = load_settings(site / "yinling.toml")
    accounts = json.loads((site / "accounts.json").read_text(encoding="utf-8"))
    assert accounts["port"] == settings.mqtt.port
    database = open_database(settings.data / "gateway.sqlite")
    registry = Registry(database)
    devices = {one.id for one in registry.devices()}
    residents = registry.residents()
    with_account = {device for device, _, _ in registry.credentials()}
    database.close()
    assert residents
    assert set(accounts["passwords"]) == with_account
    assert with_account < devices, "serial devices have none"
    assert (site / "key.txt").stat().st_mode & 0o077 == 0
    assert f"yinling run --config {site / 'yinling.toml'}" in made.stdout
    assert f"yinling simulate home --site {site}" in made.stdout
    again = simulate("home", "--prepare", str(site))
    assert again.exit_code == 2
    assert "take another folder" in again.stderr


def test_without_a_gateway_one_line_says_so(tmp_path: Path, free_port: int) -> None:
    accounts = {"host": "127.0.0.1", "port": free_port, "passwords": {}}
    (tmp_path / "accounts.json").write_text(json.dumps(accounts), encoding="utf-8")
    for words in (["--site", str(tmp_path)], ["--accounts", str(tmp_path / "accounts.json")]):
        result = simulate("home", *words)
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1
        assert f"no gateway takes MQTT at 127.0.0.1:{free_port}" in result.stderr


@pytest.mark.parametrize("text", ["{}", "[", '{"host": "x", "port": "y"}', "[]"])
def test_a_wrong_accounts_file_says_what_it_should_be(text: str, tmp_path: Path) -> None:
    (tmp_path / "accounts.json").write_text(text, encoding="utf-8")
    result = simulate("home", "--site", str(tmp_path))
    assert result.exit_code == 2
    assert '"passwords"' in result.stderr


def test_without_accounts_and_with_an_unknown_scenario(tmp_path: Path) -> None:
    assert "--prepare" in simulate("home").stderr
    unknown = simulate("nowhere", "--prepare", str(tmp_path / "x"))
    assert unknown.exit_code == 2
    assert "shipped scenarios: care_centre, home, pulse" in unknown.stderr
