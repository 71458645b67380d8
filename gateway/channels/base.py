"""What a channel is: `send` one dispatch, and answer by the far side's own word whether it was accepted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.kinds import Priority


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One attempt to tell one contact. Times are UTC nanoseconds.

    event: "alert.raised", "alert.updated", "alert.cancelled" or "alert.resolved". payload: the alert as plain JSON
    (docs/schemas/alert.v1.schema.json). attempt counts from 1. idempotency_key: the same over all attempts.
    """

    id: int
    alert_id: str
    event: str
    channel: str
    contact: str
    address: str
    priority: Priority
    payload: Mapping[str, Any]
    attempt: int
    idempotency_key: str
    lease_token: str
    created_ns: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """The far side has taken it, by its own protocol's word. remote_id: its name for it, None where it gives none."""

    remote_id: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Not delivered. error: what happened, without secrets. retry_after_s: when the far side asks to try again.

    gone: the far side wants nothing more (HTTP 410). held: nothing was tried, it waits for its turn.
    """

    error: str
    retry_after_s: float | None = None
    gone: bool = False
    held: bool = False


class Channel(Protocol):
    """A way to tell people. May raise: whatever it raises counts as refused."""

    async def send(self, dispatch: Dispatch, now_ns: int) -> Accepted | Refused:
        """Tell, within its own time-outs."""

    async def aclose(self) -> None:
        """Close what is open."""
