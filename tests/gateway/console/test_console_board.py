"""The shared picture: computed only while somebody looks, told at once, and honest about its own faults."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from console_site import S, Site

from analytics.findings import Phase
from device_drivers.signals import reading
from gateway.console.board import Board, Watch
from gateway.console.views import Look
from gateway.context import Context


def watch(site: Site, act: Callable[[Watch, list[Board]], Awaitable[None]], **changes: Any) -> None:
    """Run `act` in a loop with a watch and the boards it has shown."""

    async def run() -> None:
        site._loop = asyncio.get_running_loop()
        made = Watch(replace(site.context, **changes))
        boards: list[Board] = []
        with made.looking(boards.append):
            await act(made, boards)
        await asyncio.sleep(0)
        site._loop = None

    asyncio.run(run())


async def until(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - any condition, not only one that can set an event
            await asyncio.sleep(0.01)


def feed(site: Site, **values: float) -> None:
    now = site.now()
    site.live.update(reading("w1", signal, number, now, now) for signal, number in values.items())


def test_the_first_board_is_complete(site: Site) -> None:
    site.resident("r2", "王大爷", "302", "w2")
    site.resident("r1", "李奶奶", "301", "w1")
    feed(site, heart_rate=72)
    fall = site.find("fall", "r2", "w2")
    battery = site.find("battery_low", None, "w1")

    async def act(_: Watch, boards: list[Board]) -> None:
        await until(lambda: boards)
        board = boards[0]
        assert [(one.name, one.look) for one in board.cards] == [("李奶奶", Look.ATTENTION), ("王大爷", Look.ALARM)]
        assert [one.id for one in board.alerts] == [fall, battery]
        assert board.cards[0].reasons == ("battery_low",)
        assert board.alerts_known
        assert board.health == site.health
        assert board.faults == ()

    watch(site, act)


def test_an_alert_is_shown_at_once(site: Site) -> None:
    site.resident("r1", "李奶奶", "301", "w1")

    async def act(_: Watch, boards: list[Board]) -> None:
        await until(lambda: boards)
        loop = asyncio.get_running_loop()
        started = loop.time()
        await site.in_database(site.find, "help_call", "r1", "w1")
        await until(lambda: boards[-1].alerts)
        assert loop.time() - started < 0.9

    watch(site, act)


def test_new_residents_come_with_the_event(site: Site) -> None:
    async def act(_: Watch, boards: list[Board]) -> None:
        await until(lambda: boards)
        assert boards[-1].cards == []
        await site.in_database(site.resident, "r1", "李奶奶", "301", "w1")
        await site.context.registry_changed()
        await until(lambda: boards[-1].cards)
        site.broadcast.publish("health", {})
        before = len(boards)
        await until(lambda: len(boards) > before)

    watch(site, act)


def test_nobody_looks_nothing_runs(site: Site) -> None:
    asked: list[int] = []

    def health() -> Any:
        asked.append(1)
        return ()

    async def act(made: Watch, boards: list[Board]) -> None:
        await until(lambda: boards)
        second: list[Board] = []
        with made.looking(second.append):
            await until(lambda: second)
            assert second[-1] is boards[-1]
        assert made._task is not None

    watch(site, act, health=health)
    count = len(asked)
    assert 2 <= count <= 4

    async def later() -> None:
        made = Watch(site.context)
        with made.looking(lambda _: None):
            task = made._task
            assert task is not None
        assert made._task is None
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(later())


def test_html_is_made_once_for_all(site: Site) -> None:
    made: list[int] = []
    board = Board(site.now())

    def make() -> str:
        made.append(1)
        return "x"

    assert [board.once(("k",), make) for _ in range(3)] == ["x"] * 3
    assert made == [1]
    assert "svg" not in board.trace(None, "en")
    assert "svg" not in board.trace("nobody", "en")


def test_a_broken_database_is_said_and_the_rest_still_shown(site: Site) -> None:
    site.resident("r1", "李奶奶", "301", "w1")
    feed(site, heart_rate=72)
    broken = {"on": False}
    told = [("fault.board", "OSError [Errno 28] No space left on device")]

    async def in_database(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if broken["on"]:
            raise OSError(28, "No space left on device")
        return await site.in_database(function, *args, **kwargs)

    async def act(made: Watch, boards: list[Board]) -> None:
        await until(lambda: boards)
        assert not boards[-1].faults
        broken["on"] = True
        await made.reload()
        await made.reload()
        assert list(boards[-1].faults) == told
        assert boards[-1].cards[0].vitals[0].number == "72"
        broken["on"] = False
        await made.reload()
        assert not boards[-1].faults

    watch(site, act, in_database=in_database)


def test_alerts_that_were_never_read_are_not_called_none(site: Site) -> None:
    async def never(*_: Any, **__: Any) -> Any:
        raise OSError("gone")

    async def act(_: Watch, boards: list[Board]) -> None:
        await until(lambda: boards)
        assert not boards[-1].alerts_known
        assert [key for key, _ in boards[-1].faults] == ["fault.board", "fault.registry"]

    watch(site, act, in_database=never)


def test_a_health_check_that_fails_is_a_fault(site: Site) -> None:
    def health() -> Any:
        raise RuntimeError("no clock")

    async def act(_: Watch, boards: list[Board]) -> None:
        await until(lambda: boards)
        assert boards[-1].faults == (("fault.health", "RuntimeError no clock"),)
        assert boards[-1].health == ()

    watch(site, act, health=health)


def test_a_picture_that_cannot_be_made_is_said(site: Site) -> None:
    site.resident("r1", "李奶奶", "301", "w1")
    feed(site, heart_rate=72)
    site.live.devices["w1"].values["no_such_signal"] = site.live.devices["w1"].values["heart_rate"]
    site.live.devices["w1"].values["heart_rate"] = None  # type: ignore[assignment]

    async def act(_: Watch, boards: list[Board]) -> None:
        await until(lambda: boards)
        assert boards[-1].faults[0][0] == "fault.view"
        assert boards[-1].cards == ()

    watch(site, act)


def test_one_browser_that_fails_does_not_stop_the_others(site: Site) -> None:
    def failing(_: Board) -> None:
        raise ValueError("page is gone")

    async def act(made: Watch, boards: list[Board]) -> None:
        with made.looking(failing):
            await until(lambda: len(boards) >= 2)

    watch(site, act)


def test_a_flood_of_alerts_is_read_ten_times_a_second_at_most(site: Site) -> None:
    reads: list[int] = []

    async def in_database(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        reads.append(1)
        return await site.in_database(function, *args, **kwargs)

    async def act(_: Watch, boards: list[Board]) -> None:
        await until(lambda: boards)
        loop = asyncio.get_running_loop()
        start, reads[:] = loop.time(), []
        while loop.time() - start < 1.0:
            site.broadcast.publish("alert", {})
            await asyncio.sleep(0.002)
        assert 3 <= len(reads) <= 12

    watch(site, act, in_database=in_database)


def test_stale_by_the_boards_own_clock(site: Site) -> None:
    site.resident("r1", "李奶奶", "301", "w1")
    feed(site, heart_rate=72)

    async def act(made: Watch, boards: list[Board]) -> None:
        await until(lambda: boards)
        site.ahead_s = 200
        await made.reload()
        shown = boards[-1].cards[0]
        assert (shown.look, shown.vitals[0].freshness) == (Look.UNKNOWN, "stale")
        assert shown.vitals[0].age_s is not None
        assert int(shown.vitals[0].age_s) // 60 == 3

    watch(site, act)


def test_suspected_fall_counts_down(site: Site) -> None:
    site.resident("r1", "李奶奶", "301", "w1")
    site.find("fall", "r1", "w1", phase=Phase.SUSPECTED)

    async def act(_: Watch, boards: list[Board]) -> None:
        await until(lambda: boards)
        left = boards[-1].alerts[0].countdown_s
        assert left is not None
        assert 15 < left <= 20
        assert boards[-1].cards[0].look is Look.ATTENTION

    watch(site, act)


def test_context_is_the_real_one(site: Site) -> None:
    assert isinstance(site.context, Context)
    assert site.now() > S
