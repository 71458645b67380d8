"""The command `yinling`: where the rooms are put together for people and scripts.

Exit codes: 0 all well; 1 the work was done and the answer is bad (a frame rejected, a check failed, an emergency
missed); 2 the command could not be carried out as asked (wrong setting, unknown name, missing file).
"""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from device_drivers.registry import UnknownFamilyError
from gateway.config import ConfigError

BAD_ANSWER = 1
CANNOT = 2

app = typer.Typer(
    name="yinling",
    help="Yinling 银龄: elderly-monitoring gateway. Not a medical device. 非医疗器械。",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # [channels] in a help text is a table of the settings, no markup
)
errors = Console(stderr=True, markup=False, emoji=False)


def main() -> None:
    """Run the command line; expected errors become one line that says what to do."""
    from gateway.cli import commands  # noqa: F401 - registers the commands

    try:
        app()
    except (ConfigError, UnknownFamilyError, FileNotFoundError, PermissionError) as error:
        errors.print(f"yinling: {error}", highlight=False, soft_wrap=True)
        sys.exit(CANNOT)
