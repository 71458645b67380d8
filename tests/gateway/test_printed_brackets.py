"""Square brackets name tables of the settings: they reach the reader in every help text, answer and error."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from gateway.cli import app, commands, errors
from gateway.cli.setup import out

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

MARKED = re.compile(r"\[+\w[^\]\s]*\]+|<[^>\s]+>")
WIDE = {"COLUMNS": "400"}


def every_command(group: Any, *names: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        yield (*names, name), command
        if hasattr(command, "commands"):
            yield from every_command(command, *names, name)


def test_no_help_text_loses_what_stands_in_brackets() -> None:
    assert commands.__all__
    looked_at = 0
    for names, command in every_command(get_command(app)):
        texts = [command.help or "", *(getattr(one, "help", None) or "" for one in command.params)]
        marked = [one for text in texts for one in MARKED.findall(text)]
        shown = CliRunner().invoke(app, [*names, "--help"], env=WIDE).stdout if marked else ""
        assert [(names, one) for one in marked if one not in shown] == []
        looked_at += len(marked)
    assert looked_at >= 2
    assert "[channels]" in CliRunner().invoke(app, ["contacts", "add", "--help"], env=WIDE).stdout


def test_doctor_names_the_table_to_fill_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["init", "--language", "en"]).exit_code == 0
    shown = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "200"}).stdout
    assert "fill in [assist] in the configuration" in shown


@pytest.mark.parametrize("console", [out, errors], ids=["out", "errors"])
def test_what_is_printed_is_shown_as_it_is(console: Any) -> None:
    with console.capture() as kept:
        console.print("[assist] [red]x[/red] :warning:")
    assert kept.get() == "[assist] [red]x[/red] :warning:\n"
