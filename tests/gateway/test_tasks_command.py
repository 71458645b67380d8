"""`yinling tasks`: the example of docs/care-tasks.md is set and shown; what cannot be is refused with a sentence."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app, commands
from gateway.daily.tasks import CareTask
from gateway.database import open_database
from gateway.registry import Registry, Resident

DOC = (Path(__file__).resolve().parents[2] / "docs" / "care-tasks.md").read_text(encoding="utf-8")
EXAMPLE = re.search(r"```toml\n(.*?)```", DOC, re.DOTALL)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "yinling.toml").write_text('data_directory = "var"\n', encoding="utf-8")
    database = open_database(tmp_path / "var" / "gateway.sqlite")
    Registry(database).add_resident(Resident("r1", "李奶奶"), by="t", now_ns=1)
    database.close()
    return tmp_path


def run(site: Path, *words: str) -> tuple[int, str]:
    assert commands
    result = CliRunner().invoke(app, ["tasks", *words, "--config", str(site / "yinling.toml")])
    return result.exit_code, result.output


def test_the_example_is_set_and_shown(site: Path) -> None:
    assert EXAMPLE is not None
    (site / "plan.toml").write_text(EXAMPLE[1], encoding="utf-8")
    assert run(site, "set", "r1", str(site / "plan.toml")) == (0, "r1: 5 tasks\n")
    code, text = run(site, "show", "r1")
    assert code == 0
    assert "降压药 1 片" in text
    code, text = run(site, "show", "r1", "--json")
    assert [one["id"] for one in json.loads(text)] == ["pills", "pressure", "water", "turn", "visit"]


@pytest.mark.parametrize(
    "plan", ["[[task]]\nid = 1", "[[taks]]", "task = 3", "[", '[[task]]\nid = "a"\nkind = "visit"']
)
def test_what_cannot_be_is_refused(site: Path, plan: str) -> None:
    (site / "plan.toml").write_text(plan, encoding="utf-8")
    assert run(site, "set", "r1", str(site / "plan.toml"))[0] == 2
    assert run(site, "show", "r1", "--json")[1].strip() == "[]"


def test_nobody_and_no_file(site: Path) -> None:
    (site / "plan.toml").write_text("", encoding="utf-8")
    assert run(site, "set", "nobody", str(site / "plan.toml"))[0] == 2
    assert run(site, "set", "r1", str(site / "absent.toml"))[0] == 2


def test_every_field_is_documented() -> None:
    for name, field in CareTask.model_fields.items():
        assert f"`{field.alias or name}`" in DOC, name
