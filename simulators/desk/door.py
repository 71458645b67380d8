"""Who may see the desk: one password for the centre, a name for each person, a signed cookie for a shift."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field

SHIFT_S = 12 * 3600.0
MOST_WRONG, LOCKED_S = 5, 60.0


@dataclass(slots=True)
class Door:
    """key: random bytes of this desk, kept beside its book, so that a restart sends nobody out.

    Times are seconds since the epoch. After five wrong passwords nobody is let in for a minute.
    """

    password: str = field(repr=False)
    key: bytes = field(repr=False)
    _wrong: list[float] = field(default_factory=list)

    def locked(self, now: float) -> bool:
        """Too many wrong tries within the last minute."""
        self._wrong = [at for at in self._wrong if 0 <= now - at < LOCKED_S]
        return len(self._wrong) >= MOST_WRONG

    def enter(self, who: str, password: str, now: float) -> str | None:
        """The cookie, None for a wrong password, no name, or while it is locked."""
        who = " ".join(who.split())[:60]
        right = hmac.compare_digest(password.encode(), self.password.encode())
        if self.locked(now):
            return None
        if not right or not who or who.casefold() == "system":
            self._wrong.append(now)
            return None
        body = base64.urlsafe_b64encode(json.dumps([who, now + SHIFT_S]).encode()).decode("ascii")
        return f"{body}.{self._sign(body)}"

    def who(self, cookie: str | None, now: float) -> str | None:
        """The person of a cookie, None where it is missing, forged or of a shift that is over."""
        body, _, given = (cookie or "").partition(".")
        if not hmac.compare_digest(self._sign(body).encode(), given.encode()):
            return None
        who, until = json.loads(base64.urlsafe_b64decode(body))
        return str(who) if now < until else None

    def token(self, cookie: str) -> str:
        """What a form of this person's pages carries: another site's form does not know it."""
        return self._sign(f"form:{cookie}")

    def _sign(self, text: str) -> str:
        return hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()
