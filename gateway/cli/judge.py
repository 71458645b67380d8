"""Holds what truly happened against what the gateway made of it: found, delivered, acknowledged, when, how often."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table

from analytics.kinds import KINDS
from gateway.alerts.payload import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gateway.alerts.lifecycle import Alert

BEFORE_NS, AFTER_NS = 3_000_000_000, 30_000_000_000
"""An alert belongs to an emergency if what it is about happened at most 3 s before and 30 s after it."""


@dataclass(frozen=True, slots=True)
class Emergency:
    """One emergency of the scenario, and its alert. Times are UTC nanoseconds, None for what did not happen.

    alerts: how many alerts it made; one is right.
    """

    kind: str
    device: str
    event_ns: int
    alert_id: str | None = None
    alerts: int = 0
    finding_ns: int | None = None
    raised_ns: int | None = None
    delivered_ns: int | None = None
    acknowledged_ns: int | None = None
    acknowledged_by: str | None = None

    def after_s(self, at_ns: int | None) -> float | None:
        """Seconds from the event to a later moment."""
        return None if at_ns is None else round((at_ns - self.event_ns) / 1e9, 3)

    def line(self, *, chinese: bool) -> str:
        """One line for people."""
        kind = KINDS[self.kind]
        name = kind.zh if chinese else kind.en
        words = ("发现", "送达", "确认") if chinese else ("found", "delivered", "acknowledged")
        times = (self.finding_ns, self.delivered_ns, self.acknowledged_ns)
        parts = ", ".join(f"{word} +{self.after_s(at)} s" for word, at in zip(words, times, strict=True))
        return f"{name} ({self.device}): {parts}, {self.acknowledged_by}"

    def plain(self) -> dict[str, Any]:
        """JSON-ready."""
        tree = asdict(self)
        for name in ("event", "finding", "raised", "delivered", "acknowledged"):
            tree[f"{name}_time"] = rfc3339(tree[f"{name}_ns"])
            if name != "event":
                tree[f"{name}_after_s"] = self.after_s(tree[f"{name}_ns"])
        return tree


def judge(truths: Iterable[Mapping[str, Any]], alerts: Sequence[Alert]) -> list[Emergency]:
    """One row for each emergency that has happened so far."""
    return [_match(truth, alerts) for truth in truths if truth["kind"] is not None]


def _match(truth: Mapping[str, Any], alerts: Sequence[Alert]) -> Emergency:
    event_ns, device = int(truth["at_ns"]), truth["device"]
    matching = [
        alert
        for alert in alerts
        if alert.kind == truth["kind"] and device in alert.devices and -BEFORE_NS <= alert.at_ns - event_ns <= AFTER_NS
    ]
    if not matching:
        return Emergency(truth["kind"], device, event_ns)
    first = min(matching, key=lambda alert: alert.created_ns)
    return Emergency(
        first.kind,
        device,
        event_ns,
        first.id,
        len(matching),
        first.created_ns,
        first.raised_ns,
        first.delivered_ns,
        first.acknowledged_ns,
        first.acknowledged_by,
    )


def report(emergencies: Sequence[Emergency], journal: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The whole result, JSON-ready. losses: raised but never acknowledged. missing: kinds with no alert at all."""
    kinds = [record["record"] for record in journal]
    return {
        "emergencies": [one.plain() for one in emergencies],
        "missing": [f"{one.kind} {one.device}" for one in emergencies if one.alert_id is None] or _none(emergencies),
        "losses": sum(one.alert_id is not None and one.acknowledged_ns is None for one in emergencies),
        "duplicates": {
            "alerts": sum(max(0, one.alerts - 1) for one in emergencies),
            "deliveries": kinds.count("duplicate"),
        },
        "assist_service": {"accepted": kinds.count("event"), "rejected": kinds.count("rejected")},
    }


def _none(emergencies: Sequence[Emergency]) -> list[str]:
    return [] if emergencies else ["no emergency has happened"]


def table(emergencies: Sequence[Emergency], *, chinese: bool) -> Table:
    """For people: one row an emergency."""
    heads = ("事件", "设备", "发现", "送达", "确认", "应答人", "报警数")
    if not chinese:
        heads = ("Event", "Device", "Found", "Delivered", "Acknowledged", "By", "Alerts")
    shown = Table(*heads)
    for one in emergencies:
        kind = KINDS[one.kind]
        times = [one.after_s(at) for at in (one.finding_ns, one.delivered_ns, one.acknowledged_ns)]
        cells = ["—" if seconds is None else f"+{seconds:.2f} s" for seconds in times]
        by = one.acknowledged_by or "—"
        shown.add_row(kind.zh if chinese else kind.en, one.device, *cells, by, str(one.alerts))
    return shown
