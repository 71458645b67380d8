"""Everything that Apprise can reach: e-mail, ntfy, Bark, SMS services abroad and some 150 more.

Apprise calls HTTP 200 a success whatever the body says, so services whose word is in the body are refused here and
have channels of their own: DingTalk, WeCom, Feishu. ServerChan, SpugPush and Bark do the same; a message through
them counts as handed over, and only a person's acknowledgement ends an alert anyway.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

import apprise

from analytics.kinds import Priority
from gateway.channels.base import Accepted, Refused

if TYPE_CHECKING:
    from pydantic import SecretStr

    from gateway.channels.base import Dispatch

AT_ONCE = 4
OWN_CHANNEL = frozenset({"dingtalk", "wecombot", "feishu", "lark"})
URGENCY = {
    Priority.HIGH: apprise.NotifyType.FAILURE,
    Priority.MEDIUM: apprise.NotifyType.WARNING,
    Priority.LOW: apprise.NotifyType.INFO,
}


class AppriseAddressError(ValueError):
    """The service address is not one that Apprise knows, or one that has a channel of its own."""


@dataclass(frozen=True, slots=True)
class AppriseOptions:
    """url: an Apprise address, with `{address}` where the contact's own address goes. total_s: for one attempt."""

    url: SecretStr = field(repr=False)
    language: str = "zh-CN"
    total_s: float = 25.0


class AppriseChannel:
    """Sends through one Apprise address. Raises AppriseAddressError when it is not a usable one."""

    def __init__(self, options: AppriseOptions) -> None:
        self._options = options
        _service(options.url.get_secret_value().replace("{address}", "0"))
        # Its own: a mail server that hangs must not take the threads in which others look up names.
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="apprise")

    async def aclose(self) -> None:
        """End the threads; what still hangs is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def send(self, dispatch: Dispatch, now_ns: int) -> Accepted | Refused:  # noqa: ARG002 - the channels' common form
        """One attempt, in a thread of its own, for Apprise blocks."""
        try:
            async with asyncio.timeout(self._options.total_s):
                return await asyncio.get_running_loop().run_in_executor(self._threads, self._notify, dispatch)
        except TimeoutError:
            return Refused(f"no answer within {self._options.total_s:g} s")
        except AppriseAddressError as error:
            return Refused(str(error))

    def _notify(self, dispatch: Dispatch) -> Accepted | Refused:
        url = self._options.url.get_secret_value().replace("{address}", quote(dispatch.address, safe=""))
        text = dispatch.payload["text"]
        body = str(text["en" if self._options.language == "en" else "zh"])
        done = _service(url).notify(body=body, title="", notify_type=URGENCY[dispatch.priority])
        return Accepted() if done else Refused("the service did not take the message")


def _service(url: str) -> apprise.Apprise:
    scheme = url.partition("://")[0].lower()
    if scheme in OWN_CHANNEL:
        raise AppriseAddressError(f"{scheme} has a channel of its own: use type = dingtalk, wecom or feishu")
    service = apprise.Apprise()
    if not service.add(url):
        raise AppriseAddressError(f"not an address that Apprise knows: {scheme}://…")
    return service
