"""The running gateway: every part made, started in order, watched, and stopped in order.

A part that ends by an unexpected error ends the whole: whoever supervises the process starts it again, and what was
not finished is on disk or still at the broker.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from analytics.engine import default_engine
from analytics.falls.model import shipped
from analytics.kinds import KINDS
from device_drivers.registry import broken_drivers, find_driver
from gateway import box_health, salvage, wiring
from gateway.alerts.channel_answers import apply_answer
from gateway.alerts.dispatcher import Dispatcher
from gateway.alerts.lifecycle import EntryType
from gateway.alerts.links import make_links, with_links
from gateway.alerts.prompts import CHANNEL as PROMPT_CHANNEL
from gateway.alerts.prompts import FIND, DevicePrompt, PromptChannel
from gateway.alerts.service import AlertService
from gateway.broadcast import Broadcast
from gateway.broker.supervisor import Broker
from gateway.care import read_care
from gateway.channels.make import make_channels
from gateway.channels.mqtt_channel import MqttChannel
from gateway.consents import Consents
from gateway.context import Context, HealthItem
from gateway.daily import duties as daily
from gateway.daily.learned_book import SAVED_AT_ONCE, read_learned, save_learned
from gateway.database import is_damage
from gateway.device_commands import NotConnectedError
from gateway.interruptions import Interruptions, gone, open_faults, restless_and_online, ways_of
from gateway.learning import SensitivityLearner, with_levels
from gateway.live import LiveState
from gateway.pipeline import Pipeline
from gateway.registry import Registry
from gateway.removal import erased, to_erase
from gateway.silence import watch_options
from gateway.snippets import SnippetKeeper
from gateway.sources import MqttSource
from gateway.store.aio import AsyncStore
from gateway.store.base import StoreUnavailableError
from gateway.store.duckdb_store import DuckDBStore
from gateway.tcp_source import TcpSource
from gateway.watchdog import ALIVE, READY, STOPPING, notify, period_s
from gateway.watches import Around, Watches
from gateway.ways import ways_in

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence

    from analytics.care import Care
    from analytics.findings import Finding
    from device_drivers.codec import Note
    from device_drivers.observations import Observation
    from gateway.alerts.recorder import AlertChange
    from gateway.broker.config import BrokerUser
    from gateway.config import Settings
    from gateway.device_commands import Command
    from gateway.home_assistant_link import HomeAssistantLink
    from gateway.registry import Device
    from gateway.server import GatewayServer
    from gateway.sources import Source

log = structlog.get_logger(__name__)

TICK_S = 0.25
ON_CALL_S = 60.0
FLUSH_S = 1.0
POLL_S = 1.0
WAYS_S = 0.5
REGISTRY_S = 5.0
HEALTH_S = 5.0
RETAIN_S = 3600.0
SNIPPETS_S = 2.0
LEARN_S = 600.0
MEMORY_S = 600.0
LOOK_S = 2.0


class Gateway:
    """Made from settings. `await open()`, then `await run(stop)`; `run` closes what `open` opened."""

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.monotonic = monotonic
        self.rng = rng or random.SystemRandom()
        self.live = LiveState()
        self.broadcast = Broadcast()
        self.broker: Broker | None = None
        self.server: GatewayServer | None = None
        self._serving = asyncio.Event()
        self._damage: list[Exception] = []
        self._damage_seen = asyncio.Event()
        self.home_assistant: HomeAssistantLink | None = None
        self.learner: SensitivityLearner | None = None
        self.sources: list[Source] = []
        self.left_out: dict[str, str] = {}
        self._interruptions = Interruptions()
        self._calm = box_health.Calm()
        self._families: dict[str, str] = {}
        self._owners: dict[str, str | None] = {}
        self._accounts: list[BrokerUser] = []
        self._fingerprint: tuple[int | None, ...] = ()
        self._failing: set[str] = set()
        self._rounds: Counter[str] = Counter()
        self._turned = (0, 0)
        self._ready = False
        self._database_thread = ThreadPoolExecutor(1, thread_name_prefix="database")

    async def open(self) -> None:
        """Open the files and make every part. Raises ConfigError, DatabaseError, BrokerError, StoreError."""
        settings = self.settings
        self._loop = asyncio.get_running_loop()
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = settings.data / "gateway.sqlite"
        self.database, salvaged = await self.in_database(salvage.open_or_salvage, path, self.clock())
        self.registry = Registry(self.database)
        self.store = DuckDBStore(wiring.store_options(settings), clock_ns=self.clock, monotonic=self.monotonic)
        self.async_store = AsyncStore(self.store)
        self._make_alerts()
        self.forwarder = wiring.influx_forwarder(settings, self.store)
        if settings.alerts.learn_fall_sensitivity:
            self.learner = SensitivityLearner(self.database, shipped().card)
        self.snippets = SnippetKeeper(
            self.registry, Consents(self.database), self.store, self.async_store, self.in_database, self.clock
        )
        self.daily = daily.DailyLife(self._daily_around())
        self.pipeline = Pipeline(
            partial(default_engine, offset_s=wiring.seconds_east(settings)),
            self._take_findings,
            self.store,
            self.live,
            self.clock,
            self.monotonic,
            keep=self._keep,
        )
        self.watches = Watches(
            Around(
                settings,
                self.alerts,
                self._channels,
                self.in_database,
                self.pipeline.report,
                self.clock,
                self.monotonic,
                healthy=lambda: all(item.ok for item in self.health()),
            )
        )
        self.pipeline.keeper.recall(await self.in_database(read_learned, self.database))
        await self._open_ways_in()
        await self._resume_faults()
        if salvaged is not None:
            log.error("database.replaced", kept=str(salvaged.kept), reason=salvaged.reason, rows=salvaged.rows)
            found = salvaged.finding(self.clock())
            await self.in_database(self.alerts.take, found, self.clock())
            self.watches.resume(found)
        await self.watches.begin()
        self.context = self._make_context()
        self.home_assistant = wiring.home_assistant_link(settings, self.context, self._loop)

    def _make_alerts(self) -> None:
        """The alerts, and the ways to people."""
        settings = self.settings
        self.alerts = AlertService(
            self.database,
            router=wiring.router(settings),
            payloads=wiring.payload_builder(settings),
            cancel_windows={"fall": settings.alerts.cancel_window_s},
            closed_episodes=self._episodes_closed,
            limits=wiring.limits(settings),
            rng=self.rng,
        )
        self.alerts.listen(self._alert_changed)
        self._plain_channels = make_channels(settings)
        self._channels = with_links(self._plain_channels, make_links(settings))
        prompts = self.alerts.router.prompts
        if settings.prompt.devices:
            prompts.add(DevicePrompt(self._can_ring, self.command))
        self._channels[PROMPT_CHANNEL] = PromptChannel(prompts)
        self.dispatcher = Dispatcher(self.alerts, self._channels, clock=self.clock)

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set or a part ends, then end everything in order."""
        for source in self.sources:
            source.start()
        if self.forwarder is not None:
            self.forwarder.start()
        if self.home_assistant is not None:
            self.home_assistant.start()
        for name, channel in self._channels.items():
            if isinstance(channel, MqttChannel):
                channel.start(partial(self._channel_answered, name))
        stopping = asyncio.create_task(stop.wait())
        tasks = {asyncio.create_task(part, name=name) for name, part in self._parts()}
        try:
            done, _ = await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                log.error("gateway.part_ended", part=task.get_name())
                task.result()
        finally:
            stopping.cancel()
            await self._close(tasks)

    async def serving(self) -> GatewayServer:
        """Wait until API and console answer."""
        await self._serving.wait()
        if self.server is None:
            raise RuntimeError("the server has not been made")
        return self.server

    async def in_database(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a function of the registry or the alerts in the database thread."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._database_thread, partial(function, *args, **kwargs))
        except Exception as error:
            if is_damage(error):
                self._damage.append(error)
                self._damage_seen.set()
            raise

    async def registry_changed(self) -> None:
        """Watch exactly the devices that the registry has now, and give the broker their accounts."""
        assignments, accounts, devices, care = await self.in_database(self._read_registry)
        for source in self.sources:
            if isinstance(source, TcpSource):
                source.allow(devices)
        self._families = {device.id: device.family for device in devices if device.id in assignments}
        self._owners = assignments
        self.pipeline.set_care(care)
        levels = {} if self.learner is None else self.learner.levels
        if self.pipeline.assign(assignments, with_levels(watch_options(devices), assignments, levels)):
            self.broadcast.publish("registry", {})
        if self.broker is not None and accounts != self._accounts:
            self._accounts = accounts
            self.broker.set_users([*self._own_accounts, *accounts])

    def command(self, device_id: str, name: str, value: str | float | None = None) -> bool:
        """Send a command to a device on a TCP port; False while it is not connected.

        Raises UnknownCommandError, and ValueError for a value that does not fit.
        """
        ports = [source for source in self.sources if isinstance(source, TcpSource)]
        return any(port.command(device_id, name, value) for port in ports)

    async def ask(self, command: Command) -> Note | None:
        """Give a device on a TCP port a command; its answer, None if none comes.

        Raises NotConnectedError, CommandBusyError, UnknownCommandError, and ValueError for a value that does not fit.
        """
        for source in self.sources:
            if isinstance(source, TcpSource) and command.device_id in source.connected_devices:
                return await source.ask(command)
        raise NotConnectedError(command.device_id)

    def health(self) -> Sequence[HealthItem]:
        """Every part of the box, now."""
        items = [
            box_health.clock_item(self.clock()),
            box_health.pipeline_item(self.pipeline, self.monotonic()),
            box_health.store_item(self.store),
            *(box_health.source_item(source, self._calm, self.monotonic()) for source in self.sources),
            *(box_health.left_out_item(name, problem) for name, problem in self.left_out.items()),
            *map(box_health.driver_item, broken_drivers()),
            *map(box_health.failing_item, sorted(self._failing)),
            *self.watches.health(),
        ]
        replaced = salvage.health_item(self.database.path)
        if replaced is not None:
            items.append(replaced)
        if self.broker is not None:
            items.append(box_health.broker_item(self.broker))
        if self.forwarder is not None:
            items.append(box_health.forwarder_item(self.forwarder))
        if self.home_assistant is not None:
            items.append(box_health.home_assistant_item(self.home_assistant.session.health.connected))
        return items

    async def _open_ways_in(self) -> None:
        if self.settings.mqtt.embedded:
            self._own_accounts = wiring.own_users(self.settings)
            self._accounts = await self.in_database(wiring.device_users, self.registry)
            self.broker = Broker(wiring.broker_options(self.settings), [*self._own_accounts, *self._accounts])
            await self.broker.start()
        around = wiring.Surroundings(self._loop, self.pipeline.offer, self.clock, self.monotonic)
        for broken in broken_drivers():
            log.error("driver.broken", driver=broken.name, package=broken.package, problem=broken.problem)
        self.sources = wiring.make_sources(self.settings, around, self._leave_out)
        await self.registry_changed()

    def _leave_out(self, name: str, problem: str) -> None:
        log.error("source.left_out", source=name, problem=problem)
        self.left_out[name] = problem

    def _keep(self, observations: list[Observation]) -> None:
        self.snippets.take(observations)
        self.daily.take(observations)

    def _daily_around(self) -> daily.Around:
        return daily.Around(
            self.settings,
            self.database,
            self.registry,
            self.async_store,
            self.alerts,
            self._plain_channels,
            lambda: self._owners,
            self.in_database,
            self.clock,
        )

    def _make_context(self) -> Context:
        return Context(
            settings=self.settings,
            database=self.database,
            registry=self.registry,
            alerts=self.alerts,
            store=self.store,
            live=self.live,
            pipeline=self.pipeline,
            broadcast=self.broadcast,
            clock=self.clock,
            in_database=self.in_database,
            health=self.health,
            registry_changed=self.registry_changed,
            ways=lambda: ways_in(self.sources),
            ask=self.ask,
        )

    def _read_registry(self) -> tuple[dict[str, str | None], list[BrokerUser], list[Device], dict[str, Care]]:
        registry = self.registry
        return registry.owners(), wiring.device_users(registry), registry.devices(), read_care(registry)

    async def _follow_registry(self) -> None:
        """The command line and other processes may have changed it."""
        fingerprint = await self.in_database(self.registry.fingerprint)
        if fingerprint != self._fingerprint:
            self._fingerprint = fingerprint
            await self.registry_changed()

    def _parts(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        if self.broker is not None:
            yield "broker", self.broker.run()
        for source in self.sources:
            yield source.name, source.run()
        yield "pipeline", self.pipeline.run()
        yield "dispatcher", self.dispatcher.run()
        yield "database", self._damaged()
        yield "server", self._serve()
        yield "deadlines", self._every("deadlines", TICK_S, self._tick)
        yield "on_call", self._every("on_call", ON_CALL_S, self._watch_on_call)
        yield "history", self._every("history", FLUSH_S, self._flush)
        yield "polling", self._every("polling", POLL_S, self._poll)
        yield "interruptions", self._every("interruptions", WAYS_S, self._look_at_ways)
        yield "registry", self._every("registry", REGISTRY_S, self._follow_registry)
        yield "health", self._every("health", HEALTH_S, self._tell_health)
        yield "watchdog", self._every("watchdog", period_s(), self._alive)
        if self.learner is not None:
            yield "learning", self._every("learning", LEARN_S, self._learn)
        yield "memory", self._every("memory", MEMORY_S, self._save_learned, later=True)
        yield "snippets", self._every("snippets", SNIPPETS_S, self.snippets.tick)
        yield "retention", self._every("retention", RETAIN_S, self._retain)
        for duty in (*self.watches.duties(), *self.daily.duties()):
            yield duty.name, self._every(duty.name, duty.period_s, duty.act, later=duty.later)
        if self.home_assistant is not None:
            yield "home_assistant", self._every("home_assistant", LOOK_S, self.home_assistant.look)

    async def _serve(self) -> None:
        """The web parts take seconds to load on a small box; alarms do not wait for them."""
        module = await asyncio.to_thread(importlib.import_module, "gateway.server")
        self.server = module.GatewayServer(self.context)
        log.info("gateway.running", api=self.server.url)
        await self.server.serve(self._serving)

    async def _close(self, tasks: set[asyncio.Task[None]]) -> None:
        notify(STOPPING)
        for source in self.sources:
            source.stop()
        if self.server is not None:
            self.server.stop()
        await self.pipeline.stop()
        await asyncio.wait(tasks, timeout=2.0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.home_assistant is not None:
            await asyncio.to_thread(self.home_assistant.stop)
        if self.broker is not None:
            await self.broker.stop()
        if self.forwarder is not None:
            await asyncio.to_thread(self.forwarder.stop)
        for channel in self._channels.values():
            await channel.aclose()
        await self.async_store.close()
        with contextlib.suppress(SQLAlchemyError):  # a full disk: what was saved ten minutes ago is there
            await self._save_learned()
        await self.in_database(self.database.close)
        self._database_thread.shutdown()
        self.watches.end()

    async def _every(
        self, name: str, period_s: float, act: Callable[[], Awaitable[None]], *, later: bool = False
    ) -> None:
        """Act, then pause, for ever. A round that fails is tried again: a full disk must not stop what still works.

        later: pause first.
        """
        if later:
            await asyncio.sleep(period_s)
        while True:
            try:
                await act()
                self._failing.discard(name)
            except Exception:
                if name not in self._failing:
                    log.exception("gateway.round_failed", round=name)
                self._failing.add(name)
            self._rounds[name] += 1
            await asyncio.sleep(period_s)

    async def _damaged(self) -> None:
        """A database found damaged ends the whole: the next start keeps it aside and goes on with what can be read."""
        await self._damage_seen.wait()
        raise self._damage[0]

    async def _take_findings(self, findings: Sequence[Finding], now_ns: int) -> None:
        await self.in_database(self.alerts.take_many, findings, now_ns)

    def _can_ring(self, resident_id: str) -> list[str]:
        """The resident's devices that are connected and can be found by ringing. Called from any thread."""
        ports = [source for source in self.sources if isinstance(source, TcpSource)]
        mine = [device for device, owner in self._owners.items() if owner == resident_id]
        there = [device for device in mine if any(device in port.connected_devices for port in ports)]
        return [device for device in there if FIND in find_driver(self._families[device]).commands]

    async def _channel_answered(self, channel: str, body: bytes) -> Mapping[str, Any]:
        """A person's answer that came back through a channel, and what became of it."""
        result: Mapping[str, Any] = await self.in_database(apply_answer, self.alerts, channel, body, self.clock())
        return result

    async def _watch_on_call(self) -> None:
        await self.in_database(self.alerts.watch_on_call, self.clock())

    async def _tick(self) -> None:
        await self.in_database(self.alerts.tick, self.clock())

    async def _flush(self) -> None:
        with contextlib.suppress(StoreUnavailableError):  # counted by the store and shown in its health
            await self.async_store.flush()

    async def _poll(self) -> None:
        now_ns = self.clock()
        failed: Exception | None = None
        for source in self.sources:
            try:
                source.poll(now_ns)
            except Exception as error:  # noqa: BLE001 - the others are polled all the same
                failed = error
        if failed is not None:
            raise failed

    async def _look_at_ways(self) -> None:
        """Tell of lines, brokers and devices that come and go; do not count the silence of what is behind them."""
        now_ns, now_s = self.clock(), self.monotonic()
        watch, owners = self._interruptions, self.pipeline.keeper.assigned
        found = watch.look(ways_of(self.sources, self._families, self.broker), owners, now_ns, now_s)
        found += watch.look_at_restless(*restless_and_online(self.sources), owners, now_ns, now_s)
        self.pipeline.cut_off(watch.cut)
        self.pipeline.report(found)
        for source in self.sources:
            if isinstance(source, MqttSource):
                source.session.revive()

    async def _resume_faults(self) -> None:
        """What was wrong before this start and ends by itself is judged anew by the first that is heard of it."""
        now_ns = self.clock()
        for finding in open_faults(await self.in_database(self.alerts.open_alerts)):
            taken = self._interruptions.resume(finding) or self.watches.resume(finding) or self.pipeline.resume(finding)
            if (
                not taken
                and KINDS[finding.kind].technical
                and finding.devices
                and finding.devices[0] not in self._families
            ):
                self.pipeline.report([gone(finding, now_ns)])

    async def _alive(self) -> None:
        """Say so to the service manager, if pipeline, deadlines and dispatching turn and the database answers."""
        await self.in_database(self.registry.fingerprint)
        before, self._turned = self._turned, (self.dispatcher.rounds, self._rounds["deadlines"])
        turning = all(now > then for now, then in zip(self._turned, before, strict=True))
        if turning and self.monotonic() - self.pipeline.health.last_turn_s < box_health.SILENT_TURN_S:
            self._ready = self._ready or notify(READY)
            notify(ALIVE)

    async def _learn(self) -> None:
        """What carers said of fall alerts may have taught the sensitivity of a resident."""
        if self.learner is not None and await self.in_database(self.learner.review, self.clock()):
            await self.registry_changed()

    async def _save_learned(self) -> None:
        """What the analysis has learned of residents outlives a restart. A few at a time: no alarm waits for it."""
        keeper = self.pipeline.keeper
        residents = sorted({who for who in keeper.assigned.values() if who is not None})
        for first in range(0, len(residents), SAVED_AT_ONCE):
            some = residents[first : first + SAVED_AT_ONCE]
            await self.in_database(save_learned, self.database, keeper.remember(some), self.clock())

    async def _retain(self) -> None:
        with contextlib.suppress(StoreUnavailableError):
            await self.async_store.write(self.store.retain, self.clock())
            for resident_id in await self.in_database(to_erase, self.database, self.clock()):
                rows = await self.async_store.write(self.store.erase, resident_id)
                await self.in_database(erased, self.database, resident_id, rows, self.clock())

    async def _tell_health(self) -> None:
        items = [{"name": item.name, "ok": item.ok, "zh": item.zh, "en": item.en} for item in self.health()]
        self.broadcast.publish("health", {"items": items})

    def _alert_changed(self, change: AlertChange) -> None:
        """Called in the database thread."""
        self._loop.call_soon_threadsafe(self.broadcast.publish, "alert", box_health.alert_event(change))
        self._loop.call_soon_threadsafe(self.snippets.alert_changed, change)
        if any(entry.type is EntryType.ACKNOWLEDGED for entry in change.entries):
            self._loop.call_soon_threadsafe(self.pipeline.episodes_answered, list(change.alert.episodes))

    def _episodes_closed(self, episodes: Sequence[str]) -> None:
        """Called in the database thread."""
        self._loop.call_soon_threadsafe(self.pipeline.close_episodes, list(episodes))
