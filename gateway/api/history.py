"""A resident's history: one signal over time, the latest of every signal, and events."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import numpy as np
from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from device_drivers.signals import SIGNALS, SignalKind
from gateway.api.caller import ContextDep, Needs, audit_read
from gateway.api.forms import Answer, Moment, Words, moment
from gateway.api.keys import ApiKey
from gateway.api.problems import Problem, responses
from gateway.api.residents import ResidentPath, seen_resident
from gateway.api.scopes import Scope
from gateway.api.times import Instant, to_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from device_drivers.signals import Signal
    from gateway.store.base import Row, SeriesView

router = APIRouter(prefix="/api/v1/residents/{resident_id}", tags=["history"])
Reader = Annotated[ApiKey, Depends(Needs(Scope.HISTORY_READ))]
MAX_POINTS = 2_000
MAX_EVENTS = 2_000
SignalName = Annotated[str, Field(max_length=64, examples=["heart_rate"])]


class _Span(BaseModel):
    model_config = ConfigDict(extra="forbid")
    start: Annotated[Instant, Field(description="From this time on")]
    end: Annotated[Instant, Field(description="Until before this time")]

    def check(self) -> None:
        """Raise unless the span has a length."""
        if self.end <= self.start:
            raise Problem("invalid", "end must be after start")


class SeriesQuery(_Span):
    """Which signal, from when until when, and how finely."""

    signal: Annotated[SignalName, Field(description="A signal with numbers")]
    points: Annotated[int, Field(ge=1, le=MAX_POINTS, description="At most so many equal steps of time")] = 500


class EventsQuery(_Span):
    """From when until when."""

    signal: Annotated[SignalName | None, Field(description="Only events of this signal", examples=["help_button"])] = (
        None
    )
    limit: Annotated[int, Field(ge=1, le=MAX_EVENTS, description="The newest so many")] = 500


class SeriesAnswer(Answer):
    """One signal drawn over time, as columns: step i begins at `at[i]` and lasts `step_s`.

    min, mean and max are null where every reading of the step was absent; count and absent say how many readings had
    a number and had none, derived how many of the numbers the gateway has computed from a wave. Steps without any
    reading are left out.
    """

    resident_id: str
    signal: Annotated[str, Field(examples=["heart_rate"])]
    title: Words
    unit: Annotated[str, Field(examples=["/min"], description="UCUM")]
    start: Moment
    end: Moment
    step_s: float
    at: list[str]
    at_ns: list[int]
    min: list[float | None]
    mean: list[float | None]
    max: list[float | None]
    count: list[int]
    absent: list[int]
    derived: Annotated[list[int], Field(description="How many of count the gateway has computed · 其中网关推算的次数")]


class RowAnswer(Answer):
    """One reading or event as it is kept. value: null where unknown, `quality` says why."""

    signal: Annotated[str, Field(examples=["heart_rate"])]
    title: Words
    unit: Annotated[str, Field(examples=["/min"])]
    device_id: Annotated[str, Field(examples=["w1"])]
    value: float | bool | str | None
    quality: Annotated[str, Field(examples=["good"])]
    derived: Annotated[bool, Field(description="The gateway has computed it from the device's wave · 网关由波形推算")]
    at: Moment
    received: Moment
    stored: Annotated[bool, Field(description="The device had kept it and sent it later")]
    repeat: Annotated[bool, Field(description="A known state reported again")]


class LatestAnswer(Answer):
    """The newest kept value of every signal and device of the resident."""

    resident_id: str
    latest: list[RowAnswer]


class EventsAnswer(Answer):
    """Events, the oldest first."""

    resident_id: str
    events: list[RowAnswer]


@router.get(
    "/history", summary="A signal over time · 历史曲线", responses=responses(404, 503), response_model=SeriesAnswer
)
async def history(
    context: ContextDep, key: Reader, resident_id: ResidentPath, query: Annotated[SeriesQuery, Query()]
) -> Response:
    """Minimum, mean, maximum and count in equal steps of time; minimum and maximum keep every spike."""
    query.check()
    signal = SIGNALS.get(query.signal)
    if signal is None or signal.kind is not SignalKind.READING:
        names = ", ".join(name for name, row in SIGNALS.items() if row.kind is SignalKind.READING)
        raise Problem("invalid", f"signal: not one of {names}")
    await _reads(context, key, resident_id, "history", signal.name)

    def ask() -> bytes:
        view = context.store.query(signal.name, query.start, query.end, resident_id=resident_id, points=query.points)
        return _series(resident_id, signal, query, view).model_dump_json().encode()

    return Response(await asyncio.to_thread(ask), media_type="application/json")


@router.get("/latest", summary="Latest values · 最新数据", responses=responses(404, 503))
async def latest(context: ContextDep, key: Reader, resident_id: ResidentPath) -> LatestAnswer:
    """The newest kept value of every signal; devices tell what holds right now."""
    await _reads(context, key, resident_id, "latest", None)
    rows = await asyncio.to_thread(context.store.latest, resident_id=resident_id)
    return LatestAnswer(resident_id=resident_id, latest=[_row(row) for row in rows])


@router.get("/events", summary="Events · 事件记录", responses=responses(404, 503))
async def events(
    context: ContextDep, key: Reader, resident_id: ResidentPath, query: Annotated[EventsQuery, Query()]
) -> EventsAnswer:
    """What happened and which states were reported: buttons, doors, bed, falls."""
    query.check()
    if query.signal is not None and query.signal not in SIGNALS:
        raise Problem("invalid", "signal: there is no such signal")
    await _reads(context, key, resident_id, "events", query.signal)
    rows = await asyncio.to_thread(
        context.store.events,
        query.start,
        query.end,
        resident_id=resident_id,
        signal=query.signal,
        limit=query.limit,
    )
    return EventsAnswer(resident_id=resident_id, events=[_row(row) for row in rows])


async def _reads(context: ContextDep, key: ApiKey, resident_id: str, what: str, signal: str | None) -> None:
    await seen_resident(context, key, resident_id)
    await audit_read(context, key, f"resident.{what}_read", f"resident:{resident_id}", {"signal": signal})


def _series(resident_id: str, signal: Signal, query: SeriesQuery, view: SeriesView) -> SeriesAnswer:
    at_ns = view.at_ns.tolist()
    return SeriesAnswer(
        resident_id=resident_id,
        signal=signal.name,
        title=Words(zh=signal.zh, en=signal.en),
        unit=signal.unit,
        start=moment(query.start),
        end=moment(query.end),
        step_s=view.bucket_ns / 1e9,
        at=[to_text(one) for one in at_ns],
        at_ns=at_ns,
        min=_numbers(view.minimum),
        mean=_numbers(view.mean),
        max=_numbers(view.maximum),
        count=view.count.tolist(),
        absent=view.absent.tolist(),
        derived=view.derived.tolist(),
    )


def _numbers(values: NDArray[np.float64]) -> list[float | None]:
    """Absent is null, never a number."""
    return [one if known else None for one, known in zip(values.tolist(), np.isfinite(values).tolist(), strict=True)]


def _row(row: Row) -> RowAnswer:
    signal = SIGNALS.get(row.key.signal)
    return RowAnswer(
        signal=row.key.signal,
        title=Words(zh=signal.zh, en=signal.en) if signal else Words(zh=row.key.signal, en=row.key.signal),
        unit=signal.unit if signal else "1",
        device_id=row.key.device_id,
        value=row.value,
        quality=row.quality.value,
        derived=row.key.derived,
        at=moment(row.at_ns),
        received=moment(row.received_ns),
        stored=row.stored,
        repeat=row.repeat,
    )
