"""The dispatcher with real tasks and real HTTP: quick, fair, and never without a second attempt."""

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from alert_site import Site
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from analytics.findings import Finding, Phase
from gateway.alerts.callback import CallbackHandler, CallbackVerifier
from gateway.alerts.dispatcher import Dispatcher
from gateway.alerts.lifecycle import Outcome, State
from gateway.alerts.outbox import RowState
from gateway.channels.base import Accepted, Dispatch, Refused
from gateway.channels.webhook import WebhookChannel, WebhookOptions
from simulators.assist_script import Manner
from simulators.assist_service import AssistConfig, AssistService, running

SECRET = SecretStr("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
BACK = SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
DEADLINE_S = 60.0
FAST = Manner(acknowledge_s=(0.05, 1.2), en_route_s=(0.05, 1.2), on_scene_s=(0.05, 1.2), resolved_s=(0.05, 1.2))


class FarSide:
    """A channel's far side: notes who was told when, and answers as told."""

    def __init__(self, answer: Callable[[Dispatch], Awaitable[Accepted | Refused]]) -> None:
        self.answer = answer
        self.sent: list[tuple[float, Dispatch]] = []

    async def send(self, dispatch: Dispatch, now_ns: int) -> Accepted | Refused:
        assert now_ns > 0
        self.sent.append((time.monotonic(), dispatch))
        return await self.answer(dispatch)


async def accept(_: Dispatch) -> Accepted:
    return Accepted("x")


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.005)


@asynccontextmanager
async def dispatching(site: Site, channels: dict[str, Any], **more: Any) -> AsyncIterator[Dispatcher]:
    dispatcher = Dispatcher(site.service, channels, clock=time.time_ns, **more)
    task = asyncio.create_task(dispatcher.run())
    try:
        yield dispatcher
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def press(site: Site, resident: str = "r1", kind: str = "help_call", episode: str = "e1") -> Any:
    now = time.time_ns()
    return site.service.take(Finding(episode, kind, resident, now, Phase.CONFIRMED, 1.0, ("w1",)), now).alert


def test_a_commit_wakes_it(site: Site) -> None:
    async def scene() -> list[float]:
        far = FarSide(accept)
        waits = []
        async with dispatching(site, {"webhook": far, "sms": far, "siren": far}):
            for number in range(8):
                start = time.monotonic()
                await asyncio.to_thread(press, site, f"x{number}")
                await until(lambda: len(far.sent) >= 2 * number + 2)  # noqa: B023 - awaited here
                waits.append(far.sent[2 * number][0] - start)
        return waits

    waits = asyncio.run(scene())
    # From the finding to the first message on the wire; polling would show as LONGEST_NAP_S.
    assert sorted(waits)[len(waits) // 2] < 0.5


def test_a_failing_channel_is_tried_again_and_one_that_is_not_there_is_said(site: Site) -> None:
    async def scene() -> None:
        tries = 0

        async def second_time(_: Dispatch) -> Accepted | Refused:
            nonlocal tries
            tries += 1
            if tries == 1:
                raise ValueError("token=secret")
            return Accepted("x")

        async with dispatching(site, {"webhook": FarSide(second_time), "sms": FarSide(accept)}) as dispatcher:
            alert = press(site)
            await until(lambda: tries == 2)
            await until(lambda: dispatcher.counts["accepted"] == 2)
            await until(lambda: dispatcher.counts["refused"] >= 2)
        items = {i.channel: i for i in site.service.outbox.items(alert.id)}
        assert items["siren"].last_error == "no channel 'siren' is configured"
        assert (items["webhook"].state, items["webhook"].last_error) == (
            RowState.DELIVERED,
            "the channel failed: ValueError",
        )

    asyncio.run(scene())


def test_the_urgent_find_a_slot_while_others_hang(site: Site) -> None:
    async def scene() -> None:
        release = asyncio.Event()

        async def hang(dispatch: Dispatch) -> Accepted:
            if dispatch.priority != 1:
                await release.wait()
            return Accepted("x")

        far = FarSide(hang)
        channels = {"webhook": far, "sms": far, "siren": far}
        async with dispatching(site, channels, concurrency=6, reserved=2, per_target=3) as dispatcher:
            for number in range(10):
                press(site, f"x{number}", "heart_rate_high")
            await until(lambda: len(far.sent) == 4)
            urgent = press(site, "x99")
            await until(lambda: dispatcher.counts["accepted"] >= 2)
            assert {d.alert_id for _, d in far.sent[4:]} == {urgent.id}
            assert site.service.get(urgent.id).state is State.DELIVERED
            release.set()
            await until(lambda: dispatcher.counts["accepted"] >= 22)

    asyncio.run(scene())


def test_a_broken_disk_loses_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """While reading and writing fail, it goes on trying; the message is written down when the disk is back."""

    async def scene() -> None:
        broken = {"release", "claim", "settle"}
        release, claim, settle = site.service.outbox.release_all, site.service.outbox.claim, site.service.settle_many

        def failing(name: str, works: Callable[..., Any]) -> Callable[..., Any]:
            def act(*given: Any, **more: Any) -> Any:
                if name in broken:
                    raise OSError("disk full")
                return works(*given, **more)

            return act

        monkeypatch.setattr(site.service.outbox, "release_all", failing("release", release))
        monkeypatch.setattr(site.service.outbox, "claim", failing("claim", claim))
        monkeypatch.setattr(site.service, "settle_many", failing("settle", settle))
        far = FarSide(accept)
        async with dispatching(site, {"webhook": far, "sms": far, "siren": far}) as dispatcher:
            alert = press(site)
            await until(lambda: dispatcher.counts["release_failed"] > 0)
            broken.discard("release")
            await until(lambda: dispatcher.counts["claim_failed"] > 0)
            broken.discard("claim")
            await until(lambda: dispatcher.counts["settle_failed"] > 0)
            broken.clear()
            await until(lambda: site.service.get(alert.id).state is State.DELIVERED)

    asyncio.run(scene())


def test_an_end_that_cannot_be_written_holds_up_no_other(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends go to the disk together; one that is refused there is tried again by itself until it is taken."""

    async def scene() -> None:
        works, sizes, refused = site.service.settle_many, [], {"assist"}
        first = threading.Event()

        def settle_many(ended: Any, now_ns: int) -> Any:
            sizes.append(len(ended))
            if len(sizes) == 1:
                assert first.wait(DEADLINE_S)
            if any(dispatch.contact in refused for dispatch, _ in ended):
                raise OSError("refused")
            return works(ended, now_ns)

        monkeypatch.setattr(site.service, "settle_many", settle_many)
        far = FarSide(accept)
        async with dispatching(site, {"webhook": far, "sms": far, "siren": far}) as dispatcher:
            alerts = [press(site, f"x{number}", episode=f"e{number}") for number in range(3)]
            await until(lambda: len(far.sent) == 6)
            first.set()
            await until(lambda: dispatcher.counts["accepted"] == 3)
            assert {site.service.get(alert.id).state for alert in alerts} == {State.DELIVERED}
            await until(lambda: dispatcher.counts["settle_failed"] > 4)
            refused.clear()
            await until(lambda: dispatcher.counts["accepted"] == 6)
        assert sizes[0] == 1
        assert max(sizes) >= 3
        assert {item.state for item in site.service.outbox.items()} == {RowState.DELIVERED}

    asyncio.run(scene())


def test_look_ups_that_hang_hold_up_nobody_else(site: Site) -> None:
    """Without the internet, names are looked up for seconds, in the threads that the loop lends to everybody."""

    async def scene() -> None:
        loop, over = asyncio.get_running_loop(), threading.Event()
        look_ups = [loop.run_in_executor(None, over.wait, DEADLINE_S) for _ in range(64)]
        far = FarSide(accept)
        try:
            async with dispatching(site, {"webhook": far, "sms": far, "siren": far}):
                press(site)
                await until(lambda: len(far.sent) == 3)
                assert not over.is_set()
        finally:
            over.set()
            await asyncio.gather(*look_ups)

    asyncio.run(scene())


def test_what_was_on_the_wire_is_sent_again_by_the_next_run(site: Site) -> None:
    async def scene() -> None:
        never = asyncio.Event()

        async def hang(_: Dispatch) -> Accepted:
            await never.wait()
            return Accepted("x")

        far = FarSide(hang)
        async with dispatching(site, {"webhook": far, "sms": far, "siren": far}):
            alert = press(site)
            await until(lambda: len(far.sent) == 3)
        again = FarSide(accept)
        async with dispatching(site, {"webhook": again, "sms": again, "siren": again}) as dispatcher:
            await until(lambda: dispatcher.counts["accepted"] == 3)
            assert dispatcher.counts["released"] == 3
        assert {d.idempotency_key for _, d in again.sent} == {d.idempotency_key for _, d in far.sent}
        assert site.service.get(alert.id).state is State.DELIVERED

    asyncio.run(scene())


@asynccontextmanager
async def gateway(site: Site) -> AsyncIterator[str]:
    """The route for call-backs, on a real port; the first request of all is answered 503."""
    handler = CallbackHandler(site.service, CallbackVerifier([BACK]))
    calls = 0

    async def callback(request: Request) -> JSONResponse:
        nonlocal calls
        calls += 1
        if calls == 1:
            return JSONResponse({}, 503)
        body = await request.body()
        result = await asyncio.to_thread(handler.handle, dict(request.headers), body, time.time_ns())
        return JSONResponse(result.body, result.http_status)

    host = AssistService(AssistConfig(SECRET))
    host.app = Starlette(routes=[Route("/callback", callback, methods=["POST"])])
    await host.start()
    try:
        yield host.url.replace("/alerts", "/callback")
    finally:
        await host.stop()


@asynccontextmanager
async def assisted(site: Site, manner: Manner) -> AsyncIterator[tuple[AssistService, Dispatcher]]:
    async with gateway(site) as url, running(AssistConfig(SECRET, BACK, url, manner=manner)) as service:
        channel = WebhookChannel(WebhookOptions(service.url, (SECRET,), "urn:yinling:test", allow_private=True))
        far = FarSide(accept)
        async with dispatching(site, {"webhook": channel, "sms": far, "siren": far}) as dispatcher:
            yield service, dispatcher
        await channel.aclose()


def test_from_the_button_to_the_outcome_over_real_http(site: Site) -> None:
    async def scene() -> None:
        async with assisted(site, FAST) as (service, _):
            alert = press(site)
            await until(lambda: not site.service.get(alert.id).state.open)
            await until(lambda: len(service.journal.of("callback", alert.id)) == 4)
            closed = site.service.get(alert.id)
            assert closed.outcome in (Outcome.REAL_HELP, Outcome.FALSE_ALARM)
            assert [r["type"] for r in service.journal.of("callback")] == [
                "acknowledged",
                "en_route",
                "on_scene",
                "resolved",
            ]
            assert service.journal.of("callback")[0]["attempts"] == 2
            assert len(service.journal.of("event")) == 1

    asyncio.run(scene())


def test_through_every_failure_of_the_service(site: Site) -> None:
    async def scene() -> None:
        async with assisted(site, FAST) as (service, _):
            for mode in ("error", "refuse", "half", "redirect"):
                await service.set_mode(mode, count=1)
                alert = press(site, f"x{mode}")
                await until(lambda: not site.service.get(alert.id).state.open)  # noqa: B023 - awaited here
            await service.set_mode("down", seconds=1.0)
            alert = press(site, "xdown")
            await until(lambda: not site.service.get(alert.id).state.open)
            assert site.service.get(alert.id).acknowledged_by
            assert len({r["alert_id"] for r in service.journal.of("event")}) == 5

    asyncio.run(scene())


def test_cancelled_here_ends_there(site: Site) -> None:
    async def scene() -> None:
        slow = Manner(acknowledge_s=(600, 1.0))
        async with assisted(site, slow) as (service, _):
            alert = press(site)
            await until(lambda: len(service.journal.of("event")) == 1)
            await until(lambda: site.service.get(alert.id).state is State.DELIVERED)
            assert list(service._people) == [alert.id]
            await asyncio.to_thread(site.service.cancel, alert.id, "李奶奶", time.time_ns())
            await until(lambda: len(service.journal.of("event")) == 2)
            assert service.journal.of("event")[1]["type"] == "alert.cancelled"
            assert service._people == {}

    asyncio.run(scene())


def test_jitter_comes_from_the_given_random() -> None:
    from analytics.kinds import Priority
    from gateway.alerts.schedule import wait_s

    assert [wait_s(Priority.HIGH, 1, random.Random(3)) for _ in range(2)] == [
        wait_s(Priority.HIGH, 1, random.Random(3))
    ] * 2
