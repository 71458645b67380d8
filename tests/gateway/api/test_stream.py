"""The live stream, over a real server on loopback: snapshot, changes, whose data, heartbeat, end."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
import uvicorn
from api_site import NOW, ApiSite

from gateway.api.scopes import Role
from gateway.api.stream import MAX_STREAMS_OF_KEY
from gateway.broadcast import KEPT

Event = tuple[str, Any, str | None]
PATIENCE_S = 20.0


class Stream:
    """One open stream; `next` waits for the next event or comment."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self) -> Event:
        """(event, data, id); a comment is ("comment", its text, None)."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(PATIENCE_S):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if line and not name:
                    return "comment", value, None
                if line:
                    fields[name] = value
                elif "data" in fields:
                    return fields["event"], json.loads(fields["data"]), fields.get("id")
        return "end", None, None

    async def next_of(self, *kinds: str) -> Event:
        while (event := await self.next())[0] not in (*kinds, "end"):
            pass
        return event


class Server:
    def __init__(self, site: ApiSite, url: str) -> None:
        self.site = site
        self.client = httpx.AsyncClient(base_url=url, timeout=PATIENCE_S)

    @contextlib.asynccontextmanager
    async def open(self, secret: str, **headers: str) -> AsyncIterator[Stream]:
        wanted = {"Authorization": f"Bearer {secret}", **headers}
        async with self.client.stream("GET", "/api/v1/stream", headers=wanted) as response:
            yield Stream(response)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 - there is no event for what the server's own loop does
                await asyncio.sleep(0.01)

    @property
    def streams(self) -> int:
        return int(self.site.app.state.streams.open)


def serve(site: ApiSite, port: int, test: Callable[[Server], Awaitable[None]]) -> None:
    """Run the test beside a real server."""

    async def body() -> None:
        config = uvicorn.Config(
            site.app,
            host="127.0.0.1",
            port=port,
            log_config=None,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve())
        made = Server(site, f"http://127.0.0.1:{port}")
        await made.until(lambda: server.started or running.done())
        try:
            await test(made)
            await made.client.aclose()
            await made.until(lambda: made.streams == 0)
        finally:
            server.should_exit = True
            await running

    site.runner.run(body())


def test_first_what_is_open_then_every_change(site: ApiSite, free_port: int) -> None:
    async def test(server: Server) -> None:
        first = await site.in_database(site.fall)
        async with server.open(site.secrets[Role.OPERATOR], **{"Last-Event-ID": "garbage"}) as stream:
            assert stream.response.headers["content-type"].startswith("text/event-stream")
            assert stream.response.headers["cache-control"] == "no-store"
            kind, data, number = await stream.next()
            assert (kind, [alert["id"] for alert in data["alerts"]], number) == ("snapshot", [first], None)
            second = await site.in_database(site.fall, "r2", "e2")
            kind, data, number = await stream.next_of("alert")
            assert (data["id"], data["state"], data["title"]["zh"]) == (second, "raised", "跌倒")
            await site.in_database(site.alerts.acknowledge, second, "王护士", NOW + 1)
            _, data, following = await stream.next_of("alert")
            assert (data["state"], data["acknowledged_by"]) == ("acknowledged", "王护士")
            assert int(str(following)) > int(str(number))
        assert "stream.opened" in [entry.action for entry in site.audit()]

    serve(site, free_port, test)


def test_each_key_hears_of_its_residents_only(site: ApiSite, free_port: int) -> None:
    secret = site.key(Role.VIEWER, residents=["r1"]).secret

    async def test(server: Server) -> None:
        await site.in_database(site.fall, "r2", "before")
        async with server.open(secret) as stream:
            assert (await stream.next())[1] == {"alerts": []}
            await site.in_database(site.fall, "r2", "e2", "help_call")
            await site.in_database(site.fall, None, "e3", "gas")
            site.broadcast.publish("alert", {"alert_id": "nope"})
            site.broadcast.publish("health", {})
            site.broadcast.publish("something new", {"secret": 1})
            mine = await site.in_database(site.fall, "r1", "e4")
            kind, data, _ = await stream.next_of("alert", "health", "something new", "snapshot")
            assert (kind, data["id"], data["resident_id"]) == ("alert", mine, "r1")

    serve(site, free_port, test)


def test_health_and_heartbeat(site: ApiSite, free_port: int) -> None:
    async def test(server: Server) -> None:
        async with server.open(site.secrets[Role.OPERATOR]) as stream:
            assert (await stream.next_of("comment"))[1] == "heartbeat"
            site.broadcast.publish("health", {"items": []})
            _, data, _ = await stream.next_of("health")
            assert (data["ok"], data["parts"][0]["name"]) == (True, "broker")

    serve(site, free_port, test)


def test_who_was_too_slow_gets_a_new_snapshot(site: ApiSite, free_port: int) -> None:
    async def test(server: Server) -> None:
        alert = await site.in_database(site.fall)
        async with server.open(site.secrets[Role.VIEWER]) as stream:
            await stream.next_of("snapshot")
            for _ in range(KEPT + 5):
                site.broadcast.publish("alert", {"alert_id": alert})
            _, data, _ = await stream.next_of("snapshot")
            assert [one["id"] for one in data["alerts"]] == [alert]
            assert (await stream.next_of("alert"))[1]["id"] == alert

    serve(site, free_port, test)


@pytest.mark.parametrize("busy", [False, True])
def test_a_revoked_key_hears_no_more(site: ApiSite, free_port: int, busy: bool) -> None:
    made = site.key(Role.VIEWER)

    async def test(server: Server) -> None:
        async with server.open(made.secret) as stream:
            await stream.next_of("snapshot")
            await site.in_database(site.keys.revoke, made.key.id, by="admin", now_ns=NOW)
            if busy:
                site.monotonic_s += 60
                site.broadcast.publish("alert", {"alert_id": await site.in_database(site.fall)})
            assert await stream.next_of("alert", "snapshot") == ("end", None, None)

    serve(site, free_port, test)


def test_open_streams_are_bounded_and_counted(site: ApiSite, free_port: int) -> None:
    async def test(server: Server) -> None:
        async with contextlib.AsyncExitStack() as opened:
            held = [
                await opened.enter_async_context(server.open(site.secrets[Role.VIEWER]))
                for _ in range(MAX_STREAMS_OF_KEY)
            ]
            for stream in held:
                await stream.next_of("snapshot")
            assert server.streams == MAX_STREAMS_OF_KEY
            async with server.open(site.secrets[Role.VIEWER]) as refused:
                assert refused.response.status_code == 429
                assert json.loads(await refused.response.aread())["type"] == "urn:yinling:problem:too-many"
            async with server.open(site.secrets[Role.OPERATOR]) as other:
                assert (await other.next())[0] == "snapshot"
        await server.until(lambda: server.streams == 0)
        async with server.open(site.secrets[Role.VIEWER]) as again:
            assert (await again.next())[0] == "snapshot"

    serve(site, free_port, test)
