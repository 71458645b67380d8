"""Whether a gateway found live what the evaluation finds offline in the same messages.

The messages of each replayed recording are made again, decoded, and played to a detector of their own, second by
second. The findings in the histories of the gateway's alerts must be the same: phase, moment and verdict.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from analytics.falls.detector import SIGNAL_STOPPED_NS, FallDetector
from analytics.fusion import FallFusion
from device_drivers.yinling_wearable import WearableMessageCodec
from simulators.replay import messages

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import httpx

    from analytics.findings import Finding
    from simulators.replay import Played

    Told = tuple[str, int, str]

PAGE = 200


def offline_findings(played: Played) -> Counter[Told]:
    """(phase, ms from the first sample, verdict) of every finding about falls in what was sent."""
    codec, detector, fusion = WearableMessageCodec(), FallDetector(slots=1), FallFusion()
    detector.attach(played.device, played.device)
    found: Counter[Told] = Counter()
    end_ns = played.start_ns
    for end_ns, topic, payload in messages(played):
        detector.ingest(codec.feed(topic, payload, end_ns))
        found.update(_told(fusion.fuse(detector.step(end_ns)), played.start_ns))
    for wait_ns in (SIGNAL_STOPPED_NS // 2, 2 * SIGNAL_STOPPED_NS):
        found.update(_told(fusion.fuse(detector.step(end_ns + wait_ns)), played.start_ns))
    return found


def _told(findings: Iterable[Finding], start_ns: int) -> Iterable[Told]:
    for one in findings:
        yield _essence(one.phase.value, one.at_ns, one.evidence, start_ns)


def _essence(phase: str, at_ns: int, evidence: Mapping[str, Any], start_ns: int) -> Told:
    verdicts = [str(value) for key, value in evidence.items() if key == "reason" or key.endswith(".reason")]
    return phase, round((at_ns - start_ns) / 1e6), ", ".join(verdicts)


def live_findings(api: httpx.Client, played: Iterable[Played]) -> dict[str, Counter[Told]]:
    """The same of the alerts about falls, by device."""
    starts = {one.device: one.start_ns for one in played}
    found: dict[str, Counter[Told]] = {device: Counter() for device in starts}
    for alert_id in _fall_alerts(api):
        for entry in api.get(f"/api/v1/alerts/{alert_id}").raise_for_status().json()["history"]:
            detail = entry["detail"]
            if "phase" not in detail or "episode" not in detail:
                continue
            for device in detail["devices"]:
                if device in starts:
                    told = _essence(detail["phase"], detail["at_ns"], detail["evidence"], starts[device])
                    found[device][told] += 1
    return found


def _fall_alerts(api: httpx.Client) -> Iterable[str]:
    cursor: str | None = None
    while True:
        asked: dict[str, str | int] = {"kind": "fall", "limit": PAGE, **({"cursor": cursor} if cursor else {})}
        page = api.get("/api/v1/alerts", params=asked).raise_for_status().json()
        yield from (alert["id"] for alert in page["alerts"])
        cursor = page["next"]
        if cursor is None:
            return
