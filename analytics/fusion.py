"""One fall, seen by several devices, is one stream of findings with one episode.

Falls and help calls of one resident that lie within a window of each other are joined. The episode is that of the first
finding reported; later findings carry all devices, the evidence of each under "<device>.", and the combined
confidence 1 - (1-p1)(1-p2)... The phase never goes back:

* two devices that both suspect a fall, or one that is sure, make it confirmed;
* a help button pressed while a fall is suspected (or known) makes it confirmed with `help_button` in its evidence;
* a device that takes its own conclusion back is evidence only, as long as another one's still stands.

A help call that comes first stays a help call: it is already as urgent as a fall and somebody is being told. A fall
that joins it is not a second alert but evidence (`fall`: suspected or confirmed) of the open one, which is sent on as a
further finding. So there is one alert and nothing is hidden. Devices never clear a help call.

After `answered` (a person has taken the alert) a help call is a new one: somebody calls again. What other devices say
of the same fall still joins.

After `close` new evidence begins a new episode, even within the window. A device that had only suspected the closed
fall and now confirms it is heard again, under its episode's name with "+" and a number.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING

from analytics.findings import Evidence, Finding, Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

SECOND_NS = 1_000_000_000
WINDOW_S = 60.0
KINDS_JOINED = frozenset({"fall", "help_call"})
KEPT_CLOSED = 256
KEPT_GROUPS = 64
KEPT_MEMBERS = 16
VERSION = 1
_RANK = {Phase.CLEARED: 0, Phase.SUSPECTED: 1, Phase.CONFIRMED: 2}


@dataclass(slots=True)
class _Group:
    """What the devices say about one happening; `said` holds the latest finding of each device's episode."""

    episode: str
    kind: str
    first_ns: int
    last_ns: int
    phase: Phase
    answered: bool = False
    said: dict[str, Finding] = field(default_factory=dict)

    def near(self, at_ns: int, window_ns: int) -> bool:
        return self.first_ns - window_ns <= at_ns <= self.last_ns + window_ns

    def hear(self, finding: Finding) -> None:
        """Keep it in place of what the same device has taken back, or of its earlier press."""
        for name, old in list(self.said.items()):
            over = old.phase is Phase.CLEARED or old.kind == "help_call"
            if over and name != finding.episode and (old.kind, old.devices) == (finding.kind, finding.devices):
                del self.said[name]
        self.said[finding.episode] = finding
        while len(self.said) > KEPT_MEMBERS:
            del self.said[next(iter(self.said))]

    def members(self) -> tuple[str, ...]:
        return tuple(self.said)


class FallFusion:
    """Joins the falls and help calls of each resident; every other finding passes unchanged.

    window_s: see above. around: what else is known of a fall, by resident and time (ns); added to its evidence.
    """

    def __init__(
        self,
        *,
        window_s: float = WINDOW_S,
        around: Callable[[str | None, int], Mapping[str, Evidence]] = lambda *_: {},
    ) -> None:
        self._window_ns = int(window_s * SECOND_NS)
        self._around = around
        self._groups: dict[str, list[_Group]] = {}
        self._closed: OrderedDict[str, int] = OrderedDict()

    def fuse(self, findings: Iterable[Finding]) -> list[Finding]:
        """The findings of one step, in order; given back in the same order, joined."""
        fused = (self._join(finding) if finding.kind in KINDS_JOINED else finding for finding in findings)
        return [self._placed(finding) for finding in fused if finding is not None]

    def _placed(self, finding: Finding) -> Finding:
        """A fall with what is known of its surroundings."""
        known = self._around(finding.resident_id, finding.at_ns) if finding.kind == "fall" else {}
        return replace(finding, evidence={**finding.evidence, **known}) if known else finding

    def close(self, episode: str) -> tuple[str, ...]:
        """Forget an episode that a person has resolved; gives the devices' own episodes that were joined in it."""
        for key, groups in self._groups.items():
            for group in groups:
                if group.episode == episode:
                    groups.remove(group)
                    if not groups:
                        del self._groups[key]
                    members = group.members()
                    for member in members:
                        self._remember_closed(member)
                    return members
        return ()

    def answered(self, episode: str) -> None:
        """A person has taken the alert of this episode."""
        for groups in self._groups.values():
            for group in groups:
                if group.episode == episode:
                    group.answered = True

    def forget(self, device_id: str) -> None:
        """Drop what this device said; a happening that nobody else speaks of is dropped with it."""
        for key in list(self._groups):
            for group in self._groups[key]:
                group.said = {name: f for name, f in group.said.items() if device_id not in f.devices}
            self._groups[key] = [group for group in self._groups[key] if group.said]
            if not self._groups[key]:
                del self._groups[key]

    def _join(self, finding: Finding) -> Finding | None:
        owner = f"resident {finding.resident_id}" if finding.resident_id is not None else f"device {finding.devices}"
        known = self._known(owner, finding)
        if known is not None:
            return self._add(known, finding)
        if finding.episode in self._closed:
            if finding.phase is not Phase.CONFIRMED:
                return None
            self._closed[finding.episode] += 1
            finding = replace(finding, episode=f"{finding.episode}+{self._closed[finding.episode]}")
        if finding.phase is Phase.CLEARED:
            return finding
        groups = self._groups.setdefault(owner, [])
        groups.append(
            _Group(
                finding.episode,
                finding.kind,
                finding.at_ns,
                finding.at_ns,
                finding.phase,
                said={finding.episode: finding},
            )
        )
        del groups[:-KEPT_GROUPS]
        return finding

    def _known(self, owner: str, finding: Finding) -> _Group | None:
        """The group that already holds this episode, or else the open one near in time."""
        groups = self._groups.get(owner, [])
        for group in reversed(groups):
            if finding.episode in group.said:
                return group
        if finding.episode in self._closed or finding.phase is Phase.CLEARED:
            return None
        for group in reversed(groups):
            if group.answered and finding.kind == "help_call":
                continue
            if group.phase is not Phase.CLEARED and group.near(finding.at_ns, self._window_ns):
                return group
        return None

    def _add(self, group: _Group, finding: Finding) -> Finding:
        group.hear(finding)
        group.first_ns = min(group.first_ns, finding.at_ns)
        group.last_ns = max(group.last_ns, finding.at_ns)
        phase = _phase(group)
        group.phase = phase
        if len(group.said) == 1:
            return replace(finding, episode=group.episode, kind=group.kind, phase=phase)
        standing = [f for f in group.said.values() if f.phase is not Phase.CLEARED] or [finding]
        by_device: dict[str, float] = {}
        for f in standing:
            for device_id in f.devices:
                by_device[device_id] = max(by_device.get(device_id, 0.0), f.confidence)
        devices = tuple(dict.fromkeys(device_id for f in group.said.values() for device_id in f.devices))
        confidence = 1.0 - prod(1.0 - p for p in by_device.values())
        return Finding(
            group.episode, group.kind, finding.resident_id, finding.at_ns, phase, confidence, devices, _evidence(group)
        )

    def _remember_closed(self, episode: str) -> None:
        base, _, number = episode.rpartition("+")
        if base in self._closed and number.isdigit():
            episode = base
        self._closed.setdefault(episode, 1)
        self._closed.move_to_end(episode)
        if len(self._closed) > KEPT_CLOSED:
            self._closed.popitem(last=False)


def _phase(group: _Group) -> Phase:
    """The furthest phase that what stands allows, never behind what was said before, cleared only when all clear."""
    said = list(group.said.values())
    if any(f.kind == "help_call" for f in said):
        return Phase.CONFIRMED
    falls = [f for f in said if f.kind == "fall"]
    if all(f.phase is Phase.CLEARED for f in falls):
        return Phase.CLEARED
    suspecting = {f.devices for f in falls if f.phase is Phase.SUSPECTED}
    sure = any(f.phase is Phase.CONFIRMED for f in said) or len(suspecting) > 1
    return Phase.CONFIRMED if sure or group.phase is Phase.CONFIRMED else Phase.SUSPECTED


def _evidence(group: _Group) -> dict[str, Evidence]:
    said = group.said.values()
    evidence: dict[str, Evidence] = {"rule": f"fall_fusion/{VERSION}", "sources": len(group.said)}
    if any(f.kind == "help_call" for f in said):
        evidence["help_button"] = True
    falls = [f.phase for f in said if f.kind == "fall"]
    if group.kind == "help_call" and falls:
        evidence["fall"] = str(max(falls, key=_RANK.__getitem__))
    for f in said:
        name = "+".join(f.devices)
        evidence[f"{name}.phase"] = str(f.phase)
        evidence.update({f"{name}.{key}": value for key, value in f.evidence.items()})
    return evidence
