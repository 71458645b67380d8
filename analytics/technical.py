"""Faults of the equipment: signal lost, not worn, battery low, device fault, path down. One finding for each cause.

All timers here run on the gateway's own times (`received_ns` and the `now` of a step): silence is about what has
arrived, not about a device's clock. What a device had stored counts as a sign of life and as nothing else.

Silence is counted only while somebody was watching: when neither a step nor an observation came for `HOLE_S`, the
process stood still or its clock jumped, and that time is taken out of every timer instead of declaring all devices
lost. So `step` must be called at least every minute.

A device whose id ends in "/bridge" is a path. It is watched as soon as it or one device behind it (same prefix) is
attached. While it is down, the silence of the devices behind it is not counted and raises nothing.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from analytics.columns import Columns, Slots, coded, everything
from analytics.device_watch import (
    NEVER,
    RULE_VERSION,
    SECOND_NS,
    SILENT_SIGNALS,
    STATE_SIGNALS,
    Path,
    TechnicalOptions,
    Watch,
)
from analytics.findings import Evidence, Finding, Phase
from analytics.slots import Column, SlotTable
from device_drivers.observations import DeviceEvent

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from device_drivers.observations import Observation

HOLE_S = 60.0
BRIDGE = "/bridge"
NOT_YET = -(2**62)
_STATE, _BATTERY = -1, -2
_CODES = (
    {name: i + 1 for i, name in enumerate(SILENT_SIGNALS)}
    | dict.fromkeys(STATE_SIGNALS, _STATE)
    | {"battery": _BATTERY}
)
_CODE_OF = coded(_CODES.get, 0)
_ONLINE = "online"


class _Heard(NamedTuple):
    """Observations of attached devices in the order of arrival, with slot, code and time of receipt, each (n,)."""

    observations: list[Observation]
    slot: NDArray[np.int64]
    code: NDArray[np.int64]
    received_ns: NDArray[np.int64]


class TechnicalWatch:
    """Detector of equipment faults.

    path_delay_s: how long a path may be down before it is reported. path_grace_s: the least time the devices behind
    it have to speak again after it has come back.
    """

    signals: ClassVar[frozenset[str] | None] = None
    """Every observation is a sign of life."""
    attach_options: ClassVar[tuple[str, ...]] = tuple(field.name for field in fields(TechnicalOptions))

    def __init__(self, *, path_delay_s: float = 0.0, path_grace_s: float = 120.0) -> None:
        self._table = SlotTable(
            {
                "due": Column(np.int64, NEVER),
                "limit": Column(np.int64, NEVER),
                "heard": Column(np.int64, NOT_YET),
                "signal_limit": Column(np.int64, NEVER),
                "signal": Column(np.int64, NEVER, len(SILENT_SIGNALS)),
                "exact": Column(np.bool_, False),
                "held": Column(np.bool_, False),
                "cut": Column(np.bool_, False),
            }
        )
        self._path_delay_ns = int(path_delay_s * SECOND_NS)
        self._path_grace_ns = int(path_grace_s * SECOND_NS)
        self._watches: dict[str, Watch] = {}
        self._watch_at: dict[int, Watch] = {}
        self._paths: dict[str, Path] = {}
        self._cut: dict[str, int] = {}
        self._taken_off: dict[str, Watch] = {}
        self._unmarked: list[Watch] = []
        self._mark: int | None = None
        self._slots = Slots()
        self._queue: list[_Heard] = []
        self._found: list[Finding] = []

    def attach(self, device_id: str, resident_id: str | None, **options: Any) -> None:
        """Start to watch a device; its silence counts from now. options: the fields of `TechnicalOptions`.

        Attaching again under the same resident only changes the limits. Raises TypeError for an unknown option and
        ValueError for one that is not a positive number.
        """
        wanted = TechnicalOptions(**options)
        known = self._watches.get(device_id)
        if known is not None and known.resident_id != resident_id:
            self.detach(device_id)
            known = None
        self._absorb()
        if known is None:
            known = Watch(device_id, resident_id, self._table, self._table.acquire(), self._found)
            self._watches[device_id] = self._watch_at[known.slot] = known
            self._slots.put(device_id, known.slot)
            path = self._path_of(device_id)
            self._table["held"][known.slot] = path is not None and path.down_ns is not None
            self._table["cut"][known.slot] = device_id in self._cut
            self._unmarked.append(known)
        known.set_options(wanted, silent=device_id.endswith(BRIDGE) and "lost_after_s" not in options)
        if self._mark is not None:
            self._start_unmarked(self._mark)

    def detach(self, device_id: str) -> None:
        """Stop watching; its open findings are cleared at the next step, because it is nobody's device any more."""
        self._absorb()
        watch = self._watches.pop(device_id, None)
        if watch is None:
            return
        watch.clear_all(self._mark or 0, "detached")
        self._taken_off.pop(device_id, None)
        self._unmarked = [other for other in self._unmarked if other is not watch]
        del self._watch_at[watch.slot]
        self._slots.remove(device_id)
        self._table.release(watch.slot)
        prefix = _prefix(device_id)
        if prefix in self._paths and not self._is_watched_path(prefix):
            path = self._paths.pop(prefix)
            self._clear_path(path, self._mark or 0, "detached")

    def cut_off(self, device_ids: Collection[str], now_ns: int) -> None:
        """Exactly these devices cannot be heard now, because the gateway's own way to them is interrupted.

        Their silence is not counted meanwhile; afterwards they have the time back, and the grace period at least.
        """
        self._absorb()
        self._advance_mark(now_ns)
        table = self._table
        for device_id in [one for one in self._cut if one not in device_ids]:
            since_ns, watch = self._cut.pop(device_id), self._watches.get(device_id)
            if watch is None:
                continue
            table["cut"][watch.slot] = False
            due = int(table["due"][watch.slot])
            if due != NEVER:
                since_ns = max(since_ns, due - int(table["limit"][watch.slot]))
                table["due"][watch.slot] = max(due + now_ns - since_ns, now_ns + self._path_grace_ns)
        for device_id in device_ids:
            if device_id not in self._cut:
                self._cut[device_id] = now_ns
                if device_id in self._watches:
                    table["cut"][self._watches[device_id].slot] = True

    def resume(self, finding: Finding, now_ns: int) -> bool:
        """An alert that is still open from before this start: it ends when its device shows that the cause has gone.

        Silence never ends it. False where it is of no device that is watched here, or not of this detector.
        """
        self._advance_mark(now_ns)
        device_id = finding.devices[0] if finding.devices else ""
        if finding.kind == "path_down":
            prefix = _prefix(device_id)
            if not device_id.endswith(BRIDGE) or not self._is_watched_path(prefix):
                return False
            path = self._paths.setdefault(prefix, Path(device_id))
            path.go_down(now_ns, finding.at_ns, 0)
            path.due_ns, path.episode = None, finding.episode
            self._table["held"][self._behind(prefix)] = True
            return True
        watch = self._watches.get(device_id)
        return watch is not None and watch.resume(finding)

    def ingest(self, observations: Sequence[Observation]) -> None:
        """Queue what attached devices sent."""
        columns = Columns(observations)
        self.take(columns, everything(columns))

    def take(self, columns: Columns, chosen: NDArray[np.int64]) -> None:
        """The same with observations as arrays; one by one only where a bridge speaks or time has a hole."""
        slot, code = self._slots.of(columns, chosen), _CODE_OF[columns.signal[chosen]]
        received = columns.received_ns[chosen]
        bridges = any(columns.device_id[i].endswith(BRIDGE) for i in chosen[code == _STATE].tolist())
        kept = (slot >= 0) & (received >= 0) & (received < NEVER)
        if bridges or self._has_hole(received[kept]):
            for i in chosen.tolist():
                self._take_one(columns.observations[i])
            return
        chosen, slot, code, received = chosen[kept], slot[kept], code[kept], received[kept]
        if not chosen.size:
            return
        self._mark = max(int(received.max()), NOT_YET if self._mark is None else self._mark)
        for i in np.flatnonzero(code == _BATTERY).tolist():
            if not self._watch_at[int(slot[i])].battery_matters(columns.observations[chosen[i]]):
                code[i] = 0
        self._queue.append(_Heard([columns.observations[i] for i in chosen.tolist()], slot, code, received))

    def _has_hole(self, received: NDArray[np.int64]) -> bool:
        """Whether times lie so far apart, or from the last watched time, that timers may have to be moved."""
        if not received.size:
            return False
        earliest, latest = int(received.min()), int(received.max())
        if self._mark is None:
            return True
        return max(latest, self._mark) - min(earliest, self._mark) > HOLE_S * SECOND_NS

    def _take_one(self, o: Observation) -> None:
        code, watch, received = _CODES.get(o.signal, 0), self._watches.get(o.device_id), o.received_ns
        bridge = code == _STATE and o.device_id.endswith(BRIDGE)
        if (watch is None and not bridge) or not 0 <= received < NEVER:
            return
        mark, hole = NOT_YET if self._mark is None else self._mark, int(HOLE_S * SECOND_NS)
        if received > mark:
            if received - mark > hole:
                self._advance_mark(received)
            self._mark = received
        elif mark - received > hole:
            self._advance_mark(received)
        if bridge:
            self._bridge(o)
        elif watch is not None:
            if code == _BATTERY and not watch.battery_matters(o):
                code = 0
            place = (np.array([number], dtype=np.int64) for number in (watch.slot, code, received))
            self._queue.append(_Heard([o], *place))

    def step(self, now_ns: int) -> list[Finding]:
        """Faults known by now, in order of time."""
        self._absorb()
        self._advance_mark(now_ns)
        self._expire(now_ns)
        found = sorted(self._found, key=lambda finding: (finding.at_ns, finding.episode))
        self._found.clear()
        return found

    def _start_unmarked(self, now_ns: int) -> None:
        for watch in self._unmarked:
            watch.start(now_ns)
        self._unmarked.clear()

    def _advance_mark(self, now_ns: int) -> None:
        """Move the last watched time to now; a hole or a clock set back shifts all timers with it."""
        if self._mark is None:
            self._mark = now_ns
            self._start_unmarked(now_ns)
            return
        moved = now_ns - self._mark
        if abs(moved) <= HOLE_S * SECOND_NS:
            self._mark = max(self._mark, now_ns)
            return
        self._absorb()
        self._expire(self._mark)
        for name in ("due", "heard", "signal"):
            column = self._table[name]
            column[(column != NEVER) & (column != NOT_YET)] += moved
        for watch in self._watches.values():
            if watch.worn_off_ns is not None:
                watch.worn_off_ns += moved
        for path in self._paths.values():
            path.shift(moved)
        self._cut = {device_id: since_ns + moved for device_id, since_ns in self._cut.items()}
        self._mark = now_ns

    def _absorb(self) -> None:
        """Work through the queue: devices with nothing but signs of life all at once, the others one by one."""
        if not self._queue:
            return
        table = self._table
        observations = [o for heard in self._queue for o in heard.observations]
        slot, code, received = (np.concatenate([heard[field] for heard in self._queue]) for field in (1, 2, 3))
        self._queue.clear()
        end = table["heard"].copy()
        np.maximum.at(end, slot, received)
        exact = table["exact"].copy()
        exact[slot[code < 0]] = True
        exact |= end >= table["due"]
        # In the grace after a path's return, a due time beyond the usual hides a silence within this queue.
        exact |= (table["due"] < NEVER) & (table["due"] - table["limit"] > table["heard"])
        exact |= (end[:, None] - table["signal"] >= table["signal_limit"][:, None]).any(axis=1)
        plain = ~exact[slot]
        quick = slot[plain]
        table["heard"][quick] = end[quick]
        table["due"][quick] = end[quick] + table["limit"][quick]
        silent = plain & (code > 0)
        Watch.hear_signals(table, slot[silent], code[silent] - 1, received[silent])
        for i in np.flatnonzero(~plain):
            watch = self._watch_at[int(slot[i])]
            watch.take(observations[i], int(code[i]))
            if watch.worn_off_ns is not None:
                self._taken_off[watch.device_id] = watch

    def _expire(self, now_ns: int) -> None:
        """Raise everything that has been due at some time up to now."""
        table = self._table
        for slot in np.flatnonzero((table["due"] <= now_ns) & ~table["held"] & ~table["cut"]):
            self._watch_at[int(slot)].lose()
        for watch in [watch for watch in self._taken_off.values() if watch.taken_off(now_ns)]:
            del self._taken_off[watch.device_id]
        for path in self._paths.values():
            self._raise_path(path, now_ns)

    def _bridge(self, o: Observation) -> None:
        prefix = _prefix(o.device_id)
        if o.signal != _ONLINE or not isinstance(o, DeviceEvent) or o.stored or not self._is_watched_path(prefix):
            return
        self._absorb()
        self._expire(o.received_ns)
        path = self._paths.setdefault(prefix, Path(o.device_id))
        if o.value is False and path.down_ns is None:
            path.go_down(o.received_ns, o.at_ns, self._path_delay_ns)
            self._table["held"][self._behind(prefix)] = True
        elif o.value is True and path.down_ns is not None:
            self._raise_path(path, o.received_ns)
            self._clear_path(path, o.received_ns, "returned")

    def _raise_path(self, path: Path, now_ns: int) -> None:
        if path.due_ns is None or path.due_ns > now_ns:
            return
        path.episode = f"path_down:{path.device_id}:{path.at_ns}"
        at_ns, path.due_ns = path.due_ns, None
        self._found.append(self._path_finding(path, at_ns, Phase.CONFIRMED, "offline"))

    def _clear_path(self, path: Path, now_ns: int, reason: str) -> None:
        """The devices behind the path get the time back that it was down, and the grace period at least."""
        behind = self._behind(_prefix(path.device_id))
        due = self._table["due"]
        if path.down_ns is not None:
            waited = np.where(due[behind] == NEVER, 0, now_ns - path.down_ns)
            due[behind] = np.maximum(due[behind] + waited, now_ns + self._path_grace_ns)
        self._table["held"][behind] = False
        if path.episode is not None:
            self._found.append(self._path_finding(path, now_ns, Phase.CLEARED, reason))
        path.reset()

    def _path_finding(self, path: Path, at_ns: int, phase: Phase, reason: str) -> Finding:
        watch = self._watches.get(path.device_id)
        behind = len(self._behind(_prefix(path.device_id)))
        evidence: dict[str, Evidence] = {
            "rule": f"path_down/{RULE_VERSION}",
            "reason": reason,
            "devices_behind": behind,
        }
        resident_id = watch.resident_id if watch else None
        return Finding(path.episode or "", "path_down", resident_id, at_ns, phase, 1.0, (path.device_id,), evidence)

    def _behind(self, prefix: str) -> list[int]:
        return [
            watch.slot
            for device_id, watch in self._watches.items()
            if device_id.startswith(prefix) and not device_id.endswith(BRIDGE)
        ]

    def _is_watched_path(self, prefix: str) -> bool:
        return any(device_id.startswith(prefix) for device_id in self._watches)

    def _path_of(self, device_id: str) -> Path | None:
        return next((path for prefix, path in self._paths.items() if device_id.startswith(prefix)), None)


def _prefix(device_id: str) -> str:
    """What the ids of a bridge and of the devices behind it begin with: "home/bridge" and "home/sos": "home/"."""
    return device_id[: device_id.rfind("/") + 1]
