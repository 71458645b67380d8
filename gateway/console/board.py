"""The one picture that all browsers share: computed once a second, and only while somebody looks.

Alerts are read again when one changes and every few seconds besides; residents and devices less often. What cannot
be read is said on the page (`Board.faults`), never hidden behind the last picture.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import structlog

from gateway.console import markup, telling, views
from gateway.console.telling import Duty, Telling
from gateway.console.trace import draw
from gateway.device_view import DevicesView, Registered, look, read_registered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gateway.alerts.lifecycle import Alert
    from gateway.broadcast import Listener
    from gateway.console.views import AlertView, CardView
    from gateway.context import Context, HealthItem
    from gateway.live import LiveDevice
    from gateway.registry import Device, Resident

log = structlog.get_logger(__name__)

TICK_S = 1.0
ALERTS_EVERY_S = 5.0
REGISTRY_EVERY_S = 10.0
PATIENCE_S = 5.0
"""Longer than this the database may not take; then the page says so."""
GATHER_S = 0.1
"""Rest after an event, so that a flood of alerts is read ten times a second at most."""
RELOAD_ALERTS = frozenset({"alert"})
RELOAD_REGISTRY = frozenset({"registry"})


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came from the database. device_ids: devices of each resident; registered: what the page of devices needs."""

    alerts: Sequence[Alert] = ()
    alerts_known: bool = False
    residents: Mapping[str, Resident] = field(default_factory=dict)
    devices: Mapping[str, Device] = field(default_factory=dict)
    device_ids: Mapping[str, Sequence[str]] = field(default_factory=dict)
    registered: Registered | None = None
    tellings: Mapping[str, Telling] = field(default_factory=dict)
    duty: Duty = field(default_factory=Duty)


@dataclass(slots=True)
class Board:
    """One second's picture. faults: (key of the text, the error's words). HTML is made once per language, on demand.

    look: gives the view of every device; it is made once, and only if somebody looks at the devices.
    """

    now_ns: int
    cards: Sequence[CardView] = ()
    alerts: Sequence[AlertView] = ()
    alerts_known: bool = False
    health: Sequence[HealthItem] = ()
    faults: Sequence[tuple[str, str]] = ()
    live: Mapping[str, LiveDevice] = field(default_factory=dict)
    residents: Mapping[str, Resident] = field(default_factory=dict)
    devices_known: bool = False
    tellings: Mapping[str, Telling] = field(default_factory=dict)
    duty: Duty = field(default_factory=Duty)
    look: Callable[[], DevicesView] = lambda: DevicesView((), ())
    _devices: DevicesView | None = None
    _made: dict[tuple[Any, ...], str] = field(default_factory=dict)

    @property
    def devices(self) -> DevicesView:
        """Every device, those in trouble first."""
        if self._devices is None:
            self._devices = self.look()
        return self._devices

    def once(self, key: tuple[Any, ...], make: Callable[[], str]) -> str:
        """The text under this key, made by the first browser that needs it."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def trace(self, device_id: str | None, language: str) -> str:
        """The acceleration trace of a device in one language."""

        def make() -> str:
            device = self.live.get(device_id) if device_id is not None else None
            return markup.trace_html(draw(tuple(device.trace), self.now_ns) if device else None, language)

        return self.once(("trace", device_id, language), make)


def build(loaded: Loaded, context: Context, own_faults: Mapping[str, str]) -> Board:
    """The picture of this moment."""
    now_ns = context.clock()
    faults = dict(own_faults)
    health: Sequence[HealthItem] = ()
    try:
        health = tuple(context.health())
    except Exception as error:  # noqa: BLE001 - a check that fails is itself a fault, and the rest must be shown
        faults["fault.health"] = words_of(error)
    by_resident = _alerts_by_resident(loaded)
    return Board(
        now_ns=now_ns,
        cards=[
            views.card(one, loaded.device_ids.get(one.id, ()), by_resident[one.id], context.live, now_ns)
            for one in sorted(loaded.residents.values(), key=lambda one: (one.room, one.display_name, one.id))
        ],
        alerts=[
            views.alert_view(one, loaded.residents, loaded.devices, now_ns)
            for one in sorted(loaded.alerts, key=views.urgency)
        ],
        alerts_known=loaded.alerts_known,
        health=health,
        faults=tuple(sorted(faults.items())),
        live=context.live.devices,
        residents=loaded.residents,
        devices_known=loaded.registered is not None,
        tellings=loaded.tellings,
        duty=loaded.duty,
        look=lambda: look(loaded.registered or Registered(), context.live, context.ways(), now_ns),
    )


def _alerts_by_resident(loaded: Loaded) -> defaultdict[str, list[Alert]]:
    """Open alerts about each resident, and about the devices that belong to them."""
    owner = {device: resident for resident, devices in loaded.device_ids.items() for device in devices}
    found: defaultdict[str, list[Alert]] = defaultdict(list)
    for alert in loaded.alerts:
        concerned = {alert.resident_id, *(owner.get(device) for device in alert.devices if alert.resident_id is None)}
        for resident_id in concerned - {None}:
            found[str(resident_id)].append(alert)
    return found


class Watch:
    """Keeps the board while somebody looks, and tells every looker once a second and after every alert."""

    def __init__(self, context: Context) -> None:
        self.board: Board | None = None
        self._context = context
        self._loaded = Loaded()
        self._faults: dict[str, str] = {}
        self._lookers: set[Callable[[Board], None]] = set()
        self._task: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def looking(self, looker: Callable[[Board], None]) -> Iterator[None]:
        """Call `looker` with every new board for the length of a `with` block."""
        self._lookers.add(looker)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="console board")
        try:
            yield
        finally:
            self._lookers.discard(looker)
            if not self._lookers and self._task is not None:
                self._task.cancel()
                self._task = None

    async def reload(self) -> None:
        """Read the alerts now: somebody has just answered one."""
        await self._load("fault.board", self._load_alerts)
        self._show()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        next_alerts = next_registry = loop.time()
        with self._context.broadcast.listen() as listener:
            while True:
                if loop.time() >= next_registry:
                    await self._load("fault.registry", self._load_registry)
                    next_registry = loop.time() + REGISTRY_EVERY_S
                if loop.time() >= next_alerts:
                    await self._load("fault.board", self._load_alerts)
                    next_alerts = loop.time() + ALERTS_EVERY_S
                self._show()
                heard = await _events(listener, TICK_S)
                if heard & RELOAD_ALERTS:
                    next_alerts = loop.time()
                if heard & RELOAD_REGISTRY:
                    next_registry = next_alerts = loop.time()
                if heard:
                    await asyncio.sleep(GATHER_S)

    def _show(self) -> None:
        try:
            self.board = build(self._loaded, self._context, self._faults)
        except Exception as error:
            log.exception("console.view_failed")
            self.board = Board(self._context.clock(), faults=(("fault.view", words_of(error)),))
        for looker in tuple(self._lookers):
            try:
                looker(self.board)
            except Exception:
                # One browser's page must not stop the others; its own script tells that nothing comes any more.
                log.exception("console.page_failed")

    async def _load(self, fault: str, load: Callable[[], Any]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await load()
        except Exception as error:
            if fault not in self._faults:
                log.exception("console.load_failed")
            self._faults[fault] = words_of(error)
        else:
            self._faults.pop(fault, None)

    async def _load_alerts(self) -> None:
        alerts, tellings, duty = await self._context.in_database(_read_alerts, self._context)
        self._loaded = replace(self._loaded, alerts=alerts, alerts_known=True, tellings=tellings, duty=duty)

    async def _load_registry(self) -> None:
        residents, registered = await self._context.in_database(_read_registry, self._context)
        device_ids: defaultdict[str, list[str]] = defaultdict(list)
        for one in registered.assigned.values():
            device_ids[one.resident_id].append(one.device_id)
        devices = {one.id: one for one in registered.devices}
        self._loaded = replace(
            self._loaded, residents=residents, devices=devices, device_ids=dict(device_ids), registered=registered
        )


def _read_alerts(context: Context) -> tuple[list[Alert], dict[str, Telling], Duty]:
    alerts = context.alerts.open_alerts()
    return alerts, *telling.read(context, alerts)


def _read_registry(context: Context) -> tuple[dict[str, Resident], Registered]:
    return {one.id: one for one in context.registry.residents()}, read_registered(context.registry)


async def _events(listener: Listener, seconds: float) -> set[str]:
    """Types of the events of the next second; what wants the page to change at once ends it early."""
    heard: set[str] = set()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not heard & (RELOAD_ALERTS | RELOAD_REGISTRY):
                heard.add((await listener.next()).type)
    while listener.queue:
        heard.add(listener.queue.popleft().type)
    return heard


def words_of(error: BaseException) -> str:
    """An error in one line, without what a database adds to it."""
    return f"{type(error).__name__} {str(error).partition(chr(10))[0]}".strip()[:200]
