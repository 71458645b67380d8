"""The periodic duties of daily life, put together for the running gateway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.care import read_care
from gateway.daily.night_duty import NightDuty
from gateway.daily.notes import NoteDesk, readable
from gateway.watches import Duty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gateway.channels.base import Channel
    from gateway.config import Settings
    from gateway.context import InDatabase
    from gateway.database import Database
    from gateway.registry import Registry
    from gateway.store.aio import AsyncStore

NIGHTS_S, NOTES_S = 60.0, 5.0


@dataclass(frozen=True, slots=True)
class Around:
    """What daily life uses of the gateway. channels: as the settings say, without links to alerts."""

    settings: Settings
    database: Database
    registry: Registry
    store: AsyncStore
    channels: Mapping[str, Channel]
    in_database: InDatabase
    clock: Callable[[], int]


class DailyLife:
    """Night reports and the messages about them."""

    def __init__(self, around: Around) -> None:
        self._around = around
        self.nights = NightDuty(
            around.database,
            around.store,
            around.in_database,
            around.settings.site.zone,
            lambda: read_care(around.registry),
            readable(around.settings),
        )
        self.notes = NoteDesk(around.database, around.channels, around.in_database)

    def duties(self) -> Iterator[Duty]:
        """What is to be done again and again."""
        yield Duty("night_reports", NIGHTS_S, self._nights, later=True)
        yield Duty("notes", NOTES_S, self._notes, later=True)

    async def _nights(self) -> None:
        await self.nights.round(self._around.clock())

    async def _notes(self) -> None:
        await self.notes.round(self._around.clock())
