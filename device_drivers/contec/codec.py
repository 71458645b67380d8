"""Decodes the byte stream of one newer Contec oximeter, starts it and keeps it awake."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from device_drivers.codec import StreamCodec
from device_drivers.contec import frames
from device_drivers.framing import Framer
from device_drivers.observations import Observation, Quality
from device_drivers.pace import SECOND_NS, Pace, number
from device_drivers.pulse import KEPT_FRAMES, PulseFrame, PulseSampler
from device_drivers.signals import reading

if TYPE_CHECKING:
    from collections.abc import Mapping

KEEP_ALIVE_NS = 5 * SECOND_NS
MOST_STORED = 7 * 24 * 3600
"""Seconds: the devices keep a day or two; a length that says more than a week was damaged on the way."""
FIRST_YEAR = 2015
"""A clock that says less was never set."""


class ContecCodec(StreamCodec):
    """Codec of one oximeter.

    Options: `set_clock` (default false) sets the device's date and time when the line opens. `utc_offset_h`, hours
    that its clock is ahead of UTC (default 8), also for what it has stored. `interval_s` and `settle_s` of
    PulseSampler. Raises ValueError for a bad one.
    """

    family: ClassVar[str] = "contec"

    def __init__(self, device_id: str, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(device_id)
        options = options or {}
        self._zone = timezone(timedelta(hours=number(options, "utc_offset_h", 8, -14, 14)))
        self._set_clock = bool(options.get("set_clock", False))
        self._framer = Framer(frames.SPEC, self.health, self.reject)
        self._sampler = PulseSampler(device_id, options, self.note)
        self._pace = Pace(float(options.get("interval_s", 1)))
        self._opened = False
        self._kept_ns: int | None = None
        self._live_ns: int | None = None
        self._store: dict[str, Any] = {}
        self._record_ns: int | None = None

    def on_open(self) -> bytes:
        """Start live values."""
        self._opened, self._kept_ns, self._live_ns = True, None, None
        return frames.command(0xA1)

    def poll(self, now_ns: int) -> bytes:
        """Every five seconds: keep alive, and start again where nothing came since."""
        out = b""
        if self._opened and self._set_clock:
            local = datetime.fromtimestamp(now_ns / SECOND_NS, UTC).astimezone(self._zone)
            weekday = local.isoweekday() % 7
            out += frames.command(0xB2, local.year // 100, local.year % 100, local.month, local.day, weekday)
            out += frames.command(0xB1, local.hour, local.minute, local.second)
        self._opened = False
        if self._kept_ns is not None and 0 <= now_ns - self._kept_ns < KEEP_ALIVE_NS:
            return out
        silent = self._live_ns is None or not 0 <= now_ns - self._live_ns < KEEP_ALIVE_NS
        restart = frames.command(0xA1) if silent and self._kept_ns is not None else b""
        self._kept_ns = now_ns
        return out + frames.command(0xAF) + restart

    def feed(self, data: bytes, received_ns: int) -> list[Observation]:
        found: list[Observation] = []
        for whole in self._framer.feed(data):
            self.health.last_frame_ns = received_ns
            found += self._decode(whole, received_ns)
        return found

    def finish(self, received_ns: int) -> list[Observation]:
        """A package of unknown type ends with the capture."""
        rest = self._framer.rest()
        if len(rest) >= 2 and rest[0] not in frames.PACKAGES:
            return self._decode(rest, received_ns)
        if rest:
            self.reject("incomplete", rest)
        return []

    def _decode(self, whole: bytes, now_ns: int) -> list[Observation]:
        kind, data = frames.unpack(whole)
        row = frames.PACKAGES.get(kind)
        if row is None:
            if self._pace.due(f"unknown {kind}", None, now_ns):
                self.note("unknown", self.device_id, type=f"{kind:02X}", hex=data.hex(" ").upper())
            return []
        if kind == frames.LIVE:
            self._live_ns = now_ns
            return self._sampler.take(_pulse(frames.without_wave(data)), now_ns, lambda: frames.live_facts(data))
        facts = row.facts(data)
        if kind in {frames.STORED, frames.STORED_PI}:
            return self._stored(facts["stored"], now_ns)
        if kind in {frames.STORE_DATE, frames.STORE_TIME, frames.STORE_LENGTH}:
            self._store |= facts
            self._record_ns = None
        note = frames.COMMANDS.get(data[0], ("", row.kind))[1] if kind == frames.COMMAND else row.kind
        self.note(note, self.device_id, **facts)
        return []

    def _stored(self, seconds: list[dict[str, float | None]], now_ns: int) -> list[Observation]:
        """One value a second from the start that the device stated; the last package is filled up with empty ones."""
        found: list[Observation] = []
        if self._record_ns is None:
            self._record_ns = self._stored_since(len(seconds), now_ns)
        for values in seconds:
            found += [
                reading(self.device_id, name, value, self._record_ns, now_ns, stored=True)
                for name, value in values.items()
                if value is not None
            ]
            self._record_ns += SECOND_NS
        return found

    def _stored_since(self, seconds: int, now_ns: int) -> int:
        """When the record began; where the device did not say, it is laid so that it ends now."""
        try:
            local = datetime.fromisoformat(f"{self._store['date']}T{self._store['time']}").replace(tzinfo=self._zone)
        except (KeyError, ValueError):
            local = None
        if local is not None and local.year >= FIRST_YEAR:
            began_ns = round(local.timestamp()) * SECOND_NS
            if 0 <= began_ns <= now_ns:  # a clock before 1970 was never set
                return began_ns
        size = 4 if seconds == 1 else 2
        stated = int(self._store.get("stored_bytes", 0)) // size
        return now_ns - (stated if seconds <= stated <= MOST_STORED else seconds) * SECOND_NS


@lru_cache(maxsize=KEPT_FRAMES)
def _pulse(data: bytes) -> PulseFrame:
    facts = frames.live_facts(data)
    values = {"heart_rate": facts["pr"], "spo2": facts["spo2"], "perfusion_index": facts["pi"]}
    if facts["probe_error"]:
        return PulseFrame(values, Quality.NO_CONTACT, usable=False, worn=False)
    if facts["searching"] or facts["searching_too_long"]:
        return PulseFrame(values, Quality.POOR, usable=False)
    if facts["pr"] is None and facts["spo2"] is None:
        return PulseFrame(values, Quality.INVALID, usable=False)
    return PulseFrame(values, worn=True)
