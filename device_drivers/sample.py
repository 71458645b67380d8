"""What a family's traffic looks like: small, honest streams for benchmarks and for the tests that every family passes.

Ours stand in `simulators/samples.py`; a third party's driver brings its own as `Driver.samples`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

Message = tuple[str, bytes]
"""Topic and payload."""
SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What both kinds share.

    way: how it arrives ("serial", "tcp", "mqtt", ...), with a format where a family has several. rate_hz: frames or
    messages a second of one such device; rate_zh, rate_en: who says so, or that it is assumed. options: the codec's.
    """

    way: str
    rate_hz: float
    rate_zh: str
    rate_en: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def period_ns(self) -> int:
        """Time from one frame to the next."""
        return round(SECOND_NS / self.rate_hz)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSample(Sample):
    """Frames of a byte stream.

    usual, mix (random, count, start_ns): so many frames one after the other, as a device sends them from then on at its
    rate: the most frequent one, and everything. unchecked: why damaged bytes may pass as values: the frames have no
    checksum; empty where they have one.
    """

    usual: Callable[[Random, int, int], list[bytes]]
    mix: Callable[[Random, int, int], list[bytes]]
    unchecked: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSample(Sample):
    """Messages of a broker. opening: retained ones that come before all others (announcements)."""

    usual: Callable[[Random, int, int], list[Message]]
    mix: Callable[[Random, int, int], list[Message]]
    opening: tuple[Message, ...] = ()
