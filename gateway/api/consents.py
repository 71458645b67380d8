"""What residents have agreed to beyond the care itself: read, write down that it was given or withdrawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Path

from gateway.api.caller import ContextDep, Needs, actor, audit_read, check_sees, in_database
from gateway.api.forms import Answer, Moment, Words, moment_or_none
from gateway.api.keys import ApiKey
from gateway.api.problems import not_found, responses
from gateway.api.residents import ResidentPath, seen_resident
from gateway.api.scopes import Scope
from gateway.consents import PURPOSES, Consents

if TYPE_CHECKING:
    from gateway.context import Context

router = APIRouter(prefix="/api/v1/residents", tags=["residents"])
Reader = Annotated[ApiKey, Depends(Needs(Scope.RESIDENTS_READ))]
Writer = Annotated[ApiKey, Depends(Needs(Scope.RESIDENTS_WRITE))]
Purpose = Annotated[str, Path(description="What for · 用途", examples=["fall_recordings"], max_length=64)]


class ConsentAnswer(Answer):
    """One purpose. stands: it is agreed to now."""

    purpose: str
    what: Words
    stands: bool
    given: Moment | None
    withdrawn: Moment | None


class ConsentsAnswer(Answer):
    """Every purpose there is."""

    resident_id: str
    consents: list[ConsentAnswer]


@router.get("/{resident_id}/consents", summary="Consents · 同意书", responses=responses(404))
async def get_consents(context: ContextDep, key: Reader, resident_id: ResidentPath) -> ConsentsAnswer:
    """Nothing is agreed to until it is written down."""
    await seen_resident(context, key, resident_id)
    answer = await _told(context, resident_id)
    await audit_read(context, key, "resident.consents_read", f"resident:{resident_id}")
    return answer


@router.put("/{resident_id}/consents/{purpose}", summary="Write down a consent · 登记同意", responses=responses(404))
async def give_consent(context: ContextDep, key: Writer, resident_id: ResidentPath, purpose: Purpose) -> ConsentsAnswer:
    """From now on agreed to. Who wrote it down is in the audit trail."""
    return await _write(context, key, resident_id, purpose, given=True)


@router.delete("/{resident_id}/consents/{purpose}", summary="Withdraw a consent · 撤回同意", responses=responses(404))
async def withdraw_consent(
    context: ContextDep, key: Writer, resident_id: ResidentPath, purpose: Purpose
) -> ConsentsAnswer:
    """No longer agreed to; what was kept by it is deleted."""
    return await _write(context, key, resident_id, purpose, given=False)


async def _write(context: Context, key: ApiKey, resident_id: str, purpose: str, *, given: bool) -> ConsentsAnswer:
    check_sees(key, resident_id, "resident", resident_id)
    if purpose not in PURPOSES:
        raise not_found("purpose", purpose)
    consents = Consents(context.database)
    act = consents.give if given else consents.withdraw
    await in_database(context, lambda: act(resident_id, purpose, by=actor(key), now_ns=context.clock()))
    return await _told(context, resident_id)


async def _told(context: Context, resident_id: str) -> ConsentsAnswer:
    found = await in_database(context, lambda: Consents(context.database).of(resident_id))
    return ConsentsAnswer(
        resident_id=resident_id,
        consents=[
            ConsentAnswer(
                purpose=one.purpose,
                what=Words(zh=PURPOSES[one.purpose][0], en=PURPOSES[one.purpose][1]),
                stands=one.stands,
                given=moment_or_none(one.given_ns),
                withdrawn=moment_or_none(one.withdrawn_ns),
            )
            for one in found
        ],
    )
