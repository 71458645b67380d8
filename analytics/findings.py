"""What analytics concludes, and the contract that every detector keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from device_drivers.observations import Observation

Evidence = str | float | int | bool


class Phase(StrEnum):
    """How far a conclusion has come. Each episode goes suspected -> confirmed | cleared, confirmed -> cleared."""

    SUSPECTED = "suspected"
    CONFIRMED = "confirmed"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True)
class Finding:
    """One conclusion about one resident or device at one moment.

    episode: identity of what happened; the suspected, confirmed and cleared findings of one fall share it.
    kind: a row of `analytics.kinds.KINDS`. at_ns: when it happened (the impact, the press), UTC nanoseconds.
    confidence: 0 to 1. evidence: the numbers that led to it and the rule or model version.
    devices: the devices that contributed.
    resident_id: None for a technical finding about a device that nobody wears.
    """

    episode: str
    kind: str
    resident_id: str | None
    at_ns: int
    phase: Phase
    confidence: float
    devices: tuple[str, ...]
    evidence: Mapping[str, Evidence] = field(default_factory=dict)


class Detector(Protocol):
    """What the engine, the evaluation and `check_detector` drive.

    Same observations in any chunking give the same findings; nothing is read from the wall clock.
    """

    def attach(self, device_id: str, resident_id: str | None) -> None:
        """Start to watch a device. Attaching again under another resident moves it and forgets its past."""

    def detach(self, device_id: str) -> None:
        """Stop watching and free the slot. Unknown devices are ignored."""

    def ingest(self, observations: Sequence[Observation]) -> None:
        """Take observations; those of devices that are not attached are ignored."""

    def step(self, now_ns: int) -> list[Finding]:
        """Everything that can be concluded by now, in order of time."""
