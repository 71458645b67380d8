"""Power: how long the box was off, and whether it runs on battery now.

A stamp on the disk says when the gateway was last alive and in which boot of the system. At the start the old stamp
tells from when until when nobody was watched, and why: power (another boot), an end that was asked for, or a crash.
Mains and batteries are read from the kernel's power supply class.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from analytics.findings import Evidence, Finding, Phase
from gateway.box_watch import MAINS_LOST, Condition

if TYPE_CHECKING:
    from datetime import tzinfo
    from pathlib import Path

WAS_OFF = "box_was_off"
BOOT_ID = "proc/sys/kernel/random/boot_id"
SUPPLIES = "sys/class/power_supply"
MAINS_BEGIN_S, MAINS_END_S = 10.0, 30.0
THING = "box:power"
LONGEST_STAMP = 4096


@dataclass(frozen=True, slots=True)
class Stamp:
    """The last sign of life. boot: the system's boot id, "" where unknown. ended: the gateway ended in order."""

    at_ns: int
    boot: str
    ended: bool = False


class StampFile:
    """The stamp on the disk: written beside the old one and put in its place, so that one of the two is whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Stamp | None:
        """The last stamp, None where there is none or it cannot be read."""
        try:
            tree = json.loads(self._path.read_bytes()[:LONGEST_STAMP])
            return Stamp(int(tree["at_ns"]), str(tree["boot"]), tree["ended"] is True)
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            return None

    def write(self, stamp: Stamp) -> None:
        """On the disk when it returns. Raises OSError: then nothing else can be written either."""
        fresh = self._path.with_suffix(".new")
        text = json.dumps({"at_ns": stamp.at_ns, "boot": stamp.boot, "ended": stamp.ended})
        with fresh.open("w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)


def boot_id(root: Path) -> str:
    """The system's name for this boot; "" where it has none. root: "/"."""
    try:
        return (root / BOOT_ID).read_text(encoding="ascii").strip()[:64]
    except (OSError, UnicodeDecodeError):
        return ""


def was_off(
    last: Stamp | None, boot: str, now_ns: int, least_s: float, zone: tzinfo, *, clock_sure: bool = True
) -> Finding | None:
    """What to tell at a start; None after less than least_s. zone: of the times in words.

    How long it was is not known when the clock stands well before the last sign of life, and after another boot of a
    system that has no clock of its own and has not asked for the time yet (clock_sure False).
    """
    if last is None:
        return None
    away_s = (now_ns - last.at_ns) / 1e9
    rebooted = bool(boot and last.boot and boot != last.boot)
    unknown = away_s < -least_s or (rebooted and not clock_sure and away_s < least_s)
    if away_s < least_s and not unknown:
        return None
    cause = "power" if rebooted else "ended" if last.ended else "crash"
    evidence: dict[str, Evidence] = {"rule": f"{WAS_OFF}/1", "cause": cause, "from": _local(last.at_ns, zone)}
    if not unknown:
        evidence |= {"to": _local(now_ns, zone), "seconds": round(away_s)}
    return Finding(f"{WAS_OFF}:{last.at_ns}", WAS_OFF, None, now_ns, Phase.CONFIRMED, 1.0, (THING,), evidence)


def mains_condition(root: Path) -> Condition | None:
    """Whether the box runs on battery; None where nothing is known of its power. root: "/"."""
    mains: list[bool] = []
    draining: list[bool] = []
    capacity: list[int] = []
    for supply in sorted((root / SUPPLIES).glob("*")):
        kind = _word(supply / "type")
        if kind in ("Mains", "USB", "Wireless") and (online := _word(supply / "online")) in ("0", "1", "2"):
            mains.append(online != "0")
        elif kind in ("Battery", "UPS") and (status := _word(supply / "status")):
            draining.append(status == "Discharging")
            with contextlib.suppress(ValueError):
                capacity.append(int(_word(supply / "capacity")))
    if not mains and not draining:
        return None
    on_battery = not any(mains) if mains else any(draining)
    evidence: dict[str, Evidence] = {"battery_percent": min(capacity)} if capacity else {}
    return Condition(MAINS_LOST, "box:mains", on_battery, evidence, MAINS_BEGIN_S, MAINS_END_S)


def _word(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _local(at_ns: int, zone: tzinfo) -> str:
    return datetime.fromtimestamp(at_ns // 10**9, zone).strftime("%Y-%m-%d %H:%M")
