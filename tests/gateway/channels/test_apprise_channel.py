"""Apprise: through to a server that speaks ntfy's and SMTP's words; what it cannot judge is refused beforehand."""

from __future__ import annotations

import asyncio
import json
import socket
import socketserver
import threading
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING

import pytest
from answering import answering
from pydantic import SecretStr

from analytics.kinds import Priority
from gateway.channels.apprise_channel import AppriseAddressError, AppriseChannel, AppriseOptions
from gateway.channels.base import Accepted, Dispatch, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator


def dispatch(address: str = "grandma") -> Dispatch:
    payload = {"text": {"zh": "跌倒：李奶奶", "en": "Fall: Li"}}
    return Dispatch(1, "a1", "alert.raised", "ntfy", "c1", address, Priority.HIGH, payload, 1, "k", "t", 0)


def send(options: AppriseOptions, one: Dispatch) -> Accepted | Refused:
    async def scene() -> Accepted | Refused:
        channel = AppriseChannel(options)
        try:
            return await channel.send(one, 0)
        finally:
            await channel.aclose()

    return asyncio.run(scene())


def test_ntfy_gets_the_contacts_topic_and_the_text() -> None:
    with answering(b'{"id":"x"}') as server:
        host = server.url.removeprefix("http://")
        options = AppriseOptions(SecretStr(f"ntfy://u:geheim@{host}/{{address}}?mode=private"))
        assert send(options, dispatch()) == Accepted()
        (asked,) = server.asked
        assert json.loads(asked.body)["topic"] == "grandma"
        assert "跌倒：李奶奶" in json.loads(asked.body)["message"]
        server.status = 500
        assert isinstance(send(options, dispatch()), Refused)
    assert "geheim" not in repr(options)


class MailServer(socketserver.StreamRequestHandler):
    """Speaks SMTP as far as a client needs; takes mail for one mailbox only."""

    def handle(self) -> None:
        self.say("220 mail.example")
        while line := self.rfile.readline().decode().strip():
            word = line.split(" ", 1)[0].upper()
            if word == "RCPT" and "<daughter@example.com>" not in line:
                self.say("550 no such mailbox")
            elif word == "DATA":
                self.say("354 go on")
                self.server.mails.append(b"".join(iter(self.rfile.readline, b".\r\n")))  # type: ignore[attr-defined]
                self.say("250 taken")
            else:
                self.say("221 bye" if word == "QUIT" else "250 ok")

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def mail_server() -> Iterator[tuple[int, list[bytes]]]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), MailServer) as server:
        server.mails = mails = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1], mails
        finally:
            server.shutdown()
            thread.join()


def test_mail_arrives_and_a_mailbox_that_is_not_there_is_no_delivery() -> None:
    with mail_server() as (port, mails):
        url = f"mailto://127.0.0.1:{port}/?from=box@example.com&to={{address}}&mode=insecure"
        options = AppriseOptions(SecretStr(url), total_s=120.0)
        assert send(options, dispatch("daughter@example.com")) == Accepted()
        (mail,) = mails
        said = message_from_bytes(mail, policy=default).get_body(("html", "plain"))
        assert said is not None
        assert "跌倒：李奶奶" in said.get_content()
        assert isinstance(send(options, dispatch("nobody@example.com")), Refused)
        assert len(mails) == 1
    assert isinstance(send(options, dispatch("daughter@example.com")), Refused)


def test_services_that_hang_leave_the_threads_of_others_alone() -> None:
    async def scene() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"json://127.0.0.1:{silent.getsockname()[1]}/{{address}}?cto=90&rto=90"
            channel = AppriseChannel(AppriseOptions(SecretStr(url), total_s=120.0))
            hanging = [asyncio.create_task(channel.send(dispatch(), 0)) for _ in range(40)]
            await asyncio.sleep(0)
            # The loop's own pool has fewer threads than these.
            assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), 60) == "free"
            assert not any(task.done() for task in hanging)
            for task in hanging:
                task.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)
            await channel.aclose()

    asyncio.run(scene())


def test_an_address_of_a_contact_cannot_reach_into_the_service_address() -> None:
    with answering(b'{"id":"x"}') as server:
        host = server.url.removeprefix("http://")
        send(AppriseOptions(SecretStr(f"json://{host}/notify/{{address}}")), dispatch("a/../b?x=1"))
        assert all(asked.path.startswith("/notify/") and "x" not in asked.query for asked in server.asked)


@pytest.mark.parametrize(
    "url", ["dingtalk://tok", "wecombot://key", "feishu://tok", "lark://tok", "nosuch://x", "mailtos"]
)
def test_what_it_cannot_judge_or_does_not_know_is_refused_beforehand(url: str) -> None:
    with pytest.raises(AppriseAddressError) as refused:
        AppriseChannel(AppriseOptions(SecretStr(url)))
    assert "tok" not in str(refused.value).replace("token", "")
