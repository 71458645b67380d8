"""The periodic duties of daily life, put together for the running gateway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.care import read_care
from gateway.daily.night_duty import NightDuty
from gateway.daily.notes import NoteDesk, readable
from gateway.daily.task_duty import TaskDuty, TaskSigns
from gateway.watches import Duty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from device_drivers.observations import Observation
    from gateway.alerts.service import AlertService
    from gateway.channels.base import Channel
    from gateway.config import Settings
    from gateway.context import InDatabase
    from gateway.database import Database
    from gateway.registry import Registry
    from gateway.store.aio import AsyncStore

NIGHTS_S, NOTES_S, TASKS_S = 60.0, 5.0, 15.0


@dataclass(frozen=True, slots=True)
class Around:
    """What daily life uses of the gateway. channels: without links to alerts. owner: of devices."""

    settings: Settings
    database: Database
    registry: Registry
    store: AsyncStore
    alerts: AlertService
    channels: Mapping[str, Channel]
    owner: Callable[[], Mapping[str, str | None]]
    in_database: InDatabase
    clock: Callable[[], int]


class DailyLife:
    """Night reports and the messages about them; care tasks."""

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

        self.signs = TaskSigns(around.owner)
        zone = around.settings.site.zone
        self.tasks = TaskDuty(around.database, around.alerts, zone, self.signs)

    def take(self, observations: Sequence[Observation]) -> None:
        """Told of all observations of each turn of the pipeline."""
        self.signs.take(observations)

    def duties(self) -> Iterator[Duty]:
        """What is to be done again and again."""
        yield Duty("night_reports", NIGHTS_S, self._nights, later=True)
        yield Duty("notes", NOTES_S, self._notes, later=True)
        yield Duty("care_tasks", TASKS_S, self._tasks)

    async def _nights(self) -> None:
        await self.nights.round(self._around.clock())

    async def _notes(self) -> None:
        await self.notes.round(self._around.clock())

    async def _tasks(self) -> None:
        await self._around.in_database(self.tasks.round, self._around.clock())
