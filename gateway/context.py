"""What the API and the console may use of the running gateway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from gateway.device_commands import ask_nobody

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from device_drivers.codec import Note
    from gateway.alerts.service import AlertService
    from gateway.broadcast import Broadcast
    from gateway.config import Settings
    from gateway.database import Database
    from gateway.device_commands import Command
    from gateway.live import LiveState
    from gateway.pipeline import Pipeline
    from gateway.registry import Registry
    from gateway.store.base import SeriesStore
    from gateway.ways import WayIn


@dataclass(frozen=True, slots=True)
class HealthItem:
    """The state of one part of the box. name: machine word ("broker", "serial:/dev/ttyUSB0"); texts for people."""

    name: str
    ok: bool
    zh: str
    en: str
    numbers: dict[str, float]


class InDatabase(Protocol):
    """Runs a function of the registry or the alerts in the database thread, so that the event loop goes on."""

    def __call__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Awaitable[Any]:
        """The function's result."""


@dataclass(frozen=True, slots=True)
class Context:
    """The running gateway, as the API and the console see it.

    health: every part's state now. registry_changed: call after residents, devices or assignments were changed, so
    that the pipeline watches the right devices. answered: call after an alert was answered through `alerts`, so that
    dispatching goes on at once (call-backs and console do so too). clock: UTC nanoseconds. ways: every way in for
    devices, as it stands now. ask: gives a device a command and waits for its answer (see `gateway.device_commands`).
    """

    settings: Settings
    database: Database
    registry: Registry
    alerts: AlertService
    store: SeriesStore
    live: LiveState
    pipeline: Pipeline
    broadcast: Broadcast
    clock: Callable[[], int]
    in_database: InDatabase
    health: Callable[[], Sequence[HealthItem]]
    registry_changed: Callable[[], Awaitable[None]]
    ways: Callable[[], Sequence[WayIn]] = tuple
    ask: Callable[[Command], Awaitable[Note | None]] = ask_nobody
