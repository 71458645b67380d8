"""A bed sensor with an alarm button made for Alibaba's IoT platform (Alink JSON), without hardware.

It posts properties and events under its product key and name; an event is posted again every 5 s until the reply with
its id and code 200 has come, as devices with the platform's own software do.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from device_drivers.generic_json.platforms import alink_event, alink_message
from simulators.zigbee import Published

if TYPE_CHECKING:
    from collections.abc import Iterable

SECOND_NS = 1_000_000_000
AGAIN_NS = 5 * SECOND_NS
REPORT_NS = 10 * SECOND_NS
GOOD = 200


class AlinkDevice:
    """Model of one device. id: `<product key>/<device name>`. in_bed, heart_rate: what it reports every 10 s."""

    will: tuple[str, bytes] | None = None

    def __init__(self, device_id: str) -> None:
        self.product, _, self.name = device_id.partition("/")
        self.listens: tuple[str, ...] = (f"/sys/{device_id}/thing/event/+/post_reply",)
        self.in_bed = True
        self.heart_rate = 64
        self._id = 0
        self._reported_ns: int | None = None
        self._unanswered: dict[str, tuple[Published, int]] = {}

    @property
    def unanswered(self) -> int:
        """Events whose reply has not come yet."""
        return len(self._unanswered)

    def event(self, name: str, now_ns: int) -> list[Published]:
        """An event such as "SOS": posted now, and again until it is answered."""
        self._id += 1
        message = Published(*alink_event(self.product, self.name, name, self._id, now_ns // 1_000_000))
        self._unanswered[str(self._id)] = (message, now_ns)
        return [message]

    def report(self, now_ns: int) -> list[Published]:
        """Its properties, now."""
        self._id += 1
        self._reported_ns = now_ns
        said: dict[str, Any] = {"Bed": int(self.in_bed), "HR": self.heart_rate if self.in_bed else 0}
        return [Published(*alink_message(self.product, self.name, self._id, now_ns // 1_000_000, **said))]

    def heard(self, topic: str, payload: bytes) -> None:  # noqa: ARG002 - the id tells which event it answers
        """A reply of the platform."""
        answer = json.loads(payload)
        if answer.get("code") == GOOD:
            self._unanswered.pop(str(answer.get("id")), None)

    def tick(self, now_ns: int) -> Iterable[Published]:
        """What is due: the report, and events without a reply."""
        due = [key for key, (_, sent_ns) in self._unanswered.items() if now_ns - sent_ns >= AGAIN_NS]
        out = [self._unanswered[key][0] for key in due]
        self._unanswered |= {key: (self._unanswered[key][0], now_ns) for key in due}
        if self._reported_ns is None or now_ns - self._reported_ns >= REPORT_NS:
            out += self.report(now_ns)
        return out
