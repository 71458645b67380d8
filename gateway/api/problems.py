"""Every error of the API as problem details (RFC 9457), in English and Chinese, never with a stack trace.

Problem       raised by routes; carries a row of `PROBLEMS` and the facts
TABLE         which of the gateway's own errors becomes which problem
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import structlog
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from device_drivers.codec import UnknownCommandError
from gateway.alerts.holds import NotPausableError, UnknownHoldError
from gateway.alerts.lifecycle import NamelessPersonError, RefusedTransitionError
from gateway.alerts.service import UnknownAlertError
from gateway.api.open_paths import shown
from gateway.device_commands import CommandBusyError, NotConnectedError
from gateway.registry import DuplicateRecordError, InvalidRecordError, UnknownRecordError
from gateway.store.base import QueryError, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI
    from starlette.requests import Request

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
URN = "urn:yinling:problem:"
MAX_ERRORS = 20
RETRY_S = 5


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One row: the word that ends its `type` URN, the HTTP status, and its title for people."""

    word: str
    status: int
    en: str
    zh: str


PROBLEMS: Mapping[str, ProblemKind] = {
    row.word: row
    for row in (
        ProblemKind("bad-request", 400, "The request cannot be read", "请求无法解析"),
        ProblemKind("no-key", 401, "A valid API key is needed", "需要有效的接口密钥"),
        ProblemKind("unsigned", 401, "The signature is not valid", "签名无效"),
        ProblemKind("not-allowed", 403, "The key does not allow this", "该密钥无此权限"),
        ProblemKind("not-found", 404, "There is no such thing", "未找到"),
        ProblemKind("wrong-method", 405, "The method is not possible here", "不支持该请求方法"),
        ProblemKind("conflict", 409, "It cannot be done as things stand", "与当前状态冲突"),
        ProblemKind("offline", 409, "The device is not connected now", "设备目前没有连接"),
        ProblemKind("too-large", 413, "The body is too large", "请求内容过大"),
        ProblemKind("invalid", 422, "Something in the request is not valid", "请求内容无效"),
        ProblemKind("unknown-command", 422, "The device knows no such command", "设备不支持该指令"),
        ProblemKind("too-many", 429, "Too many attempts: wait", "尝试次数过多，请稍后再试"),
        ProblemKind("internal", 500, "An internal fault", "内部错误"),
        ProblemKind("unavailable", 503, "Not available now: try again", "暂时不可用，请稍后再试"),
    )
}
_BY_STATUS = {row.status: row.word for row in reversed(list(PROBLEMS.values()))}


class FieldError(BaseModel):
    """What was wrong where: `field` is a path such as `body.birth_year`."""

    model_config = ConfigDict(extra="forbid")
    field: str
    problem: str


class ProblemDetails(BaseModel):
    """Problem details (RFC 9457) with a Chinese title beside the English one."""

    model_config = ConfigDict(extra="forbid")
    type: Annotated[str, Field(examples=["urn:yinling:problem:not-found"])]
    title: Annotated[str, Field(examples=["There is no such thing"])]
    title_zh: Annotated[str, Field(examples=["未找到"])]
    status: Annotated[int, Field(examples=[404])]
    detail: Annotated[str | None, Field(examples=["no resident with id 'r9'"])] = None
    errors: list[FieldError] | None = None


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """An error for the caller. word: a row of `PROBLEMS`."""

    def __init__(self, word: str, detail: str | None = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{word}: {detail}")
        self.kind = PROBLEMS[word]
        self.detail = detail
        self.headers = headers


def not_found(what: str, record_id: str) -> Problem:
    """The same answer for what does not exist and for what the key may not see."""
    return Problem("not-found", f"no {what} with id {record_id!r}")


def response(problem: Problem, errors: list[FieldError] | None = None) -> JSONResponse:
    """The problem as an answer."""
    kind = problem.kind
    body = ProblemDetails(
        type=URN + kind.word,
        title=kind.en,
        title_zh=kind.zh,
        status=kind.status,
        detail=_clean(problem.detail) if problem.detail else None,
        errors=errors,
    )
    headers = dict(problem.headers or {})
    if kind.word == "no-key":
        headers["WWW-Authenticate"] = 'Bearer realm="yinling"'
    return JSONResponse(body.model_dump(exclude_none=True), kind.status, headers, media_type=MEDIA_TYPE)


# Which error becomes which problem; its own text is made for people and says what to do.
TABLE: Mapping[type[Exception], str] = {
    UnknownRecordError: "not-found",
    UnknownAlertError: "not-found",
    DuplicateRecordError: "conflict",
    InvalidRecordError: "invalid",
    RefusedTransitionError: "conflict",
    NamelessPersonError: "invalid",
    QueryError: "invalid",
    NotPausableError: "invalid",
    UnknownHoldError: "not-found",
    NotConnectedError: "offline",
    CommandBusyError: "conflict",
    UnknownCommandError: "unknown-command",
}


def install(app: FastAPI) -> None:
    """Make every error of the app a problem."""
    for error, word in TABLE.items():
        app.add_exception_handler(error, _translator(word))
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    for unavailable in (StoreError, OperationalError, TimeoutError):
        app.add_exception_handler(unavailable, _on_unavailable)
    app.add_exception_handler(Exception, _on_fault)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error models of a route for OpenAPI; 401, 403 and 422 are always among them."""
    return {
        status: {
            "description": f"{PROBLEMS[_BY_STATUS[status]].en} · {PROBLEMS[_BY_STATUS[status]].zh}",
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
        }
        for status in sorted({401, 403, 422, *statuses})
    }


def _translator(word: str) -> Any:
    async def translate(_request: Request, error: Exception) -> JSONResponse:
        return response(Problem(word, str(error)))

    return translate


async def _on_problem(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)  # noqa: S101 - registered for it
    return response(error)


async def _on_invalid(_request: Request, error: Exception) -> JSONResponse:
    """What was wrong and where; never the input itself, it may be personal or impossible to encode."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    wrong = error.errors()
    errors = [
        FieldError(field=_clean(".".join(map(str, one["loc"])))[:200], problem=_clean(one["msg"])[:300])
        for one in wrong[:MAX_ERRORS]
    ]
    return response(Problem("invalid", f"{len(wrong)} problem(s)"), errors)


async def _on_http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    word = _BY_STATUS.get(error.status_code, "bad-request")
    return response(Problem(word, None if word == "internal" else str(error.detail), error.headers))


async def _on_unavailable(_request: Request, error: Exception) -> JSONResponse:
    log.error("api.unavailable", error=repr(error))
    return response(Problem("unavailable", None, {"Retry-After": str(RETRY_S)}))


async def _on_fault(request: Request, error: Exception) -> JSONResponse:
    log.error("api.fault", path=shown(request.url.path), method=request.method, error=repr(error))
    return response(Problem("internal"))


def _clean(text: str) -> str:
    """Text that can be written as UTF-8 whatever came in."""
    return text.encode("utf-8", "backslashreplace").decode()
