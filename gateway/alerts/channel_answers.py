"""A person's answer that comes back through a channel: it names a message that was sent there, and is applied once.

    {"id": the message's id, "type": "alert.acknowledged" | "alert.en_route" | "alert.on_scene" | "alert.resolved",
     "by": a person's name, "outcome"?: ..., "note"?: ...}

Whoever knows the id of a message has received it; whether that person may answer is up to the broker's accounts.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, model_validator

from gateway.alerts.alert import Outcome
from gateway.alerts.answers import Answer, External
from gateway.alerts.service import UnknownAlertError

if TYPE_CHECKING:
    from gateway.alerts.service import AlertService

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)]


class ChannelAnswer(BaseModel):
    """An answer as it comes."""

    model_config = ConfigDict(extra="ignore")
    id: Text
    type: Literal["alert.acknowledged", "alert.en_route", "alert.on_scene", "alert.resolved"]
    by: Text
    outcome: Outcome | None = None
    note: Note | None = None

    @model_validator(mode="after")
    def _resolved_says_what(self) -> ChannelAnswer:
        if (self.type == "alert.resolved") != (self.outcome is not None):
            raise ValueError("outcome belongs to alert.resolved, and to no other")
        return self


def apply_answer(service: AlertService, channel: str, body: bytes, now_ns: int) -> dict[str, Any]:
    """Apply an answer that came through a channel; what became of it, as plain JSON. Blocking (one transaction)."""
    try:
        answer = ChannelAnswer.model_validate(json.loads(body))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])
        return {"id": None, "applied": False, "reason": wrong}
    except (ValueError, RecursionError):
        return {"id": None, "applied": False, "reason": "the answer is not JSON"}
    told = {"id": answer.id, "type": answer.type}
    sent = service.outbox.sent(answer.id)
    if sent is None or sent.channel != channel:
        return told | {"applied": False, "reason": "no message of this id went through this channel"}
    key = hashlib.sha256(f"{channel}|{answer.id}|{answer.type}|{answer.by}".encode()).hexdigest()
    external = External(f"channel:{key}", hashlib.sha256(body).hexdigest(), (channel, sent.contact))
    more: dict[str, Any] = {} if answer.outcome is None else {"outcome": answer.outcome}
    said = Answer(answer.type.removeprefix("alert."))
    try:
        result = service.answer_external(
            external, sent.alert_id, said, answer.by, now_ns, note=answer.note or None, **more
        )
    except UnknownAlertError as error:
        return told | {"applied": False, "reason": str(error)}
    return told | {"applied": result.applied, "reason": result.reason}
