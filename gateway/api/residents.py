"""Residents: list, get, create, update."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from gateway.api.caller import ContextDep, Needs, actor, audit_read, check_sees, check_sees_all, in_database
from gateway.api.forms import Answer, Form, LongText, Name, RecordId, ShortText
from gateway.api.keys import ApiKey
from gateway.api.problems import not_found, responses
from gateway.api.scopes import Scope
from gateway.registry import FIRST_BIRTH_YEAR, LAST_BIRTH_YEAR, Resident

router = APIRouter(prefix="/api/v1/residents", tags=["residents"])
Reader = Annotated[ApiKey, Depends(Needs(Scope.RESIDENTS_READ))]
Writer = Annotated[ApiKey, Depends(Needs(Scope.RESIDENTS_WRITE))]
ResidentPath = Annotated[RecordId, Path(description="The resident's id · 老人编号", examples=["r1"])]
BirthYear = Annotated[int, Field(ge=FIRST_BIRTH_YEAR, le=LAST_BIRTH_YEAR, examples=[1941])]
Gender = Literal["female", "male", "other"]
Language = Literal["zh-CN", "en"]


class ResidentForm(Form):
    """A new resident."""

    id: Annotated[RecordId, Field(examples=["r1"])]
    display_name: Annotated[Name, Field(examples=["李奶奶"])]
    birth_year: BirthYear | None = None
    gender: Gender | None = None
    room: ShortText = ""
    language: Language = "zh-CN"
    notes: LongText = ""


class ResidentChange(Form):
    """What to change; what is left out stays. active = false: the resident has moved out."""

    display_name: Name = ""
    birth_year: BirthYear | None = None
    gender: Gender | None = None
    room: ShortText = ""
    language: Language = "zh-CN"
    notes: LongText = ""
    active: bool = True


class ResidentAnswer(Answer):
    """A person cared for."""

    id: Annotated[str, Field(examples=["r1"])]
    display_name: Annotated[str, Field(examples=["李奶奶"])]
    birth_year: Annotated[int | None, Field(examples=[1941])]
    gender: Annotated[str | None, Field(examples=["female"])]
    room: Annotated[str, Field(examples=["301"])]
    language: Annotated[str, Field(examples=["zh-CN"])]
    notes: str
    active: bool


class Residents(Answer):
    """All residents that the key may see."""

    residents: list[ResidentAnswer]


@router.get("", summary="List residents · 老人列表", responses=responses())
async def list_residents(
    context: ContextDep,
    key: Reader,
    *,
    active: Annotated[bool, Query(description="Only those who live here now")] = True,
) -> Residents:
    """Every resident the key may see, by id."""
    found = await in_database(context, lambda: context.registry.residents(active_only=active))
    seen = [one for one in found if key.may_see(one.id)]
    await audit_read(context, key, "residents.listed", "residents", {"residents": [one.id for one in seen]})
    return Residents(residents=[_answer(one) for one in seen])


@router.get("/{resident_id}", summary="Get a resident · 老人详情", responses=responses(404))
async def get_resident(context: ContextDep, key: Reader, resident_id: ResidentPath) -> ResidentAnswer:
    """One resident."""
    found = await seen_resident(context, key, resident_id)
    await audit_read(context, key, "resident.read", f"resident:{resident_id}")
    return _answer(found)


@router.post("", status_code=201, summary="Add a resident · 新增老人", responses=responses(409))
async def add_resident(context: ContextDep, key: Writer, form: ResidentForm) -> ResidentAnswer:
    """Needs a key for all residents."""
    check_sees_all(key)
    resident = Resident(**form.model_dump())
    await context.in_database(context.registry.add_resident, resident, by=actor(key), now_ns=context.clock())
    await context.registry_changed()
    return _answer(resident)


@router.patch("/{resident_id}", summary="Change a resident · 修改老人资料", responses=responses(404))
async def change_resident(
    context: ContextDep, key: Writer, resident_id: ResidentPath, change: ResidentChange
) -> ResidentAnswer:
    """Fields that are left out stay as they are."""
    check_sees(key, resident_id, "resident", resident_id)

    def update() -> Resident:
        known = context.registry.resident(resident_id)
        if known is None:
            raise not_found("resident", resident_id)
        changed = replace(known, **change.model_dump(exclude_unset=True))
        context.registry.update_resident(changed, by=actor(key), now_ns=context.clock())
        return changed

    changed = await in_database(context, update)
    await context.registry_changed()
    return _answer(changed)


async def seen_resident(context: ContextDep, key: ApiKey, resident_id: str) -> Resident:
    """The resident, if there is one and the key may see it. Raises "not found" in both other cases."""
    check_sees(key, resident_id, "resident", resident_id)
    found = await in_database(context, lambda: context.registry.resident(resident_id))
    if found is None:
        raise not_found("resident", resident_id)
    return found


def _answer(resident: Resident) -> ResidentAnswer:
    return ResidentAnswer(
        id=resident.id,
        display_name=resident.display_name,
        birth_year=resident.birth_year,
        gender=resident.gender,
        room=resident.room,
        language=resident.language,
        notes=resident.notes,
        active=resident.active,
    )
