"""How many messages a far side takes: a token bucket that the most urgent may always pass."""

from __future__ import annotations

from dataclasses import dataclass

from analytics.kinds import Priority


@dataclass(slots=True)
class RateLimit:
    """per_minute: what the far side allows; a quarter of it is kept free for the most urgent.

    The bucket starts full. Times are UTC nanoseconds; a clock that was set back costs nothing.
    """

    per_minute: float
    _tokens: float = -1.0
    _at_ns: int = 0

    def wait_s(self, priority: Priority, now_ns: int) -> float:
        """Take a token: 0 when the message may go now, otherwise the seconds until one is free (nothing taken)."""
        self._fill(now_ns)
        kept = 0.0 if priority is Priority.HIGH else self.per_minute / 4
        if priority is Priority.HIGH or self._tokens >= kept + 1:
            self._tokens = max(0.0, self._tokens - 1)
            return 0.0
        return (kept + 1 - self._tokens) * 60 / self.per_minute

    def _fill(self, now_ns: int) -> None:
        if self._tokens < 0:
            self._tokens = self.per_minute
        gained = max(0, now_ns - self._at_ns) / 60e9 * self.per_minute
        self._tokens, self._at_ns = min(self.per_minute, self._tokens + gained), now_ns
