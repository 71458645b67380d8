"""The server that does what it is told: whole answers, reset connections, and requests that are no requests."""

import asyncio
import contextlib
import json

import httpx
import pytest

from simulators.rude_http import Line, Request, listening


async def echo(request: Request, line: Line) -> None:
    await line.answer(201, {"method": request.method, "path": request.path, "body": request.body.decode()})


def test_it_answers_what_it_was_asked() -> None:
    async def scene() -> None:
        async with listening(echo) as port, httpx.AsyncClient(trust_env=False) as client:
            for _ in range(2):
                response = await client.post(f"http://127.0.0.1:{port}/a?b", content="老")
                assert response.status_code == 201
                assert response.json() == {"method": "POST", "path": "/a?b", "body": "老"}

    asyncio.run(scene())


def test_a_reset_is_a_reset() -> None:
    async def reset(_: Request, line: Line) -> None:
        line.reset()

    async def scene() -> None:
        async with listening(reset) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()

    asyncio.run(scene())


@pytest.mark.parametrize("sent", [b"\r\n\r\n", b"GET / HTTP/1.1\r\ncontent-length: x\r\n\r\n", b"x" * 100_000, b"GET"])
def test_what_is_no_request_ends_only_its_own_connection(sent: bytes) -> None:
    async def scene() -> None:
        async with listening(echo) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            writer.write_eof()
            with contextlib.suppress(ConnectionResetError):  # it had not read all of it
                assert await reader.read() == b""
            writer.close()
            async with httpx.AsyncClient(trust_env=False) as client:
                assert json.loads((await client.get(f"http://127.0.0.1:{port}/")).content)["path"] == "/"

    asyncio.run(scene())


def test_its_end_cuts_off_who_still_waits() -> None:
    async def never(_: Request, line: Line) -> None:
        await asyncio.Event().wait()

    async def scene() -> None:
        async with listening(never) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()

    asyncio.run(scene())
