"""A gateway's alert half in a process of its own, to be killed: takes findings, dispatches to a real service.

Arguments: database, service URL, secret, first number, count. Prints each alert's id once its finding is on disk.
"""

import asyncio
import sys
import time
from pathlib import Path

from pydantic import SecretStr

from analytics.findings import Finding, Phase
from gateway.alerts.dispatcher import Dispatcher
from gateway.alerts.payload import PayloadBuilder
from gateway.alerts.routing import ASSIST, WEBHOOK, ContactRouter, Route
from gateway.alerts.service import AlertService
from gateway.channels.webhook import WebhookChannel, WebhookOptions
from gateway.database import open_database


async def main(path: str, url: str, secret: str, first: int, count: int) -> None:
    service = AlertService(
        open_database(Path(path)), router=ContactRouter(assist=Route(WEBHOOK, ASSIST)), payloads=PayloadBuilder("站")
    )
    channel = WebhookChannel(WebhookOptions(url, (SecretStr(secret),), "urn:yinling:test", allow_private=True))
    dispatcher = asyncio.create_task(Dispatcher(service, {WEBHOOK: channel}, clock=time.time_ns).run())
    for number in range(first, first + count):
        now = time.time_ns()
        finding = Finding(f"e{number}", "help_call", f"x{number}", now, Phase.CONFIRMED, 1.0, ("w",))
        take = await asyncio.to_thread(service.take, finding, now)
        assert take.alert is not None
        sys.stdout.write(f"{take.alert.id}\n")
        sys.stdout.flush()
    await dispatcher


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])))
