"""Signed call-backs of the 助急 service: checked, applied once, answered.

Body (JSON, at most 16 KiB, signed with Standard Webhooks under a secret of its own):

    {"type": "alert.acknowledged" | "alert.en_route" | "alert.on_scene" | "alert.resolved",
     "timestamp": RFC 3339, "data": {"alert_id": ..., "by": ..., "outcome"?: ..., "note"?: ...}}
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, model_validator

from gateway.alerts.lifecycle import Outcome
from gateway.alerts.routing import ASSIST, WEBHOOK
from gateway.alerts.service import Answer, External, UnknownAlertError
from gateway.channels.signing import TOLERANCE_S, SignatureError, Signer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import SecretStr

    from gateway.alerts.service import AlertService

LARGEST_BODY = 16 * 1024

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)]


class CallbackStatus(StrEnum):
    """How a call-back ended."""

    APPLIED = "applied"
    REPEATED = "repeated"
    REFUSED = "refused"
    """Understood, but the alert cannot take it (it is closed); sending it again is of no use."""
    UNKNOWN_ALERT = "unknown_alert"
    UNSIGNED = "unsigned"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"


HTTP_STATUS = {
    CallbackStatus.APPLIED: 200,
    CallbackStatus.REPEATED: 200,
    CallbackStatus.REFUSED: 200,
    CallbackStatus.UNKNOWN_ALERT: 404,
    CallbackStatus.UNSIGNED: 401,
    CallbackStatus.MALFORMED: 400,
    CallbackStatus.TOO_LARGE: 413,
}


class _Data(BaseModel):
    model_config = ConfigDict(extra="ignore")
    alert_id: Text
    by: Text
    outcome: Outcome | None = None
    note: Note | None = None


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore")
    type: Literal["alert.acknowledged", "alert.en_route", "alert.on_scene", "alert.resolved"]
    data: _Data

    @model_validator(mode="after")
    def _resolved_says_what(self) -> _Body:
        if (self.type == "alert.resolved") != (self.data.outcome is not None):
            raise ValueError("outcome belongs to alert.resolved, and to no other")
        return self


@dataclass(frozen=True, slots=True)
class Callback:
    """A call-back that is signed and well formed."""

    webhook_id: str
    body_sha256: str
    answer: Answer
    alert_id: str
    by: str
    outcome: Outcome | None
    note: str | None


@dataclass(frozen=True, slots=True)
class CallbackResult:
    """How it ended, why, and the HTTP status to answer with."""

    status: CallbackStatus
    reason: str = ""

    @property
    def http_status(self) -> int:
        """2xx: the service must not send it again."""
        return HTTP_STATUS[self.status]

    @property
    def body(self) -> dict[str, object]:
        """The JSON to answer with."""
        applied = self.status in (CallbackStatus.APPLIED, CallbackStatus.REPEATED)
        return {"applied": applied, "status": self.status.value, "reason": self.reason}


class CallbackVerifier:
    """Checks signature, age and shape; touches nothing."""

    def __init__(self, secrets: Sequence[SecretStr], *, tolerance_s: int = TOLERANCE_S) -> None:
        self._signer = Signer(secrets)
        self._tolerance_s = tolerance_s

    def verify(self, headers: Mapping[str, str], body: bytes, now_ns: int) -> Callback | CallbackResult:
        """The call-back, or the result to answer with when it cannot be taken."""
        if len(body) > LARGEST_BODY:
            return CallbackResult(CallbackStatus.TOO_LARGE, f"at most {LARGEST_BODY} bytes")
        try:
            webhook_id = self._signer.verify(headers, body, now_ns, tolerance_s=self._tolerance_s)
        except SignatureError as error:
            return CallbackResult(CallbackStatus.UNSIGNED, error.reason)
        try:
            parsed = _Body.model_validate(json.loads(body))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])
            return CallbackResult(CallbackStatus.MALFORMED, wrong)
        except (ValueError, RecursionError):
            return CallbackResult(CallbackStatus.MALFORMED, "the body is not JSON")
        answer = Answer(parsed.type.removeprefix("alert."))
        data = parsed.data
        sha256 = hashlib.sha256(body).hexdigest()
        return Callback(webhook_id, sha256, answer, data.alert_id, data.by, data.outcome, data.note or None)


class CallbackHandler:
    """Verifies a call-back and applies it to its alert, once however often it comes."""

    def __init__(
        self, service: AlertService, verifier: CallbackVerifier, *, via: tuple[str, str] = (WEBHOOK, ASSIST)
    ) -> None:
        self._service = service
        self._verifier = verifier
        self._via = via

    def handle(self, headers: Mapping[str, str], body: bytes, now_ns: int) -> CallbackResult:
        """What POST /api/v1/assist/callback answers. Blocking (one database transaction)."""
        callback = self._verifier.verify(headers, body, now_ns)
        if isinstance(callback, CallbackResult):
            return callback
        more = {} if callback.outcome is None else {"outcome": callback.outcome}
        external = External(callback.webhook_id, callback.body_sha256, self._via)
        try:
            result = self._service.answer_external(
                external, callback.alert_id, callback.answer, callback.by, now_ns, note=callback.note, **more
            )
        except UnknownAlertError as error:
            return CallbackResult(CallbackStatus.UNKNOWN_ALERT, str(error))
        if not result.applied:
            return CallbackResult(CallbackStatus.REFUSED, result.reason)
        return CallbackResult(CallbackStatus.REPEATED if result.repeated else CallbackStatus.APPLIED)
