"""Commands to a watch: what each is called here, how it is written, and which values fit.

From Traccar's encoder and captured traffic: CR, UPLOAD, SOS1, REMOVE, MESSAGE, LZ, RESET and FIND. `hrtstart` starts a
measurement on many models, and is not verified.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_MESSAGE = 50
Value = str | float | None


@dataclass(frozen=True, slots=True)
class Command:
    """content: what is sent, with `{}` for the value. write(value) gives its text or raises ValueError."""

    content: str
    write: Callable[[Value], str]


def _nothing(value: Value) -> str:
    if value is not None:
        raise ValueError(f"this command takes no value, got {value!r}")
    return ""


def _seconds(value: Value) -> str:
    return str(_whole(value, 10, 86_400))


def _measurement(value: Value) -> str:
    return str(_whole(1 if value is None else value, 1, 65_535))


def _whole(value: Value, low: int, high: int) -> int:
    if not isinstance(value, int | float) or value != int(value) or not low <= value <= high:
        raise ValueError(f"give a whole number from {low} to {high}, not {value!r}")
    return int(value)


def _switch(value: Value) -> str:
    return str(_whole(value, 0, 1))


def _phone(value: Value) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"\+?\d{3,20}", value):
        raise ValueError(f"give a telephone number, not {value!r}")
    return value


def _message(value: Value) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_MESSAGE:
        raise ValueError(f"give a text of 1 to {MAX_MESSAGE} characters")
    return value.encode("utf-16-be").hex()


def _zone(value: Value) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"\d{1,2},[+-]?\d{1,2}(\.\d{1,2})?", value):
        raise ValueError(f"give language and zone as '1,8' (1: Chinese, 0: English; hours from UTC), not {value!r}")
    return value


COMMANDS: Mapping[str, Command] = {
    "locate": Command("CR", _nothing),
    "interval": Command("UPLOAD,{}", _seconds),
    "find": Command("FIND", _nothing),
    "measure": Command("hrtstart,{}", _measurement),
    "message": Command("MESSAGE,{}", _message),
    "removal_alarm": Command("REMOVE,{}", _switch),
    "sos_number": Command("SOS1,{}", _phone),
    "time_zone": Command("LZ,{}", _zone),
    "restart": Command("RESET", _nothing),
}
"""interval: seconds between positions, 10 to 86,400. removal_alarm: 1 on, 0 off. Nothing here switches a watch off."""
ECHOES = frozenset(command.content.partition(",")[0].upper() for command in COMMANDS.values())
"""What a watch sends back to say that it has a command."""


def content(name: str, value: Value = None) -> str:
    """The content of the frame that carries this command. Raises KeyError, ValueError."""
    command = COMMANDS[name]
    return command.content.format(command.write(value))
