"""The call-backs of the stand-in 助急 service: signed, and repeated until the gateway has taken them."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
from standardwebhooks import Webhook

if TYPE_CHECKING:
    from pydantic import SecretStr

    from simulators.assist_journal import Journal
    from simulators.assist_script import Act

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0
HOPELESS = (400, 404, 413)
"""The gateway has understood and will never take it."""


class CallbackClient:
    """Sends call-backs to one gateway."""

    def __init__(self, url: str, secret: SecretStr, journal: Journal) -> None:
        self._url = url
        self._webhook = Webhook(secret.get_secret_value())
        self._journal = journal
        self._client = httpx.AsyncClient(timeout=10.0, trust_env=False)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def send(self, alert_id: str, act: Act) -> bool:
        """Tell the gateway, again and again until it answers 2xx. False when it never will or did not apply it."""
        webhook_id = f"msg_{uuid.uuid4().hex}"
        body = _body(alert_id, act)
        pause_s = FIRST_PAUSE_S
        attempts = 0
        while True:
            attempts += 1
            response = await self._post(webhook_id, body)
            if response is not None and (response.is_success or response.status_code in HOPELESS):
                break
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        applied = response.is_success and b'"applied":true' in response.content.replace(b" ", b"")
        self._journal.add(
            "callback",
            alert_id=alert_id,
            type=act.type,
            by=act.by,
            outcome=act.outcome,
            status=response.status_code,
            applied=applied,
            attempts=attempts,
            at=time.time(),
        )
        return applied

    async def _post(self, webhook_id: str, body: bytes) -> httpx.Response | None:
        now = datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(webhook_id, now, body.decode()),
        }
        try:
            return await self._client.post(self._url, content=body, headers=headers)
        except httpx.HTTPError:
            return None


def _body(alert_id: str, act: Act) -> bytes:
    data = {"alert_id": alert_id, "by": act.by}
    if act.outcome is not None:
        data["outcome"] = act.outcome
    message = {"type": f"alert.{act.type}", "timestamp": datetime.now(UTC).isoformat(), "data": data}
    return json.dumps(message, ensure_ascii=False).encode()
