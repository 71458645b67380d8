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
    from gateway.cli.records import Record

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
    family: str = ""

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


def unexpected(truths: Iterable[Mapping[str, Any]], alerts: Sequence[Alert]) -> list[Alert]:
    """Raised alerts that nothing called for."""
    called_for = {alert.id for truth in truths for alert in _matching(truth, alerts)}
    return [alert for alert in alerts if alert.raised_ns is not None and alert.id not in called_for]


def _matching(truth: Mapping[str, Any], alerts: Sequence[Alert]) -> list[Alert]:
    event_ns, until_ns = int(truth["at_ns"]), AFTER_NS + round(1e9 * truth.get("after_s", 0.0))
    return [
        alert
        for alert in alerts
        if alert.kind == truth["kind"]
        and truth["device"] in alert.devices
        and -BEFORE_NS <= alert.at_ns - event_ns <= until_ns
    ]


def _match(truth: Mapping[str, Any], alerts: Sequence[Alert]) -> Emergency:
    event_ns, device = int(truth["at_ns"]), truth["device"]
    matching = _matching(truth, alerts)
    if not matching:
        return Emergency(truth["kind"], device, event_ns, family=truth.get("family", ""))
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
        truth.get("family", ""),
    )


def report(
    emergencies: Sequence[Emergency], journal: Sequence[Mapping[str, Any]], records: Sequence[Record] = ()
) -> dict[str, Any]:
    """The whole result, JSON-ready.

    losses: raised but never acknowledged. missing: what made no alert, or is not in the history.
    """
    kinds = [record["record"] for record in journal]
    missing = [f"{one.kind} {one.device}" for one in emergencies if one.alert_id is None]
    missing += [f"{one.signal} {one.device}" for one in records if one.stored_ns is None]
    return {
        "emergencies": [one.plain() for one in emergencies],
        "records": [one.plain() for one in records],
        "missing": missing or _none([*emergencies, *records]),
        "losses": sum(one.alert_id is not None and one.acknowledged_ns is None for one in emergencies),
        "duplicates": {
            "alerts": sum(max(0, one.alerts - 1) for one in emergencies),
            "records": sum(max(0, one.copies - 1) for one in records if one.once),
            "deliveries": kinds.count("duplicate"),
        },
        "assist_service": {"accepted": kinds.count("event"), "rejected": kinds.count("rejected")},
    }


def _none(happened: Sequence[Emergency | Record]) -> list[str]:
    return [] if happened else ["no emergency has happened"]


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
