"""The alert as it is sent: one versioned JSON shape for every channel (docs/schemas/alert.v1.schema.json)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from analytics.findings import Phase
from analytics.first_steps import FIRST_STEPS
from analytics.kinds import KINDS, Priority
from analytics.words import NOTHING, why
from gateway.alerts.alert import Outcome
from gateway.alerts.card import NOWHERE, Place, card
from gateway.audit import plain
from gateway.models import DeviceRow
from gateway.registry import resident_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from gateway.alerts.lifecycle import Alert
    from gateway.registry import Resident

SCHEMA = "alert.v1"
PRIORITY_NAMES = {Priority.HIGH: "high", Priority.MEDIUM: "medium", Priority.LOW: "low"}
CHINA = ZoneInfo("Asia/Shanghai")
SORRY = ("误报，打扰了，无需前往", "false alarm, sorry, no need to come")
REOPENED = ("尚未处理完毕，再次报警", "not resolved in time, raised again")
SAYS_WHY = frozenset({"alert.raised", "alert.updated"})
VERBS = {
    "alert.raised": ("请立即处理", "please respond now"),
    "alert.updated": ("有新情况", "update"),
    "alert.prompt": (
        "您还好吗？请按“我没事”或“需要帮助”",
        "are you all right? Please press “I am fine” or “I need help”",
    ),
    "alert.cancelled": ("已取消，无需前往", "cancelled, no need to come"),
    "alert.resolved": ("已处理完毕", "resolved"),
}


@dataclass(frozen=True, slots=True)
class PayloadBuilder:
    """What of this site goes into every payload.

    acknowledge_url: where the service sends its call-backs, None where not reachable. local: time zone of the texts.
    place: where the site is, for the card for 120.
    """

    site: str
    acknowledge_url: str | None = None
    local: tzinfo = CHINA
    place: Place = NOWHERE

    def build(self, session: Session, alert: Alert, event: str) -> dict[str, Any]:
        """The payload of one event of an alert, as plain JSON."""
        resident = resident_in(session, alert.resident_id)
        times = {
            name: rfc3339(getattr(alert, f"{name}_ns"))
            for name in ("at", "created", "raised", "delivered", "acknowledged", "en_route", "on_scene", "closed")
        }
        built = {
            "schema": SCHEMA,
            "event": event,
            "alert_id": alert.id,
            "revision": alert.revision,
            "site": self.site,
            "kind": alert.kind,
            "priority": PRIORITY_NAMES[alert.priority],
            "state": alert.state.value,
            "phase": alert.phase.value,
            "test": alert.test,
            "repeat": alert.repeats,
            "reopened": alert.reopened,
            "count": alert.count,
            "resident": _resident(alert, resident),
            "at_ns": alert.at_ns,
            "times": times,
            "confidence": alert.confidence,
            "evidence": dict(alert.evidence),
            "devices": [_device(session, device_id) for device_id in alert.devices],
            "acknowledged_by": alert.acknowledged_by,
            "answered_by": alert.answered_by,
            "prompt": alert.prompt,
            "outcome": alert.outcome.value if alert.outcome else None,
            "text": self._text(session, alert, event, resident),
            "first_step": _first_step(alert),
            "card120": self._card(alert, resident) if alert.card120 and alert.state.open else None,
            "acknowledge_url": self.acknowledge_url,
        }
        return dict(plain(built))

    def _text(self, session: Session, alert: Alert, event: str, resident: Resident | None) -> dict[str, str]:
        kind = KINDS.get(alert.kind)
        verb = REOPENED if event == "alert.raised" and alert.reopened_ns is not None else VERBS[event]
        if event == "alert.cancelled" and alert.outcome is Outcome.FALSE_ALARM:
            verb = SORRY
        moment = self._clock(alert).strftime("%Y-%m-%d %H:%M:%S")
        name, room = (resident.display_name, resident.room) if resident else (_subject(alert, self.site), "")
        zh = f"{'【测试】' if alert.test else ''}{kind.zh if kind else alert.kind}：{name}"
        en = f"{'[TEST] ' if alert.test else ''}{kind.en if kind else alert.kind}: {name}"
        if room:
            zh, en = f"{zh}（{room}）", f"{en} ({room})"
        if kind is not None and kind.technical and resident is not None and alert.devices:
            which = _device(session, alert.devices[0])
            called = which["name"] or which["id"]
            zh, en = f"{zh}，{called}", f"{en}, {called}"
        said = why(alert.evidence, alert.confidence) if event in SAYS_WHY else NOTHING
        zh, en = f"{zh}，{moment}", f"{en}, {moment}"
        if said.zh:
            zh, en = f"{zh}，{said.zh}", f"{en}, {said.en}"
        return {"zh": f"{zh}，{verb[0]}", "en": f"{en}, {verb[1]}"}

    def _card(self, alert: Alert, resident: Resident | None) -> dict[str, str]:
        confirmed = alert.phase is Phase.CONFIRMED
        return card(alert.kind, self._clock(alert), resident, self.place, confirmed=confirmed)

    def _clock(self, alert: Alert) -> datetime:
        return datetime.fromtimestamp(alert.at_ns // 10**9, self.local)


def _subject(alert: Alert, site: str) -> str:
    """What an alert is about that concerns no resident."""
    if alert.subject == "site":
        return site
    where, _, thing = alert.subject.removeprefix("device:").partition(":")
    if where == "box":
        span = " – ".join(str(alert.evidence[name]) for name in ("from", "to") if name in alert.evidence)
        return f"{site} {span}".rstrip()
    if where == "far":
        return f"{site} {thing}"
    gap = [str(alert.evidence[name]) for name in ("schedule", "from", "to") if name in alert.evidence]
    return "{} {} – {}".format(*gap) if alert.kind == "nobody_on_call" and len(gap) == 3 else alert.subject


def with_delay(payload: Mapping[str, Any], now_ns: int, delayed_after_s: float) -> dict[str, Any]:
    """The payload as of this attempt: how long ago it happened, and whether that is late."""
    delay_s = max(0.0, (now_ns - int(payload["at_ns"])) / 1e9)
    return {**payload, "delayed": delay_s > delayed_after_s, "delay_s": round(delay_s, 3)}


def rfc3339(at_ns: int | None) -> str | None:
    """UTC nanoseconds as RFC 3339 with nine decimals, `2025-01-02T03:04:05.000000001Z`; None stays None."""
    if at_ns is None:
        return None
    seconds, nanoseconds = divmod(at_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


def _first_step(alert: Alert) -> dict[str, str] | None:
    """What a carer does first; absent for a kind of an older version."""
    first = FIRST_STEPS.get(alert.kind)
    return {"zh": first.zh, "en": first.en} if first else None


def _resident(alert: Alert, resident: Resident | None) -> dict[str, Any] | None:
    if alert.resident_id is None:
        return None
    if resident is None:
        return {"id": alert.resident_id, "display_name": None, "room": None}
    return {"id": resident.id, "display_name": resident.display_name, "room": resident.room or None}


def _device(session: Session, device_id: str) -> dict[str, Any]:
    row = session.get(DeviceRow, device_id)
    if row is None:
        return {"id": device_id, "name": None, "family": None, "placement": None, "room": None}
    return {
        "id": device_id,
        "name": row.name or None,
        "family": row.family,
        "placement": row.placement,
        "room": row.room or None,
    }
