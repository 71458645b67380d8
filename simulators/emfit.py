"""An EMFIT QS without hardware: its status page and its announcement. It can stall, restart and lose the person."""

from __future__ import annotations

from dataclasses import dataclass

from device_drivers.emfit.page import Announcement, write_announcement, write_page

SECOND_NS = 1_000_000_000


@dataclass(slots=True)
class EmfitMat:
    """One mat. Rates of None are shown as 0, as the device does. stalled: the page stays as it was."""

    serial: str = "000757"
    firmware: str = "120.2.2.1"
    present: bool = False
    heart_rate: int | None = None
    respiratory_rate: float | None = None
    activity: int = 0
    stalled: bool = False
    _started_ns: int | None = None
    _last: bytes = b""

    def page(self, now_ns: int) -> bytes:
        """What `dvmstatus.htm` shows now."""
        if self.stalled and self._last:
            return self._last
        if self._started_ns is None:
            self._started_ns = now_ns
        self._last = write_page(
            {
                "SER": self.serial,
                "TS": 0,
                "TS_R": (now_ns - self._started_ns) // SECOND_NS,
                "PRES": int(self.present),
                "HR": self.heart_rate or 0,
                "HR_DM": 0,
                "RR": self.respiratory_rate or 0,
                "RR_DM": 0,
                "ACT": self.activity,
                "ACT_DM": 0,
                "FW": self.firmware,
            }
        )
        return self._last

    def restart(self) -> None:
        """Power was cut: the seconds begin anew."""
        self._started_ns = None

    def announcement(self) -> bytes:
        """What it broadcasts on UDP port 30371."""
        return write_announcement(Announcement(self.serial, "t120 v0.8.14", "1.0.3"))
