"""Keeps Home Assistant's picture of Yinling true: looks every two seconds, publishes what changed."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from gateway.home_assistant import Picture, Publisher

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from device_drivers.transports.mqtt_session import MqttSession
    from gateway.alerts.lifecycle import Alert
    from gateway.context import Context
    from gateway.registry import Resident


class HomeAssistantLink:
    """One session on the broker. `start()`, then `look()` again and again; `stop()` ends it and tells so."""

    def __init__(self, session: MqttSession, context: Context) -> None:
        self.session = session
        self._context = context
        settings = context.settings
        self._publisher = Publisher(settings.home_assistant, settings.site.language, settings.site.name)
        self._connects = 0

    def start(self) -> None:
        """Connect and stay connected."""
        self.session.start()

    async def look(self) -> None:
        """Publish what is not so on the broker."""
        health = self.session.health
        if not health.connected:
            return
        context = self._context
        residents, devices, alerts = await context.in_database(self._read)
        picture = Picture(context.clock(), residents, devices, alerts, context.health(), context.live)
        first = self._publisher.connected() if health.connects != self._connects else []
        self._connects = health.connects
        for topic, payload in (*first, *self._publisher.messages(picture)):
            self.session.publish(topic, payload, retain=True)

    def stop(self) -> None:
        """Disconnect; the session's last will says that we are gone."""
        self.session.stop()

    def _read(self) -> tuple[Sequence[Resident], Mapping[str, Sequence[str]], Sequence[Alert]]:
        devices: dict[str, list[str]] = defaultdict(list)
        for device_id, resident_id in self._context.registry.owners().items():
            if resident_id is not None:
                devices[resident_id].append(device_id)
        return self._context.registry.residents(), devices, self._context.alerts.open_alerts()
