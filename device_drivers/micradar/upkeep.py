"""What to send to a radar and when: state queries, and switching stopped breath and heart streams on again.

Fall, presence and bed state are reported only when they change, so they are asked for when the line opens and then
every 45 s. Bedside radars are known to stop their breath and heart streams while presence still works; the switch
is then sent again, at most every 5 s and three times, because repeated settings can hang the module.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from device_drivers.micradar import frames, messages

SECOND_NS = 1_000_000_000
STALE_NS = 15 * SECOND_NS
RETRY_NS = 5 * SECOND_NS
MAX_RETRIES = 3

STATE_QUERIES = ("fall", "static stay", "presence", "motion", "bed")
OPENING_QUERIES = (*STATE_QUERIES, "product model", "firmware")
STREAMS = {messages.BREATHING: "breathing", messages.HEART: "heart"}
VITAL_MODELS = ("ABD1", "BHA1")
"""Parts of the product models that give breath and heart (R60ABD1, MR60BHA1)."""


@dataclass(slots=True)
class _Stream:
    heard_ns: int | None = None
    sent_ns: int | None = None
    retries: int = 0


@dataclass(slots=True)
class Upkeep:
    """Decides what to send. Knows the streams that were heard and whether somebody is present."""

    poll_ns: int
    present: bool = False
    vital_model: bool = False
    _streams: dict[int, _Stream] = field(default_factory=lambda: {control: _Stream() for control in STREAMS})
    _asked_ns: int | None = None

    def on_open(self) -> bytes:
        """All queries to begin with; everything is timed from the next poll."""
        self._asked_ns = None
        self._streams = {control: _Stream() for control in STREAMS}
        return b"".join(frames.query(name) for name in OPENING_QUERIES)

    def stream_heard(self, control: int, now_ns: int) -> None:
        """A rate or waveform of this group arrived: the stream lives."""
        self._streams[control] = _Stream(heard_ns=now_ns)

    def presence_is(self, present: bool) -> None:
        """The radar told whether somebody is there; a newcomer earns new attempts."""
        if present and not self.present:
            for stream in self._streams.values():
                stream.retries = 0
        self.present = present

    def model_is(self, model: str) -> None:
        """The radar told its product model."""
        self.vital_model = any(part in model.upper() for part in VITAL_MODELS)

    def poll(self, now_ns: int) -> bytes:
        """What to send now; nothing most of the time."""
        out = b"".join(self._revive(control, stream, now_ns) for control, stream in self._streams.items())
        # A clock that was set back starts the interval anew instead of silencing the queries.
        if self._asked_ns is None or now_ns < self._asked_ns:
            self._asked_ns = now_ns
        elif now_ns - self._asked_ns >= self.poll_ns:
            self._asked_ns = now_ns
            out += b"".join(frames.query(name) for name in STATE_QUERIES)
        return out

    def _revive(self, control: int, stream: _Stream, now_ns: int) -> bytes:
        if stream.heard_ns is None and self.vital_model:
            stream.heard_ns = now_ns
        if stream.heard_ns is None or not self.present or stream.retries >= MAX_RETRIES:
            return b""
        if now_ns < stream.heard_ns or (stream.sent_ns is not None and now_ns < stream.sent_ns):
            stream.heard_ns, stream.sent_ns = now_ns, None
        waited = stream.sent_ns is None or now_ns - stream.sent_ns >= RETRY_NS
        if now_ns - stream.heard_ns <= STALE_NS or not waited:
            return b""
        stream.sent_ns, stream.retries = now_ns, stream.retries + 1
        name = STREAMS[control]
        return frames.report(f"{name} switch", **{f"{name}_switch": True})
