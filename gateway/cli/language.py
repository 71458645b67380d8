"""The language of commands that have no settings file to follow: the environment's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

CHINESE, ENGLISH = "zh-CN", "en"
LANGUAGES = (CHINESE, ENGLISH)
LANGUAGE_HELP = "zh-CN or en; left out: by LC_ALL, LC_MESSAGES or LANG"
VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
"""In the order of POSIX: the first that is set counts."""


def of_environment(environment: Mapping[str, str] | None = None) -> str:
    """Chinese for zh_CN, zh_TW ... and where nothing is set (a box without a locale), English for everything else."""
    where = os.environ if environment is None else environment
    named = next((value for name in VARIABLES if (value := where.get(name))), CHINESE)
    return CHINESE if named.lower().startswith("zh") else ENGLISH


def chosen(option: str | None) -> str:
    """The language that was asked for, else the environment's. Raises typer.BadParameter for one there is not."""
    if option is not None and option not in LANGUAGES:
        raise typer.BadParameter(f"{option!r}: one of {', '.join(LANGUAGES)}", param_hint="--language")
    return option or of_environment()
