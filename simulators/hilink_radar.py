"""A Hi-Link TF radar without hardware: MR60FDA2 (fall) or MR60BHA2 (breath and heart).

Does no I/O: bytes of the host go into `feed`, which gives the answers; `tick(now_ns)` gives the reports due by then.
The periods are those that users of the modules report (states and rates about once a second), not the vendor's: it
states none. It can misbehave like a real one: `stuck` keeps repeating the last rates and says nothing of presence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from device_drivers.codec import CodecHealth
from device_drivers.framing import Framer
from device_drivers.hilink_tf import frames, messages

if TYPE_CHECKING:
    from device_drivers.hilink_tf.fields import Value

FALL_MODEL, BREATH_MODEL = "MR60FDA2", "MR60BHA2"
SECOND_NS = 1_000_000_000
SETTINGS = {"install height": "install_height_m", "fall threshold": "threshold_m", "fall sensitivity": "sensitivity"}


@dataclass(slots=True)
class TfState:
    """What the radar sees. Rates of None mean that it has no lock (it then sends 0); distance in cm."""

    presence: bool = False
    fall: bool = False
    respiratory_rate: float | None = None
    heart_rate: float | None = None
    distance: float | None = None
    targets: tuple[tuple[float, float], ...] = ()


class TfRadarDevice:
    """Model of one radar. model: `FALL_MODEL` or `BREATH_MODEL`."""

    def __init__(self, model: str = FALL_MODEL) -> None:
        if model not in {FALL_MODEL, BREATH_MODEL}:
            raise ValueError(f"unknown model {model!r}; known: {FALL_MODEL}, {BREATH_MODEL}")
        self.model = model
        self.state = TfState()
        self.stuck = False
        self.settings: dict[str, Value] = {"install_height_m": 2.6, "threshold_m": 0.5, "sensitivity": 15}
        self._framer = Framer(frames.SPEC, CodecHealth(), _ignore)
        self._due_ns: int | None = None

    def feed(self, data: bytes) -> bytes:
        """Answers to the host's bytes: settings are kept and confirmed, the parameters told."""
        return b"".join(self._reply(whole) for whole in self._framer.feed(data))

    def tick(self, now_ns: int) -> bytes:
        """The reports due by `now_ns`, once a second."""
        if self._due_ns is None or now_ns < self._due_ns - SECOND_NS:
            self._due_ns = now_ns
        if now_ns < self._due_ns:
            return b""
        self._due_ns = now_ns + SECOND_NS
        return self._fall_reports() if self.model == FALL_MODEL else self._vital_reports()

    def _fall_reports(self) -> bytes:
        return frames.message("presence", presence=self.state.presence) + frames.message("fall", fall=self.state.fall)

    def _vital_reports(self) -> bytes:
        state = self.state
        rates = frames.message("breath rate", respiratory_rate=state.respiratory_rate or 0.0)
        rates += frames.message("heart rate", heart_rate=state.heart_rate or 0.0)
        if self.stuck:
            return rates
        distance = frames.message("distance", flag=int(state.distance is not None), range=state.distance or 0.0)
        rows: tuple[dict[str, float], ...] = tuple({"x": x, "y": y, "dop": 0, "cluster": 0} for x, y in state.targets)
        targets = frames.message("targets", targets=rows)
        return frames.message("presence", presence=state.presence) + rates + distance + targets

    def _reply(self, whole: bytes) -> bytes:
        message = messages.find(int.from_bytes(whole[5:7], "big"), len(whole[8:-1]))
        if message is None or self.model != FALL_MODEL:
            return b""
        if message.name == "parameters":
            return frames.message("parameters answer", **self.settings)
        if message.name not in SETTINGS:
            return b""
        self.settings |= message.decode(whole[8:-1])
        return frames.message(f"{message.name} answer", ok=True)


def _ignore(reason: str, raw: bytes, **detail: object) -> None:
    """A radar says nothing about bytes it does not understand."""
