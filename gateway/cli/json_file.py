"""The option --json of many commands: figures as a file for other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the figures as JSON")]


def as_json(figures: Any) -> str:
    """Readable by people too: Chinese as it is, a line each. TypeError for what JSON does not know."""
    return json.dumps(figures, ensure_ascii=False, indent=1)


def write_json(figures: Any, json_file: Path | None) -> None:
    """Write the figures; nothing where no file is asked for."""
    if json_file is not None:
        json_file.write_text(as_json(figures) + "\n", encoding="utf-8")
