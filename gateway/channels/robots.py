"""Group robots of DingTalk, WeCom and Feishu: delivered only when the body says so, for HTTP 200 means nothing there.

Request and answer as the three vendors' open documentation gives them: DingTalk and WeCom answer `errcode` 0,
Feishu `code` 0. A robot takes about 20 messages a minute; what is less urgent waits for its turn.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import httpx

from gateway.channels.answer import PLAIN, bounded, json_object, retry_after_s
from gateway.channels.base import Accepted, Refused
from gateway.channels.rate_limit import RateLimit

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import SecretStr

    from gateway.channels.base import Dispatch

PER_MINUTE = 20.0
WECOM_BYTES = 2048
"""Longest text that a WeCom robot takes, in UTF-8 bytes."""
BUSY = frozenset({130101, 45009, 11232, 9499})
"""Codes that mean "too many messages": DingTalk 130101, WeCom 45009, Feishu 11232 and 9499."""
BUSY_S = 60.0

Vendor = Literal["dingtalk", "wecom", "feishu"]


@dataclass(frozen=True, slots=True)
class RobotOptions:
    """token: the robot's key in its web address. secret: its signing secret (DingTalk, Feishu), None for none.

    base_url: the vendor's own where None. language: of the text, "zh-CN" or "en".
    """

    vendor: Vendor
    token: SecretStr = field(repr=False)
    secret: SecretStr | None = field(default=None, repr=False)
    base_url: str | None = None
    language: str = "zh-CN"
    total_s: float = 10.0


@dataclass(frozen=True, slots=True)
class _Request:
    path: str
    query: dict[str, str]
    body: dict[str, Any]


class RobotChannel:
    """Sends to one robot. A contact's address is the mobile number to call by name in the group, or empty."""

    def __init__(self, options: RobotOptions) -> None:
        self._options = options
        self._vendor = _VENDORS[options.vendor]
        self._limit = RateLimit(PER_MINUTE)
        self._client = httpx.AsyncClient(
            base_url=options.base_url or self._vendor.base_url,
            timeout=options.total_s,
            follow_redirects=False,
            trust_env=False,
            headers=PLAIN,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def send(self, dispatch: Dispatch, now_ns: int) -> Accepted | Refused:
        """One attempt, within the options' total time."""
        wait = self._limit.wait_s(dispatch.priority, now_ns)
        if wait > 0:
            return Refused("the robot takes no more messages now", retry_after_s=wait, held=True)
        request = self._vendor.request(self._options, _text(dispatch, self._options.language), dispatch.address, now_ns)
        try:
            async with asyncio.timeout(self._options.total_s):
                return await self._exchange(request, now_ns)
        except TimeoutError:
            return Refused(f"no answer within {self._options.total_s:g} s")
        except (httpx.HTTPError, OSError) as error:
            return Refused(f"cannot reach the robot: {type(error).__name__}")

    async def _exchange(self, request: _Request, now_ns: int) -> Accepted | Refused:
        sent = self._client.build_request("POST", request.path, params=request.query, json=request.body)
        response = await self._client.send(sent, stream=True)
        try:
            return self._judge(response, await bounded(response), now_ns)
        finally:
            await response.aclose()

    def _judge(self, response: httpx.Response, body: bytes | None, now_ns: int) -> Accepted | Refused:
        if response.status_code != httpx.codes.OK:
            wait = retry_after_s(response.headers.get("retry-after"), now_ns)
            return Refused(f"HTTP {response.status_code}", retry_after_s=wait)
        answer = json_object(body) if body is not None else None
        code = None if answer is None else answer.get(self._vendor.code)
        if answer is None or isinstance(code, bool) or not isinstance(code, int):
            return Refused(f"HTTP 200, but the answer has no {self._vendor.code}")
        if code != 0:
            reason = str(answer.get("errmsg", answer.get("msg", "")))[:200]
            return Refused(f"{self._vendor.code} {code}: {reason}", retry_after_s=BUSY_S if code in BUSY else None)
        return Accepted()


def dingtalk_sign(secret: str, stamp_ms: int) -> str:
    """HMAC-SHA256 with the secret over `stamp LF secret`, base64 (DingTalk custom robot security settings)."""
    return _hmac64(secret, f"{stamp_ms}\n{secret}")


def feishu_sign(secret: str, stamp_s: int) -> str:
    """HMAC-SHA256 with `stamp LF secret` as the key over nothing, base64 (Feishu custom bot guide)."""
    return _hmac64(f"{stamp_s}\n{secret}", "")


def _hmac64(key: str, message: str) -> str:
    return base64.b64encode(hmac.new(key.encode(), message.encode(), hashlib.sha256).digest()).decode("ascii")


def _text(dispatch: Dispatch, language: str) -> str:
    text = dispatch.payload["text"]
    return str(text["en" if language == "en" else "zh"])


def _dingtalk(options: RobotOptions, text: str, mobile: str, now_ns: int) -> _Request:
    query = {"access_token": options.token.get_secret_value()}
    if options.secret is not None:
        stamp = now_ns // 1_000_000
        query |= {"timestamp": str(stamp), "sign": dingtalk_sign(options.secret.get_secret_value(), stamp)}
    body: dict[str, Any] = {"msgtype": "text", "text": {"content": text}}
    if mobile:
        body |= {"text": {"content": f"{text} @{mobile}"}, "at": {"atMobiles": [mobile], "isAtAll": False}}
    return _Request("/robot/send", query, body)


def _wecom(options: RobotOptions, text: str, mobile: str, _now_ns: int) -> _Request:
    content: dict[str, Any] = {"content": _shortened(text, WECOM_BYTES)}
    if mobile:
        content["mentioned_mobile_list"] = [mobile]
    query = {"key": options.token.get_secret_value()}
    return _Request("/cgi-bin/webhook/send", query, {"msgtype": "text", "text": content})


def _feishu(options: RobotOptions, text: str, mobile: str, now_ns: int) -> _Request:
    body: dict[str, Any] = {"msg_type": "text", "content": {"text": f"{text} {mobile}".strip()}}
    if options.secret is not None:
        stamp = now_ns // 1_000_000_000
        body |= {"timestamp": str(stamp), "sign": feishu_sign(options.secret.get_secret_value(), stamp)}
    return _Request(f"/open-apis/bot/v2/hook/{options.token.get_secret_value()}", {}, body)


def _shortened(text: str, most_bytes: int) -> str:
    encoded = text.encode()
    if len(encoded) <= most_bytes:
        return text
    return encoded[: most_bytes - 3].decode(errors="ignore") + "…"


@dataclass(frozen=True, slots=True)
class _Vendor:
    base_url: str
    code: str
    request: Callable[[RobotOptions, str, str, int], _Request]


_VENDORS: dict[str, _Vendor] = {
    "dingtalk": _Vendor("https://oapi.dingtalk.com", "errcode", _dingtalk),
    "wecom": _Vendor("https://qyapi.weixin.qq.com", "errcode", _wecom),
    "feishu": _Vendor("https://open.feishu.cn", "code", _feishu),
}
