"""What is known about one device's health, and the exact rules that turn each of its observations into findings.

`TechnicalWatch` handles devices that only give signs of life in arrays; whatever else happens to a device comes here,
one observation after the other. Times are the gateway's own, UTC nanoseconds.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.findings import Evidence, Finding, Phase
from device_drivers.observations import DeviceEvent, Quality, Reading

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from analytics.slots import SlotTable
    from device_drivers.observations import Observation

SECOND_NS = 1_000_000_000
NEVER = 2**62
RULE_VERSION = 1
SILENT_SIGNALS = ("heart_rate", "respiratory_rate", "heart_wave", "breath_wave")
"""Streams that radars stop sending while everything else goes on (known of the MR60BHA1)."""
STATE_SIGNALS = ("presence", "in_range", "bed_occupancy", "worn", "battery_low", "device_fault", "online", "charging")
RECONNECTS, RECONNECT_S = 20, 60.0
"""More connections than this in a minute: the device keeps reconnecting."""
QUIET_S = 120.0
"""After so long without a further connection it has settled."""
_RESUMED = {"not_worn": "worn", "battery_low": "battery", "device_fault": "fault", "reconnecting": "connection"}
_NOBODY = {"presence": (False,), "in_range": (False,), "bed_occupancy": ("left", "none"), "worn": (False,)}


@dataclass(frozen=True, slots=True)
class TechnicalOptions:
    """Limits of one device, in seconds; `math.inf` switches a limit off.

    lost_after_s: silence of the whole device. signal_lost_after_s: silence of heart or breath while the device goes on
    sending and somebody is there. offline_after_s: from the device's path saying that it is gone. not_worn_after_s:
    from taking it off. battery_low, battery_ok: percent; the finding begins at or below the first and ends at or above
    the second. All are typical defaults.
    """

    lost_after_s: float = 300.0
    signal_lost_after_s: float = 120.0
    offline_after_s: float = 60.0
    not_worn_after_s: float = 900.0
    battery_low: float = 20.0
    battery_ok: float = 25.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or math.isnan(value) or value <= 0:
                raise ValueError(f"{name} must be a positive number, not {value!r}")
        if self.battery_ok < self.battery_low:
            raise ValueError(f"battery_ok {self.battery_ok} must not be below battery_low {self.battery_low}")


@dataclass(slots=True)
class Path:
    """A bridge that devices are reached through."""

    device_id: str
    down_ns: int | None = None
    due_ns: int | None = None
    at_ns: int = 0
    episode: str | None = None

    def go_down(self, received_ns: int, at_ns: int, delay_ns: int) -> None:
        self.down_ns, self.at_ns, self.due_ns = received_ns, at_ns, received_ns + delay_ns

    def shift(self, moved_ns: int) -> None:
        if self.down_ns is not None:
            self.down_ns += moved_ns
        if self.due_ns is not None:
            self.due_ns += moved_ns

    def reset(self) -> None:
        self.down_ns = self.due_ns = self.episode = None


class Watch:
    """One attached device. Its timers live in the row `slot` of the shared table; findings go to the shared list."""

    __slots__ = (
        "_away",
        "_battery_flag",
        "_battery_level",
        "_charging",
        "_connects",
        "_episodes",
        "_found",
        "_options",
        "_table",
        "device_id",
        "resident_id",
        "slot",
        "worn_off_ns",
    )

    def __init__(
        self, device_id: str, resident_id: str | None, table: SlotTable, slot: int, found: list[Finding]
    ) -> None:
        self.device_id = device_id
        self.resident_id = resident_id
        self.slot = slot
        self.worn_off_ns: int | None = None
        self._table = table
        self._found = found
        self._options = TechnicalOptions()
        self._episodes: dict[str, str] = {}
        self._away: set[str] = set()
        self._battery_flag = False
        self._battery_level = False
        self._charging: bool | None = None
        self._connects: deque[int] = deque(maxlen=RECONNECTS + 1)

    def set_options(self, options: TechnicalOptions, *, silent: bool) -> None:
        """silent: the device speaks only when something changes, so that its silence means nothing."""
        self._options = options
        limit = NEVER if silent else _ns(options.lost_after_s)
        heard, due = self._table["heard"][self.slot], self._table["due"]
        if "device" not in self._episodes and heard >= 0:
            due[self.slot] = heard + limit if limit != NEVER else NEVER
        self._table["limit"][self.slot] = limit
        self._table["signal_limit"][self.slot] = _ns(options.signal_lost_after_s)

    def start(self, now_ns: int) -> None:
        """Silence counts from here."""
        self._hear(now_ns)

    def take(self, o: Observation, code: int) -> None:
        """One observation; code: 1 + index in SILENT_SIGNALS, or not positive."""
        r = o.received_ns
        if o.signal == "online" and isinstance(o, DeviceEvent) and o.value is False:
            if not o.stored:
                due = self._table["due"]
                due[self.slot] = min(int(due[self.slot]), r + _ns(self._options.offline_after_s))
            return
        if not self.excused and int(self._table["due"][self.slot]) <= r:
            self.lose()
        self._clear("device", "signal_lost", r, {"reason": "heard_again"})
        self._restart_signals_after_silence(r)
        self._hear(r)
        self._watch_signals(r, code - 1)
        if not o.stored:
            self._take_state(o, r)
        self._settle_connection(r)
        self._table["exact"][self.slot] = any(cause not in {"worn", "battery", "fault"} for cause in self._episodes)

    @property
    def excused(self) -> bool:
        """Whether the device cannot be heard because of what lies between: its silence says nothing of it."""
        return bool(self._table["held"][self.slot] or self._table["cut"][self.slot])

    def resume(self, finding: Finding) -> bool:
        """Take over an alert that is still open from before this start; False where it is not of this detector.

        It ends by the same rules as if it had been found here: when the device shows that the cause has gone.
        """
        if finding.kind == "signal_lost":
            name = finding.episode.removeprefix(f"signal_lost:{self.device_id}:").partition(":")[0]
            cause = name if name in SILENT_SIGNALS else "device"
        elif finding.kind in _RESUMED:
            cause = _RESUMED[finding.kind]
        else:
            return False
        self._episodes[cause] = finding.episode
        if cause == "battery":
            self._battery_flag = finding.evidence.get("battery_low") is True
            self._battery_level = not self._battery_flag
        self._table["exact"][self.slot] = True
        if cause == "device":
            self._table["due"][self.slot] = NEVER
        return True

    def lose(self) -> None:
        """The device has been silent too long."""
        due = self._table["due"]
        at_ns = int(due[self.slot])
        due[self.slot] = NEVER
        self._table["exact"][self.slot] = True
        heard = int(self._table["heard"][self.slot])
        self._raise("device", "signal_lost", at_ns, at_ns, {"silent_s": (at_ns - heard) / SECOND_NS})

    def taken_off(self, now_ns: int) -> bool:
        """Raise `not_worn` if it is due by now; true when there is nothing more to wait for."""
        if self.worn_off_ns is None or "worn" in self._episodes:
            return True
        due_ns = self.worn_off_ns + _ns(self._options.not_worn_after_s)
        if due_ns > now_ns:
            return False
        evidence: dict[str, Evidence] = {"not_worn_s": self._options.not_worn_after_s}
        if self._charging is not None:
            evidence["charging"] = self._charging
        self._raise("worn", "not_worn", due_ns, due_ns, evidence)
        return True

    def battery_matters(self, o: Observation) -> bool:
        """False for a battery reading that is high and that nothing waits for."""
        return isinstance(o, Reading) and (
            self._battery_level
            or "battery" in self._episodes
            or self._battery_flag
            or (o.value is not None and o.value <= self._options.battery_ok)
        )

    def clear_all(self, at_ns: int, reason: str) -> None:
        """Clear every open finding."""
        for cause in list(self._episodes):
            self._clear(cause, self._episodes[cause].partition(":")[0], at_ns, {"reason": reason})

    @staticmethod
    def hear_signals(
        table: SlotTable, slot: NDArray[np.int64], index: NDArray[np.int64], received: NDArray[np.int64]
    ) -> None:
        """Note when heart and breath were last heard, for many devices at once. Never heard is NEVER, not early."""
        column, cell = table["signal"].reshape(-1), slot * len(SILENT_SIGNALS) + index
        first = column[cell] == NEVER
        column[cell[first]] = received[first]
        np.maximum.at(column, cell, received)

    def _hear(self, r: int) -> None:
        heard, due, limit = self._table["heard"], self._table["due"], int(self._table["limit"][self.slot])
        heard[self.slot] = max(int(heard[self.slot]), r)
        due[self.slot] = NEVER if limit == NEVER else heard[self.slot] + limit

    def _restart_signals_after_silence(self, r: int) -> None:
        """What the device itself was silent for is not held against its signals."""
        if r - int(self._table["heard"][self.slot]) >= int(self._table["signal_limit"][self.slot]):
            self._restart_signals(r)

    def _restart_signals(self, r: int) -> None:
        column = self._table["signal"][self.slot]
        column[column != NEVER] = r

    def _watch_signals(self, r: int, heard: int) -> None:
        column, limit = self._table["signal"][self.slot], int(self._table["signal_limit"][self.slot])
        if heard >= 0:
            column[heard] = r if column[heard] == NEVER else max(int(column[heard]), r)
            self._clear(SILENT_SIGNALS[heard], "signal_lost", r, {"signal": SILENT_SIGNALS[heard]})
        if self._away:
            return
        for i in np.flatnonzero(r - column >= limit):
            name = SILENT_SIGNALS[i]
            at_ns = int(column[i]) + limit
            evidence: dict[str, Evidence] = {"signal": name, "silent_s": limit / SECOND_NS}
            self._raise(name, "signal_lost", at_ns, at_ns, evidence, part=f"{name}:")

    def _take_state(self, o: Observation, r: int) -> None:
        if isinstance(o, Reading):
            if o.signal == "battery" and o.value is not None and o.quality is Quality.GOOD:
                self._take_battery(o.value, o.at_ns, r)
            return
        if not isinstance(o, DeviceEvent) or o.value is None:
            return
        if o.signal in _NOBODY:
            self._take_presence(o.signal, o.value in _NOBODY[o.signal], r)
        if o.signal == "worn":
            self._take_worn(o.value is True, r)
        elif o.signal == "online" and not o.repeat:
            self._take_connection(r)
        elif o.signal == "charging":
            self._charging = o.value is True
        elif o.signal == "battery_low":
            self._battery_flag = o.value is True
            self._judge_battery(o.at_ns, r, {"battery_low": self._battery_flag})
        elif o.signal == "device_fault":
            self._take_fault(str(o.value), o.at_ns, r)

    def _take_presence(self, signal: str, away: bool, r: int) -> None:
        was_away = bool(self._away)
        self._away.add(signal) if away else self._away.discard(signal)
        if self._away:
            for name in SILENT_SIGNALS:
                self._clear(name, "signal_lost", r, {"signal": name, "reason": "nobody_there"})
        elif was_away:
            self._restart_signals(r)

    def _take_worn(self, worn: bool, r: int) -> None:
        if not worn:
            self.worn_off_ns = r if self.worn_off_ns is None else self.worn_off_ns
            return
        self.taken_off(r)
        self._clear("worn", "not_worn", r, {"worn": True})
        self.worn_off_ns = None

    def _take_connection(self, r: int) -> None:
        """The device has connected once more."""
        connects = self._connects
        connects.append(r)
        if len(connects) > RECONNECTS and 0 <= r - connects[0] <= RECONNECT_S * SECOND_NS:
            self._raise("connection", "reconnecting", r, r, {"connections_per_minute": RECONNECTS})

    def _settle_connection(self, r: int) -> None:
        if "connection" not in self._episodes:
            return
        if not self._connects:
            self._connects.append(r)
        if r - self._connects[-1] >= QUIET_S * SECOND_NS:
            self._clear("connection", "reconnecting", r, {"reason": "settled", "quiet_s": QUIET_S})

    def _take_battery(self, level: float, at_ns: int, r: int) -> None:
        if level <= self._options.battery_low:
            self._battery_level = True
        elif level >= self._options.battery_ok:
            self._battery_level = False
        self._judge_battery(at_ns, r, {"battery": level})

    def _judge_battery(self, at_ns: int, r: int, evidence: dict[str, Evidence]) -> None:
        if self._battery_level or self._battery_flag:
            self._raise("battery", "battery_low", r, at_ns, evidence | {"limit": self._options.battery_low})
        else:
            self._clear("battery", "battery_low", r, evidence)

    def _take_fault(self, word: str, at_ns: int, r: int) -> None:
        if word in {"none", "False"}:
            self._clear("fault", "device_fault", r, {"fault": "none"})
        else:
            self._raise("fault", "device_fault", r, at_ns, {"fault": word})

    def _raise(
        self, cause: str, kind: str, found_ns: int, token_ns: int, evidence: dict[str, Evidence], part: str = ""
    ) -> None:
        if cause not in self._episodes:
            self._episodes[cause] = f"{kind}:{self.device_id}:{part}{token_ns}"
            self._emit(cause, kind, found_ns, Phase.CONFIRMED, evidence)

    def _clear(self, cause: str, kind: str, at_ns: int, evidence: dict[str, Evidence]) -> None:
        if cause in self._episodes:
            self._emit(cause, kind, at_ns, Phase.CLEARED, evidence)
            del self._episodes[cause]

    def _emit(self, cause: str, kind: str, at_ns: int, phase: Phase, evidence: dict[str, Evidence]) -> None:
        facts = {"rule": f"{kind}/{RULE_VERSION}"} | evidence
        episode = self._episodes[cause]
        self._found.append(Finding(episode, kind, self.resident_id, at_ns, phase, 1.0, (self.device_id,), facts))


def _ns(seconds: float) -> int:
    return NEVER if math.isinf(seconds) else min(int(seconds * SECOND_NS), NEVER)
