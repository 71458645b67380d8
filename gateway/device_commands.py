"""Commands to devices: who can be asked what, and the device's own answer.

    CommandError
    +-- NotConnectedError   the device has no connection over which it could be told
    +-- CommandBusyError    an earlier command to it still waits for its answer

`UnknownCommandError` (of the codecs) says that the family has no such command, ValueError that a value does not fit.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from device_drivers.codec import Note

ANSWERS = frozenset({"ack", "setting", "identity"})
"""Kinds of note by which a device answers a command."""
ASKING = frozenset({"locate", "measure"})
"""Commands that ask for a report: that is their answer as well."""
LONGEST_S = 30.0


class CommandError(Exception):
    """A command that cannot be given."""


class NotConnectedError(CommandError):
    """There is no connection to the device now."""

    def __init__(self, device_id: str) -> None:
        super().__init__(f"device {device_id!r} is not connected now; try again when it is heard")
        self.device_id = device_id


class CommandBusyError(CommandError):
    """The device has not answered the command before."""

    def __init__(self, device_id: str) -> None:
        super().__init__(f"device {device_id!r} still works on a command; try again in {LONGEST_S:g} s")
        self.device_id = device_id


@dataclass(frozen=True, slots=True)
class Command:
    """What a device is to do. patience_s: how long to wait for its answer, at most 30 s; 0: do not wait."""

    device_id: str
    name: str
    value: str | float | None = None
    patience_s: float = 5.0


class Question:
    """A command that was sent; `hear` is given the device's notes after everything it says."""

    def __init__(self, command: Command, notes: Sequence[Note]) -> None:
        self._kinds = ANSWERS | {"report"} if command.name in ASKING else ANSWERS
        self._patience_s = min(command.patience_s, LONGEST_S)
        self._last = notes[-1] if notes else None
        self._answer: asyncio.Future[Note] = asyncio.get_running_loop().create_future()

    def hear(self, notes: Sequence[Note]) -> None:
        """Look for the answer among the notes that are new."""
        if self._answer.done():
            return
        for note in self._new(notes):
            if note.kind in self._kinds:
                self._answer.set_result(note)
                return
        self._last = notes[-1] if notes else None

    async def answer(self) -> Note | None:
        """The device's answer, None if none came in time."""
        try:
            async with asyncio.timeout(self._patience_s):
                return await self._answer
        except TimeoutError:
            return None

    def _new(self, notes: Sequence[Note]) -> Iterable[Note]:
        new: list[Note] = []
        for note in reversed(notes):
            if note is self._last:
                break
            new.append(note)
        return reversed(new)


async def ask_nobody(command: Command) -> Note | None:
    """What a gateway without ports for such devices does with a command. Raises NotConnectedError."""
    raise NotConnectedError(command.device_id)
