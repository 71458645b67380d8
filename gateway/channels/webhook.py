"""The signed webhook to the 助急 service: CloudEvents in a Standard Webhooks envelope, over HTTPS.

Delivered means that the service answered 2xx with `{"accepted": true, "id": <our webhook-id>}`; a bare 200, a proxy's
page or another id is a refusal. The webhook-id is the idempotency key: the same over all attempts.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
from cloudevents.core.bindings.http import to_structured_event
from cloudevents.core.v1.event import CloudEvent

from gateway.alerts.payload import with_delay
from gateway.channels.address import AddressError, check_url, is_public, public_addresses, resolve
from gateway.channels.answer import LARGEST_ANSWER, PLAIN, bounded, json_object, retry_after_s
from gateway.channels.base import Accepted, Refused
from gateway.channels.signing import Signer
from gateway.clock_watch import offset_of_date
from gateway.heartbeat import HEARTBEAT

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from pydantic import SecretStr

    from gateway.channels.address import Resolver
    from gateway.channels.base import Dispatch
    from gateway.sntp import Offset

USER_AGENT = "yinling-gateway"
SCHEMA_URI = "urn:yinling:schema:alert:v1"
MOST_ADDRESSES = 3


@dataclass(frozen=True, slots=True)
class WebhookOptions:
    """Where and how to send.

    secrets: signing secrets (`whsec_...`), the newest first; several while one is being replaced. source: the
    CloudEvents source of this site. total_s: for the whole attempt, whatever the far side does meanwhile.
    delayed_after_s: an alert older than this goes out marked as delayed. tls: None for the system's authorities.
    """

    url: str
    secrets: tuple[SecretStr, ...] = field(repr=False)
    source: str
    allow_private: bool = False
    connect_s: float = 4.0
    total_s: float = 15.0
    delayed_after_s: float = 300.0
    tls: ssl.SSLContext | None = None


class WebhookChannel:
    """Sends to one service. Close it with `aclose`. Raises AddressError or SecretError when the options are wrong.

    offset: how far our clock is off by the `Date` of the latest answer that accepted something, None before it.
    """

    def __init__(
        self,
        options: WebhookOptions,
        *,
        resolver: Resolver = resolve,
        allowed: Callable[[str], bool] = is_public,
    ) -> None:
        self._options = options
        self._url = check_url(options.url, allow_private=options.allow_private)
        self._signer = Signer(options.secrets)
        self.offset: Offset | None = None
        self._resolver = resolver
        self._allowed = allowed
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(options.total_s, connect=options.connect_s),
            follow_redirects=False,
            trust_env=False,
            verify=options.tls or True,
            headers={"user-agent": USER_AGENT, **PLAIN},
        )

    def __repr__(self) -> str:
        return f"WebhookChannel(host={self._url.host!r})"

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def send(self, dispatch: Dispatch, now_ns: int) -> Accepted | Refused:
        """One attempt. Answers within the options' total time, whatever happens."""
        return await self._attempt(dispatch.idempotency_key, *self._body(dispatch, now_ns), now_ns)

    async def heartbeat(self, number: int, said: Mapping[str, Any], now_ns: int) -> Accepted | Refused:
        """Tell the service that this box lives; it answers as it does for alerts. number: tells heartbeats apart."""
        key = "hb_" + hashlib.sha256(f"{self._options.source}|{number}".encode()).hexdigest()
        attributes = {"id": key, "type": HEARTBEAT, "time": datetime.fromtimestamp(now_ns // 10**9, UTC)}
        return await self._attempt(key, *self._structured(attributes, said), now_ns)

    async def _attempt(self, key: str, body: bytes, content_type: str, now_ns: int) -> Accepted | Refused:
        headers = {"content-type": content_type, **self._signer.headers(key, body, now_ns)}
        try:
            async with asyncio.timeout(self._options.total_s):
                return await self._exchange(key, body, headers, now_ns)
        except TimeoutError:
            return Refused(f"no answer within {self._options.total_s:g} s")
        except AddressError as error:
            return Refused(str(error))
        except (httpx.HTTPError, OSError) as error:
            return Refused(f"cannot reach {self._url.host}: {type(error).__name__}")

    async def _exchange(self, key: str, body: bytes, headers: dict[str, str], now_ns: int) -> Accepted | Refused:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        response = await self._first_that_answers(body, headers)
        try:
            took_s = loop.time() - begun
            result = _judge(key, response, await bounded(response), now_ns)
            if isinstance(result, Accepted):
                self.offset = offset_of_date(response.headers.get("date"), now_ns, took_s)
            return result
        finally:
            await response.aclose()

    async def _first_that_answers(self, body: bytes, headers: dict[str, str]) -> httpx.Response:
        if self._options.allow_private:
            return await self._post(self._url, body, headers, {})
        headers = {**headers, "host": self._url.netloc.decode("ascii")}
        extensions = {"sni_hostname": self._url.raw_host.decode("ascii")}
        addresses = await public_addresses(self._url, self._resolver, self._allowed)
        for address in addresses[:-1][: MOST_ADDRESSES - 1]:
            with contextlib.suppress(httpx.ConnectError, httpx.ConnectTimeout):
                return await self._post(self._url.copy_with(host=address), body, headers, extensions)
        return await self._post(self._url.copy_with(host=addresses[-1]), body, headers, extensions)

    async def _post(
        self, url: httpx.URL, body: bytes, headers: dict[str, str], extensions: dict[str, Any]
    ) -> httpx.Response:
        request = self._client.build_request("POST", url, content=body, headers=headers, extensions=extensions)
        return await self._client.send(request, stream=True)

    def _body(self, dispatch: Dispatch, now_ns: int) -> tuple[bytes, str]:
        attributes = {
            "id": dispatch.idempotency_key,
            "type": dispatch.event,
            "subject": dispatch.alert_id,
            "time": datetime.fromtimestamp(dispatch.created_ns // 10**9, UTC),
            "dataschema": SCHEMA_URI,
        }
        return self._structured(attributes, with_delay(dispatch.payload, now_ns, self._options.delayed_after_s))

    def _structured(self, attributes: Mapping[str, Any], data: Mapping[str, Any]) -> tuple[bytes, str]:
        common = {"source": self._options.source, "datacontenttype": "application/json"}
        message = to_structured_event(CloudEvent(attributes={**common, **attributes}, data=dict(data)))
        return bytes(message.body), str(message.headers["content-type"])


def _judge(key: str, response: httpx.Response, body: bytes | None, now_ns: int) -> Accepted | Refused:
    status = response.status_code
    if status == httpx.codes.GONE:
        return Refused("HTTP 410: the service wants nothing more", gone=True)
    if not 200 <= status < 300:
        return Refused(f"HTTP {status}", retry_after_s=retry_after_s(response.headers.get("retry-after"), now_ns))
    if body is None:
        return Refused(f"HTTP {status}, but the answer is larger than {LARGEST_ANSWER} bytes")
    answer = json_object(body)
    if answer is None or answer.get("accepted") is not True:
        return Refused(f'HTTP {status}, but the answer does not say {{"accepted": true}}')
    if answer.get("id") != key:
        return Refused(f"HTTP {status}, but the answer is about another message")
    return Accepted(key)
