"""Who is calling, what they may do, and the audit of what they read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import structlog
from fastapi import Depends, Request
from sqlalchemy.exc import OperationalError

from gateway.api.keys import ApiKey
from gateway.api.problems import Problem, not_found
from gateway.api.scopes import Scope
from gateway.audit import append_audit
from gateway.context import Context

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

log = structlog.get_logger(__name__)

T = TypeVar("T")


async def context_of(request: Request) -> Context:
    """The running gateway."""
    context: Context = request.app.state.context
    return context


def key_of(request: Request) -> ApiKey:
    """The caller's key; the gate has checked it."""
    key: ApiKey | None = getattr(request.state, "key", None)
    if key is None:
        raise Problem("no-key")
    return key


class Needs:
    """A dependency that lets only keys with this scope pass."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(self, request: Request) -> ApiKey:
        key = key_of(request)
        if self.scope not in key.scopes:
            raise Problem("not-allowed", f"the key lacks the scope {self.scope}")
        return key


ContextDep = Annotated[Context, Depends(context_of)]


def actor(key: ApiKey) -> str:
    """How the audit trail names the caller."""
    return f"key:{key.id}"


def check_sees(key: ApiKey, resident_id: str | None, what: str, record_id: str) -> None:
    """Raise "not found" unless the key may see what belongs to this resident (None: to nobody)."""
    if not key.may_see(resident_id):
        raise not_found(what, record_id)


def check_sees_all(key: ApiKey) -> None:
    """Raise "not allowed" unless the key is for all residents."""
    if key.residents is not None:
        raise Problem("not-allowed", "the key is for some residents only; this needs one for all")


async def audit_read(
    context: Context,
    key: ApiKey,
    action: str,
    subject: str,
    detail: Mapping[str, Any] | None = None,
    *,
    vital: bool = False,
) -> None:
    """Write down that the caller reads a person's data; on disk when this returns.

    vital: an alert is shown even where the disk takes nothing; then the log has the line instead.
    """

    def write() -> None:
        with context.database.write() as session:
            append_audit(
                session, at_ns=context.clock(), actor=actor(key), action=action, subject=subject, detail=detail
            )

    try:
        await context.in_database(write)
    except OperationalError:
        log.exception("api.audit_not_written", actor=actor(key), action=action, subject=subject)
        if not vital:
            raise


async def in_database(context: Context, function: Callable[[], T]) -> T:
    """Run in the database thread, with the type kept."""
    result: T = await context.in_database(function)
    return result
