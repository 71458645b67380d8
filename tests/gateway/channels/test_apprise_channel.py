"""Apprise: through to a server that speaks ntfy's and SMTP's words; what it cannot judge is refused beforehand."""

from __future__ import annotations

import asyncio
import json

import pytest
from answering import answering
from pydantic import SecretStr

from analytics.kinds import Priority
from gateway.channels.apprise_channel import AppriseAddressError, AppriseChannel, AppriseOptions
from gateway.channels.base import Accepted, Dispatch, Refused


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
