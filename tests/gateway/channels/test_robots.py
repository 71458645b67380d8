"""Group robots: what is sent is what the vendors document, and only their own word counts as delivered."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from answering import Answering, answering
from pydantic import SecretStr

from analytics.kinds import Priority
from gateway.channels.base import Accepted, Dispatch, Refused
from gateway.channels.rate_limit import RateLimit
from gateway.channels.robots import RobotChannel, RobotOptions, dingtalk_sign, feishu_sign

if TYPE_CHECKING:
    from gateway.channels.robots import Vendor

S = 1_000_000_000
NOW = 1_735_787_045 * S
GOOD: dict[str, dict[str, Any]] = {"dingtalk": {"errcode": 0}, "wecom": {"errcode": 0}, "feishu": {"code": 0}}
VENDORS: tuple[Vendor, ...] = ("dingtalk", "wecom", "feishu")


def dispatch(address: str = "", priority: Priority = Priority.HIGH, zh: str = "跌倒：李奶奶") -> Dispatch:
    payload = {"text": {"zh": zh, "en": "Fall: Li"}}
    return Dispatch(1, "a1", "alert.raised", "robot", "c1", address, priority, payload, 1, "k", "t", NOW)


def send(server: Answering, vendor: Vendor, *dispatches: Dispatch, **more: Any) -> list[Accepted | Refused]:
    async def scene() -> list[Accepted | Refused]:
        channel = RobotChannel(RobotOptions(vendor, SecretStr("tok-123"), base_url=server.url, **more))
        try:
            return [await channel.send(one, NOW) for one in dispatches]
        finally:
            await channel.aclose()

    return asyncio.run(scene())


@pytest.mark.parametrize("vendor", VENDORS)
def test_accepted_only_by_the_vendors_own_word(vendor: Vendor) -> None:
    good = GOOD[vendor]
    code = next(iter(good))
    with answering() as server:
        for body, accepted in (
            (good, True),
            ({code: 310000, "errmsg": "keywords not in content", "msg": "bad sign"}, False),
            ({code: "0"}, False),
            ({code: False}, False),
            ({"ok": True}, False),
            ([0], False),
        ):
            server.body = json.dumps(body).encode()
            (result,) = send(server, vendor, dispatch())
            assert isinstance(result, Accepted) is accepted, body
        server.body, server.status, server.headers = b"", 503, {"retry-after": "7"}
        assert send(server, vendor, dispatch()) == [Refused("HTTP 503", retry_after_s=7.0)]
        server.body, server.status = b"<html>" * 20_000, 200
        (result,) = send(server, vendor, dispatch())
        assert isinstance(result, Refused)


def test_too_many_messages_says_when_to_come_back() -> None:
    with answering(json.dumps({"errcode": 45009, "errmsg": "api freq out of limit"}).encode()) as server:
        (result,) = send(server, "wecom", dispatch())
        assert isinstance(result, Refused)
        assert result.retry_after_s == 60


def test_dingtalk_signs_and_calls_by_name() -> None:
    with answering(b'{"errcode":0}') as server:
        assert send(server, "dingtalk", dispatch("13800000000"), secret=SecretStr("SEC1")) == [Accepted()]
        (asked,) = server.asked
    stamp = NOW // 1_000_000
    right = base64.b64encode(hmac.new(b"SEC1", f"{stamp}\nSEC1".encode(), hashlib.sha256).digest()).decode()
    assert asked.path == "/robot/send"
    assert asked.query == {"access_token": "tok-123", "timestamp": str(stamp), "sign": right}
    assert asked.json["at"]["atMobiles"] == ["13800000000"]
    assert asked.json["text"]["content"] == "跌倒：李奶奶 @13800000000"


def test_wecom_keeps_to_its_length_and_mentions() -> None:
    with answering(b'{"errcode":0}') as server:
        assert send(server, "wecom", dispatch("13800000000", zh="跌" * 2000)) == [Accepted()]
        (asked,) = server.asked
    assert asked.path == "/cgi-bin/webhook/send"
    assert asked.query == {"key": "tok-123"}
    assert len(asked.json["text"]["content"].encode()) <= 2048
    assert asked.json["text"]["mentioned_mobile_list"] == ["13800000000"]


def test_feishu_signs_in_the_body() -> None:
    with answering(b'{"code":0}') as server:
        assert send(server, "feishu", dispatch(), secret=SecretStr("s3"), language="en") == [Accepted()]
        (asked,) = server.asked
    stamp = NOW // S
    right = base64.b64encode(hmac.new(f"{stamp}\ns3".encode(), b"", hashlib.sha256).digest()).decode()
    assert asked.path == "/open-apis/bot/v2/hook/tok-123"
    assert (asked.json["timestamp"], asked.json["sign"]) == (str(stamp), right)
    assert asked.json["content"] == {"text": "Fall: Li"}


def test_the_two_signatures_differ_in_what_is_the_key() -> None:
    assert dingtalk_sign("s", 1) != feishu_sign("s", 1)


def test_less_urgent_messages_wait_for_their_turn_and_the_most_urgent_never() -> None:
    with answering(b'{"errcode":0}') as server:
        low = [dispatch(priority=Priority.LOW)] * 20
        results = send(server, "wecom", *low, *[dispatch()] * 30)
        assert len(server.asked) == 15 + 30
    held = [one for one in results if isinstance(one, Refused)]
    assert len(held) == 5
    assert all(one.held and one.retry_after_s is not None and one.retry_after_s > 0 for one in held)


def test_the_bucket_fills_with_time_and_a_clock_set_back_costs_nothing() -> None:
    limit = RateLimit(20)
    assert [limit.wait_s(Priority.LOW, NOW) for _ in range(16)].count(0.0) == 15
    wait = limit.wait_s(Priority.LOW, NOW)
    assert limit.wait_s(Priority.LOW, NOW + int((wait - 0.01) * S)) > 0
    assert limit.wait_s(Priority.LOW, NOW + int(wait * S) + S) == 0
    assert limit.wait_s(Priority.LOW, NOW - 3600 * S) > 0
    assert limit.wait_s(Priority.HIGH, NOW - 3600 * S) == 0


@pytest.mark.parametrize("vendor", VENDORS)
def test_nobody_there_and_no_secret_in_any_word(vendor: Vendor, caplog: pytest.LogCaptureFixture) -> None:
    options = RobotOptions(vendor, SecretStr("tok-123"), SecretStr("sec-9"), base_url="http://127.0.0.1:1")
    with caplog.at_level(logging.INFO):
        (result,) = send(Answering(url="http://127.0.0.1:1"), vendor, dispatch())
    assert isinstance(result, Refused)
    for text in (repr(options), result.error, caplog.text):
        assert "tok-123" not in text
        assert "sec-9" not in text
