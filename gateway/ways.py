"""The ways in as they stand now: serial lines, MQTT families and TCP ports, for those who ask about a device."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.mishaps import Mishaps
from gateway.sources import MqttSource, SerialSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from gateway.sources import Source
    from gateway.tcp_source import TcpSource


@dataclass(frozen=True, slots=True)
class WayIn:
    """One way in. name: machine word ("serial:radar-1"); kind: "serial", "mqtt" or "tcp"; error: why it is down.

    line: the device on a serial line, absent elsewhere. talkers: devices heard through it. online: the devices that
    have a connection, None where a device has none of its own. strangers: ids that knock and are not registered, with
    their families. faults: trouble with single devices, in words. mishaps: by topic or device.
    """

    name: str
    kind: str
    connected: bool
    families: AbstractSet[str]
    error: str | None = None
    line: str | None = None
    frames: int | None = None
    talkers: AbstractSet[str] = frozenset()
    online: AbstractSet[str] | None = None
    strangers: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    mishaps: Mapping[str, Mishaps] = field(default_factory=dict)

    def leads_to(self, device_id: str, family: str) -> bool:
        """Whether a device of this family that was never heard would come this way."""
        if self.line is None:
            return family in self.families
        return family in self.families and (device_id == self.line or device_id.startswith(f"{self.line}/"))


def ways_in(sources: Iterable[Source]) -> list[WayIn]:
    """Every way in; the sessions of one MQTT family are one."""
    found: dict[str, WayIn] = {}
    for source in sources:
        if isinstance(source, SerialSource):
            found[source.name] = _serial(source)
        elif isinstance(source, MqttSource):
            name = f"mqtt:{source.codec.family}"
            found[name] = _mqtt(name, source, found.get(name))
        else:
            found[source.name] = _tcp(source)
    return list(found.values())


def _serial(source: SerialSource) -> WayIn:
    codec, health = source.codec, source.line.health
    return WayIn(
        name=source.name,
        kind="serial",
        connected=source.connected,
        families=frozenset({codec.family}),
        error=None if source.connected else health.last_error,
        line=codec.device_id,
        frames=codec.health.frames,
        talkers=source.talkers,
        mishaps=source.mishaps.by_place,
    )


def _mqtt(name: str, source: MqttSource, before: WayIn | None) -> WayIn:
    health = source.session.health
    refused = "the broker refused a subscription" if health.unsubscribed else None
    error = refused if source.connected else health.last_error
    return WayIn(
        name=name,
        kind="mqtt",
        connected=source.connected and not health.unsubscribed and (before is None or before.connected),
        families=frozenset({source.codec.family}),
        error=error or (before.error if before is not None else None),
        talkers=source.talkers | (before.talkers if before is not None else frozenset()),
        mishaps=source.mishaps.by_place,
    )


def _tcp(source: TcpSource) -> WayIn:
    return WayIn(
        name=source.name,
        kind="tcp",
        connected=source.connected,
        families=source.families,
        error=None if source.connected else source.listener.health.last_error,
        talkers=source.talkers,
        online=source.connected_devices,
        strangers=source.unknown,
        faults=source.faults,
        mishaps=source.mishaps(),
    )
