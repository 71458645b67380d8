"""The presence radars LD2410 and LD2450 without hardware.

They do no I/O: bytes of the host go into `feed`, which gives the answers; `tick(now_ns)` gives the reports due by then,
ten a second. In configuration mode they answer commands and do not report, as the real ones.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from device_drivers.codec import CodecHealth
from device_drivers.framing import Framer, FrameSpec
from device_drivers.ld24xx import commands, ld2410, ld2450

SECOND_NS = 1_000_000_000
PERIOD_NS = SECOND_NS // 10
MAX_CATCH_UP = 100
VERSION = bytes.fromhex("00 01 07 01 16 15 09 22")
MAC = bytes.fromhex("8F 27 2E B8 0F 65")


class PresenceRadarDevice(ABC):
    """What both have in common."""

    def __init__(self, spec: FrameSpec) -> None:
        self.configuring = False
        self.baud = 256_000
        self._framer = Framer(spec, CodecHealth(), _ignore)
        self._due_ns: int | None = None

    def feed(self, data: bytes) -> bytes:
        """Answers to the host's commands; outside configuration mode only the one that enters it is good."""
        return b"".join(self._reply(whole) for whole in self._framer.feed(data))

    def tick(self, now_ns: int) -> bytes:
        """Every report due by `now_ns`; after a jump of the clock it goes on from now."""
        due = self._due_ns if self._due_ns is not None else now_ns
        if abs(now_ns - due) > MAX_CATCH_UP * PERIOD_NS:
            due = now_ns
        count = (now_ns - due) // PERIOD_NS + 1 if now_ns >= due else 0
        self._due_ns = due + count * PERIOD_NS
        return b"" if self.configuring else self._report() * count

    @abstractmethod
    def _report(self) -> bytes:
        """The report of what it sees now."""

    def _command(self, name: str, facts: commands.Facts) -> bytes | None:
        """The value of the answer; None for a command that is refused."""
        match name:
            case "enable config":
                self.configuring = True
                return bytes.fromhex("01 00 40 00")
            case "end config" | "restart":
                self.configuring = False
            case "set baud":
                self.baud = facts["baud"]
            case "read version":
                return VERSION
            case "read mac":
                return MAC
            case _:
                return None
        return b""

    def _reply(self, whole: bytes) -> bytes:
        if not whole.startswith(commands.HEAD):
            return b""
        code = int.from_bytes(whole[6:8], "little")
        row = commands.BY_CODE.get(code)
        if row is None or not (self.configuring or row.name == "enable config"):
            return commands.answer(code, ok=False)
        try:
            value = self._command(row.name, commands.explain(whole)[1])
        except commands.CommandError:
            value = None
        return commands.answer(code, value or b"", ok=value is not None)


class Ld2410Device(PresenceRadarDevice):
    """An LD2410. moving_cm, still_cm: where it sees somebody, None for nobody."""

    def __init__(self) -> None:
        super().__init__(ld2410.SPEC)
        self.moving_cm: int | None = None
        self.still_cm: int | None = None
        self.engineering = False
        self._last = {"moving_cm": 0, "still_cm": 0}

    def _report(self) -> bytes:
        seen = {"moving_cm": self.moving_cm, "still_cm": self.still_cm}
        # Distances stay when everybody has left, as with the real one.
        self._last |= {name: cm for name, cm in seen.items() if cm is not None}
        state = (self.moving_cm is not None) + 2 * (self.still_cm is not None)
        nearest = min((cm for cm in seen.values() if cm is not None), default=0)
        target = {
            "state": state,
            **self._last,
            "moving_energy": 60 * (state & 1),
            "still_energy": 40,
            "detect_cm": nearest,
        }
        gates = {"max_moving_gate": 8, "max_still_gate": 8, "light": 90, "out_pin": int(state > 0)}
        energies = {"moving_energies": [10] * commands.GATES, "still_energies": [20] * commands.GATES}
        return ld2410.report(target, gates | energies if self.engineering else None)

    def _command(self, name: str, facts: commands.Facts) -> bytes | None:
        if name.startswith("engineering mode"):
            self.engineering = name.endswith("on")
            return b""
        return super()._command(name, facts)


class Ld2450Device(PresenceRadarDevice):
    """An LD2450. targets: x, y in mm and speed in cm/s of up to three people."""

    def __init__(self) -> None:
        super().__init__(ld2450.SPEC)
        self.targets: list[tuple[int, int, int]] = []

    def _report(self) -> bytes:
        return ld2450.report(
            [{"x_mm": x, "y_mm": y, "speed_cm_s": v, "resolution_mm": 360} for x, y, v in self.targets]
        )


def _ignore(reason: str, raw: bytes, **detail: object) -> None:
    """A radar says nothing about bytes it does not understand."""
