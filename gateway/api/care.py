"""What is set for one resident: own limits, SpO2 scale, bed and daily-life rules. Read and replace."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field, StringConstraints

from analytics.care import MAX_ZONES, ZONE_LENGTH
from gateway.api.caller import ContextDep, Needs, actor, audit_read, check_sees, in_database
from gateway.api.forms import Answer, Form
from gateway.api.keys import ApiKey
from gateway.api.problems import responses
from gateway.api.residents import ResidentPath, seen_resident
from gateway.api.scopes import Scope
from gateway.care import care_of, plain_care, put_care

router = APIRouter(prefix="/api/v1/residents", tags=["residents"])
Reader = Annotated[ApiKey, Depends(Needs(Scope.RESIDENTS_READ))]
Writer = Annotated[ApiKey, Depends(Needs(Scope.RESIDENTS_WRITE))]
Minutes = Annotated[float, Field(ge=-1, le=43_200, allow_inf_nan=False)]
Number = Annotated[float, Field(ge=-1_000_000, le=1_000_000, allow_inf_nan=False)]
ZoneName = Annotated[str, StringConstraints(min_length=1, max_length=ZONE_LENGTH, strip_whitespace=True)]


class OwnLimit(Form):
    """How one limit differs; what is left out or null is as in the table. enabled = false: switched off."""

    limit: Number | None = None
    clear: Number | None = None
    delay_s: Number | None = None
    enabled: bool = True


class CareForm(Form):
    """All settings; what is left out becomes usual. Fields: see the table in docs/findings.md."""

    limits: Annotated[
        dict[str, OwnLimit],
        Field(default_factory=dict, max_length=64, examples=[{"heart_rate_low": {"limit": 35}}]),
    ]
    spo2_scale: Annotated[int, Field(ge=1, le=2)] = 1
    on_oxygen: bool = False
    heart_failure: bool = False
    dementia: bool = False
    bed_bound: bool = False
    bed_exit: bool = False
    night_report: bool = False
    bed_return_min: Minutes = 30.0
    bed_long_min: Minutes = 840.0
    turning_min: Minutes = 120.0
    bathroom_min: Minutes = 45.0
    quiet_min: Minutes = 240.0
    quiet_night_min: Minutes = 720.0
    back_by_min: Minutes = -1.0
    safe_zones: Annotated[list[ZoneName], Field(default_factory=list, max_length=MAX_ZONES, examples=[["hall"]])]
    zone_delay_min: Minutes = 1.0
    unseen_min: Minutes = 30.0
    night_from_min: Minutes = 1320.0
    night_to_min: Minutes = 360.0


class CareAnswer(CareForm, Answer):
    """The settings in force."""


@router.get("/{resident_id}/care", summary="Get a resident's settings · 照护设置", responses=responses(404))
async def get_care(context: ContextDep, key: Reader, resident_id: ResidentPath) -> CareAnswer:
    """The usual settings where none were set."""
    await seen_resident(context, key, resident_id)
    care = await in_database(context, lambda: care_of(context.registry, resident_id))
    await audit_read(context, key, "resident.care_read", f"resident:{resident_id}")
    return CareAnswer.model_validate(plain_care(care))


@router.put("/{resident_id}/care", summary="Set a resident's settings · 修改照护设置", responses=responses(404))
async def set_care(context: ContextDep, key: Writer, resident_id: ResidentPath, form: CareForm) -> CareAnswer:
    """In force at once, also for what is open now."""
    check_sees(key, resident_id, "resident", resident_id)
    wanted = form.model_dump()
    care = await in_database(
        context, lambda: put_care(context.registry, resident_id, wanted, by=actor(key), now_ns=context.clock())
    )
    await context.registry_changed()
    return CareAnswer.model_validate(plain_care(care))
