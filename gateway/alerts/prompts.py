"""Asking the resident on the spot while an alert is only suspected: a page on a tablet, a device, a spoken word.

Each way is a `Prompt`; whoever has another one (a robot, a lamp) adds it with `Prompts.add`. A question travels through
the outbox like every message, so that a restart does not lose it; it counts as asked only when one of the ways has
shown it. No answer to what was asked makes escalation faster, and nothing makes it slower.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gateway.channels.base import Accepted, Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from pydantic import SecretStr

    from gateway.channels.base import Dispatch

log = logging.getLogger(__name__)

CHANNEL = "prompt"
FINE, HELP = "fine", "help"
SEEN_S = 15.0
"""A tablet that has asked for its page within this time shows the next one in time."""
SAY_TIMEOUT_S = 15.0
FIND = "find"


@dataclass(frozen=True, slots=True)
class Question:
    """What the resident is asked, in both languages."""

    alert_id: str
    resident_id: str
    kind: str
    zh: str
    en: str


class Prompt(Protocol):
    """One way of asking. `can_ask` is called from any thread and must be quick; `ask` may raise."""

    def can_ask(self, resident_id: str) -> bool:
        """Whether this way leads to the resident now."""

    async def ask(self, question: Question) -> bool:
        """Ask; whether it was shown."""


class TabletPrompt:
    """The page `/api/v1/prompt/{token}`, on a tablet that asks for it every few seconds."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._seen: dict[str, float] = {}

    def seen(self, resident_id: str) -> None:
        """The resident's tablet has just asked for its page."""
        self._seen[resident_id] = self._monotonic()

    def can_ask(self, resident_id: str) -> bool:
        """Whether the tablet is there."""
        at = self._seen.get(resident_id)
        return at is not None and self._monotonic() - at <= SEEN_S

    async def ask(self, question: Question) -> bool:
        """The page shows it by itself."""
        return self.can_ask(question.resident_id)


class DevicePrompt:
    """A device of the resident that can ring or shake. connected: ids of those that can be told now; command: tells."""

    def __init__(self, connected: Callable[[str], Sequence[str]], command: Callable[[str, str], bool]) -> None:
        self._connected = connected
        self._command = command

    def can_ask(self, resident_id: str) -> bool:
        """Whether one is connected."""
        return bool(self._connected(resident_id))

    async def ask(self, question: Question) -> bool:
        """Let all of them ring."""
        return any([self._command(device, FIND) for device in self._connected(question.resident_id)])  # noqa: C419 - all


class SpokenPrompt:
    """A program that says its last argument aloud. residents: for whom; empty: for everybody."""

    def __init__(self, program: Sequence[str], residents: Sequence[str] = (), *, language: str = "zh-CN") -> None:
        self._program = tuple(program)
        self._residents = frozenset(residents)
        self._language = language

    def can_ask(self, resident_id: str) -> bool:
        """Whether it is for this resident."""
        return not self._residents or resident_id in self._residents

    async def ask(self, question: Question) -> bool:
        """Say it; whether the program ended well in time."""
        text = question.en if self._language == "en" else question.zh
        process = await asyncio.create_subprocess_exec(
            *self._program, text, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
        )
        try:
            async with asyncio.timeout(SAY_TIMEOUT_S):
                return await process.wait() == 0
        except TimeoutError:
            return False
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


class Prompts:
    """Every way of asking; the tablet's page is always one."""

    def __init__(self, tablet: TabletPrompt | None = None) -> None:
        self.tablet = tablet or TabletPrompt()
        self._ways: list[Prompt] = [self.tablet]

    def add(self, way: Prompt) -> None:
        """One more way."""
        self._ways.append(way)

    def __call__(self, resident_id: str) -> bool:
        """Whether this resident can be asked now."""
        return any(self._can(way, resident_id) for way in self._ways)

    async def ask(self, question: Question) -> bool:
        """Ask by every way at once; whether one of them has shown it."""
        ways = [way for way in self._ways if self._can(way, question.resident_id)]
        return any(await asyncio.gather(*(self._ask(way.ask(question)) for way in ways)))

    def _can(self, way: Prompt, resident_id: str) -> bool:
        try:
            return way.can_ask(resident_id)
        except Exception:
            log.exception("a way of asking failed")
            return False

    async def _ask(self, asking: Awaitable[bool]) -> bool:
        try:
            return await asking
        except Exception:
            log.exception("a way of asking failed")
            return False


class PromptChannel:
    """Carries questions from the outbox to the ways of asking."""

    def __init__(self, prompts: Prompts) -> None:
        self._prompts = prompts

    async def send(self, dispatch: Dispatch, now_ns: int) -> Accepted | Refused:  # noqa: ARG002 - as every channel
        """Ask; accepted when it was shown."""
        text = dispatch.payload["text"]
        kind = str(dispatch.payload["kind"])
        question = Question(dispatch.alert_id, dispatch.contact, kind, str(text["zh"]), str(text["en"]))
        return Accepted() if await self._prompts.ask(question) else Refused("nobody could be asked on the spot")

    async def aclose(self) -> None:
        """Nothing is open."""


class PromptTokens:
    """The secret addresses of tablets' pages: each names one resident and cannot be guessed."""

    def __init__(self, secret: SecretStr) -> None:
        self._key = secret.get_secret_value().encode()

    def token(self, resident_id: str) -> str:
        """The token of a resident; the same for as long as the secret stays."""
        name = resident_id.encode()
        return f"{_text(name)}.{_text(self._sign(name))}"

    def resident(self, token: str) -> str | None:
        """Whose a token is, None for a wrong one."""
        name, _, signature = token.partition(".")
        try:
            wanted, given = _bytes(name), _bytes(signature)
        except (ValueError, binascii.Error):
            return None
        try:
            return wanted.decode() if hmac.compare_digest(self._sign(wanted), given) else None
        except UnicodeDecodeError:
            return None

    def _sign(self, name: bytes) -> bytes:
        return hmac.new(self._key, b"prompt:" + name, hashlib.sha256).digest()[:18]


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
