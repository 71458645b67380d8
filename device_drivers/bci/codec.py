"""Decodes the byte stream of one five-byte oximeter into observations."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from device_drivers.bci import frames
from device_drivers.codec import StreamCodec
from device_drivers.framing import Framer
from device_drivers.observations import Observation, Quality
from device_drivers.pace import SECOND_NS
from device_drivers.pulse import KEPT_FRAMES, PulseFrame, PulseSampler
from device_drivers.signals import reading

if TYPE_CHECKING:
    from collections.abc import Mapping

AWAY = {"probe_unplugged", "no_finger", "finger_out", "probe_error"}
"""Flags that say that no finger is in."""
HARMLESS = {"spo2_dropping"}
"""Contec's warning of a falling value: the very value that must be seen."""


class BciCodec(StreamCodec):
    """Codec of one oximeter.

    Options: `maker`, "berry" (default) or "contec": what four flags mean. `interval_s` and `settle_s` of PulseSampler.
    Raises ValueError for a bad one.
    """

    family: ClassVar[str] = "bci"

    def __init__(self, device_id: str, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(device_id)
        options = options or {}
        self._maker = str(options.get("maker", "berry"))
        if self._maker not in frames.MAKERS:
            raise ValueError(f"maker is {self._maker}; give {' or '.join(frames.MAKERS)}")
        self._judge = frames.Judge()
        self._framer = Framer(self._judge.spec, self.health, self.reject)
        self._sampler = PulseSampler(device_id, options, self.note)
        self._record_ns = 0

    def feed(self, data: bytes, received_ns: int) -> list[Observation]:
        found: list[Observation] = []
        for whole in self._framer.feed(data):
            self.health.last_frame_ns = received_ns
            match len(whole):
                case frames.HEADER_SIZE:
                    self._download_begins(whole, received_ns)
                case frames.RECORD_SIZE:
                    found += self._record(whole, received_ns)
                case _:
                    found += self._live(whole, received_ns)
        return found

    def _live(self, whole: bytes, now_ns: int) -> list[Observation]:
        pulse = _pulse(frames.without_wave(whole), self._maker)
        return self._sampler.take(pulse, now_ns, lambda: frames.live_facts(whole, self._maker))

    def _download_begins(self, whole: bytes, now_ns: int) -> None:
        """The device has no clock: its record is laid so that it ends now."""
        a, b, c = whole[-3:]
        count = ((a & 0x7F) << 14 | (b & 0x7F) << 7 | c) // frames.RECORD_SIZE + 1
        self._record_ns = now_ns - count * SECOND_NS
        self.note("report", self.device_id, stored_seconds=count, clock=None)

    def _record(self, whole: bytes, now_ns: int) -> list[Observation]:
        self._record_ns += SECOND_NS
        values = frames.record_values(whole)
        return [
            reading(self.device_id, name, value, self._record_ns, now_ns, stored=True)
            for name, value in values.items()
            if value is not None
        ]


@lru_cache(maxsize=KEPT_FRAMES)
def _pulse(whole: bytes, maker: str) -> PulseFrame:
    facts = frames.live_facts(whole, maker)
    flags = {name for name in frames.MAKERS[maker] if facts[name] and name not in HARMLESS}
    values = {"heart_rate": facts["pr"], "spo2": facts["spo2"]}
    if flags & AWAY:
        return PulseFrame(values, Quality.NO_CONTACT, usable=False, worn=False)
    if flags:
        return PulseFrame(values, Quality.POOR, usable=False)
    if facts["pr"] is None and facts["spo2"] is None:
        return PulseFrame(values, Quality.INVALID, usable=False)
    return PulseFrame(values, worn=True)
