"""Alarms to a social-alarm receiver by SCAIP over SIP MESSAGE.

SIP's own 200 only says that the message has arrived. Delivered means that the receiver's `mrs` about the same
reference has come with number 0; hold, not treated and busy go to the next receiver at once.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.channels.base import Accepted, Refused
from gateway.channels.scaip_codec import (
    CONTENT_TYPE,
    TEST,
    ScaipAnswer,
    ScaipError,
    ScaipRequest,
    decode_answer,
    reference,
    request_of,
)
from gateway.channels.sip_agent import SipAgent, SipOptions, SipTarget
from gateway.channels.sip_message import SipError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.channels.base import Dispatch

log = logging.getLogger(__name__)

MEANINGS = {
    1: "too long", 2: "invalid format", 3: "wrong data", 4: "hold", 5: "not treated", 6: "busy",
    7: "mandatory tag missing",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ScaipOptions:
    """receivers: tried in turn, each attempt beginning with another. controller_id: our number there (digits).

    answer_s: how long one receiver may take for its answer. crd: how it may call back ("no-voice:" for not at all).
    """

    receivers: tuple[SipTarget, ...]
    controller_id: str
    sip: SipOptions
    crd: str = "no-voice:"
    answer_s: float = 9.0
    language: str = "zh-CN"


class ScaipChannel:
    """Sends to the receivers of one centre. Close it with `aclose`."""

    def __init__(self, options: ScaipOptions) -> None:
        self._options = options
        self._agent = SipAgent(options.sip, self._heard)
        self._waiting: dict[str, asyncio.Future[ScaipAnswer]] = {}

    async def aclose(self) -> None:
        """Close the sockets."""
        await self._agent.aclose()

    async def send(self, dispatch: Dispatch, now_ns: int) -> Accepted | Refused:  # noqa: ARG002 - the channels' common form
        """One attempt: every receiver once, beginning with another one each time."""
        options = self._options
        request = request_of(
            dispatch.payload, dispatch.idempotency_key, options.controller_id, options.language, options.crd
        )
        return await self.ask(request, dispatch.attempt - 1)

    async def heartbeat(self, number: int, said: Mapping[str, Any], now_ns: int) -> Accepted | Refused:  # noqa: ARG002 - the protocol has no room for more
        """Tell the centre that this box lives; its answer shows that the centre does. number: tells them apart."""
        ref = reference(f"heartbeat {self._options.controller_id} {number}")
        return await self.ask(ScaipRequest(ref, self._options.controller_id, 2, mty="PI", stc=TEST), number)

    async def ask(self, request: ScaipRequest, first: int = 0) -> Accepted | Refused:
        """Put a request to the receivers in turn, until one takes it or says that nobody there will."""
        receivers = self._options.receivers
        failed = []
        for number in range(len(receivers)):
            target = receivers[(first + number) % len(receivers)]
            result = await self._ask_one(target, request)
            if isinstance(result, ScaipAnswer):
                if result.snu == 0:
                    return Accepted(result.ref)
                failed.append(f"{target.host}: {MEANINGS.get(result.snu, f'error {result.snu}')} {result.ste}".strip())
            else:
                failed.append(f"{target.host}: {result}")
        return Refused("; ".join(failed))

    async def _ask_one(self, target: SipTarget, request: ScaipRequest) -> ScaipAnswer | str:
        heard: asyncio.Future[ScaipAnswer] = asyncio.get_running_loop().create_future()
        self._waiting[request.ref] = heard
        try:
            async with asyncio.timeout(self._options.answer_s):
                response = await self._agent.send(target, CONTENT_TYPE, request.encode())
                if not 200 <= response.status < 300:
                    return f"SIP {response.status}"
                return await heard
        except TimeoutError:
            return f"no answer within {self._options.answer_s:g} s"
        except (OSError, SipError) as error:
            return f"cannot be reached ({type(error).__name__})"
        finally:
            if self._waiting.get(request.ref) is heard:
                del self._waiting[request.ref]

    def _heard(self, _content_type: str, body: bytes) -> None:
        try:
            answer = decode_answer(body)
        except ScaipError as error:
            log.warning("not a SCAIP answer: %s", error)
            return
        heard = self._waiting.get(answer.ref)
        if heard is not None and not heard.done():
            heard.set_result(answer)
