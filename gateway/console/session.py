"""Who is logged in: a signed cookie that names the key and the person, and one-time tickets that stand for a key.

The cookie holds no secret. It is signed with 32 random bytes that never leave the data folder (mode 0600), so it
survives a restart of the box; a revoked or expired key ends it at once, because the key is looked up every time.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.api.scopes import Scope

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.api.keys import ApiKey

NS = 1_000_000_000
COOKIE = "yinling_session"
SECRET_FILE = "console.secret"  # noqa: S105 - the name of a file
SECRET_BYTES = 32
LIFETIME_S = 30 * 86_400
"""A wall display must not fall back to the log-in page during a night."""
AHEAD_S = 86_400
"""A cookie written this far in the future is of a clock that was wrong, or forged."""
TICKET_S = 600
MAX_TICKETS = 64
MAX_PERSON = 60
MAX_COOKIE = 1_024
NEEDED = frozenset({Scope.RESIDENTS_READ, Scope.ALERTS_READ})
"""Scopes without which the console shows nothing."""


@dataclass(frozen=True, slots=True)
class Session:
    """A person at a browser. issued_s: UTC seconds."""

    key_id: str
    person: str
    issued_s: int


@dataclass(frozen=True, slots=True)
class Visitor:
    """A session together with its key as it stands now."""

    session: Session
    key: ApiKey

    @property
    def name(self) -> str:
        """How the record names who answers: the person, and whose key it was."""
        person = self.session.person
        return person if person == self.key.name else f"{person} ({self.key.name})"

    @property
    def may_answer(self) -> bool:
        """Whether acknowledging and resolving are offered."""
        return Scope.ALERTS_ANSWER in self.key.scopes

    @property
    def may_see_devices(self) -> bool:
        """Whether the page of devices is offered."""
        return Scope.DEVICES_READ in self.key.scopes

    @property
    def may_see_health(self) -> bool:
        """Whether the parts of the box are listed."""
        return Scope.HEALTH_READ in self.key.scopes


def person_of(text: str) -> str:
    """The name of a person as it is kept: no control characters, single spaces, at most 60 characters."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())[:MAX_PERSON].strip()


def usable(key: ApiKey | None, now_ns: int) -> bool:
    """Whether a key opens the console now."""
    return key is not None and key.valid_at(now_ns) and key.scopes >= NEEDED


def load_secret(folder: Path) -> bytes:
    """The signing secret; made where it is missing, too short, or readable by others. Raises OSError."""
    path = folder / SECRET_FILE
    with contextlib.suppress(FileNotFoundError):
        private = path.stat().st_mode & 0o077 == 0
        secret = path.read_bytes()
        if private and len(secret) >= SECRET_BYTES:
            return secret
        path.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    fresh = secrets.token_bytes(SECRET_BYTES)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(fresh)
        file.flush()
        os.fsync(file.fileno())
    return fresh


def seal(session: Session, secret: bytes) -> str:
    """The cookie's text."""
    body = json.dumps([session.key_id, session.person, session.issued_s]).encode()
    return f"{_text(body)}.{_text(_sign(body, secret))}"


def unseal(text: str, secret: bytes, now_ns: int) -> Session | None:
    """The session of a cookie, None for anything that was not sealed with this secret or has run out."""
    if len(text) > MAX_COOKIE:
        return None
    head, _, tail = text.partition(".")
    try:
        body, signature = _bytes(head), _bytes(tail)
    except (ValueError, binascii.Error):
        return None
    if not hmac.compare_digest(signature, _sign(body, secret)):
        return None
    key_id, person, issued_s = json.loads(body)
    age_s = now_ns // NS - issued_s
    return Session(key_id, person, issued_s) if -AHEAD_S <= age_s < LIFETIME_S else None


def _sign(body: bytes, secret: bytes) -> bytes:
    return hmac.digest(secret, b"yinling console session\0" + body, hashlib.sha256)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


class Tickets:
    """One-time stand-ins for a key, each good once and for ten minutes."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, str, int]] = {}

    def issue(self, key_id: str, person: str, now_ns: int) -> str:
        """A new ticket for this key and person; of too many the oldest goes."""
        while len(self._known) >= MAX_TICKETS:
            self._known.pop(next(iter(self._known)))
        ticket = secrets.token_urlsafe(32)
        self._known[_digest(ticket)] = (key_id, person, now_ns)
        return ticket

    def redeem(self, ticket: str, now_ns: int) -> Session | None:
        """The session a ticket stands for, once; None for one that is unknown, used or has run out."""
        key_id, person, issued_ns = self._known.pop(_digest(ticket), ("", "", 0))
        if not key_id or not 0 <= now_ns - issued_ns < TICKET_S * NS:
            return None
        return Session(key_id, person, now_ns // NS)


def _digest(ticket: str) -> str:
    return hashlib.sha256(ticket.encode("utf-8", "surrogatepass")).hexdigest()
