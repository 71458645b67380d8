"""What the codecs of watches, pendants and trackers share: whose stream it is, times, positions, alarms, answers.

These devices come over TCP from the mobile network. Their clocks may never have been set, they repeat an alarm until
it is answered, some keep an alarm bit set in every later report, and their positions are personal data. The rules for
all of that stand here once.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from device_drivers.codec import StreamCodec
from device_drivers.observations import DeviceEvent, Observation, Quality, Reading
from device_drivers.signals import reading

if TYPE_CHECKING:
    from collections.abc import Mapping

SECOND_NS = 1_000_000_000
FIRST_NS = 1_577_836_800 * SECOND_NS
"""2020-01-01: an older time of a device means that its clock was never set."""
LAST_NS = 4_102_444_800 * SECOND_NS
"""2100-01-01: a later time is no time."""
SAME_ALARM_NS = 30 * SECOND_NS
"""Without a clock, equal alarms within this time are one alarm that was sent again for want of an answer."""
KEPT_ALARMS = 64
MAX_ANSWERS = 4_096
POSITION_CHOICES = ("all", "alarms", "none")


@dataclass(frozen=True, slots=True)
class When:
    """When something happened: the believed time, receipt, whether it is history; token: the device's own time."""

    at_ns: int
    received_ns: int
    stored: bool = False
    token: str | None = None


def when(device_ns: int | None, received_ns: int, *, stored: bool = False) -> When:
    """The device's own time (UTC ns) where its clock was ever set, else the time of receipt.

    A clock that is set and wrong is judged where all devices' clocks are: what it says is passed on as it is.
    """
    if device_ns is None or not FIRST_NS <= device_ns < LAST_NS:
        return When(received_ns, received_ns, stored)
    return When(device_ns, received_ns, stored, str(device_ns // SECOND_NS))


def same_id(one: str, other: str) -> bool:
    """Whether two ids are the same; JT/T 808 fills ids up with zeros in front."""
    return one == other or one.lstrip("0") == other.lstrip("0") != ""


class TrackerCodec(StreamCodec):
    """Base of the codecs, with the options that all these families have.

    identity: the device's own id; frames of another id in this stream are refused. Absent: any id is taken.
    positions: "all" (default), "alarms" (only with an alarm) or "none". Raises ValueError for another word.
    """

    def __init__(self, device_id: str, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(device_id)
        given = options or {}
        self._identity = str(given["identity"]) if given.get("identity") else None
        self._positions = str(given.get("positions", "all"))
        if self._positions not in POSITION_CHOICES:
            raise ValueError(f"positions is {self._positions!r}; give one of {', '.join(POSITION_CHOICES)}")
        self._answers = bytearray()
        self._known: dict[str, bool | str] = {}
        self._raised: set[str] = set()
        self._told: OrderedDict[tuple[str, str | bytes], int] = OrderedDict()

    def answers(self) -> bytes:
        out = bytes(self._answers)
        self._answers.clear()
        return out

    def on_open(self) -> bytes:
        """A new connection: what the last one left unfinished is gone, what is known of the device stays."""
        self._answers.clear()
        self._restart()
        return b""

    def drop(self) -> None:
        self._restart()

    @abstractmethod
    def _restart(self) -> None:
        """Begin with an empty buffer."""

    def _answer(self, data: bytes) -> None:
        """Put an answer in line; a transport that never fetches them costs no memory."""
        if len(self._answers) + len(data) <= MAX_ANSWERS:
            self._answers += data

    def _accept(self, stated: str, raw: bytes) -> bool:
        """Whether a frame that states this id belongs to this stream's device; refuses it otherwise."""
        if self._identity is not None and not same_id(self._identity, stated):
            self.reject("identity", raw, expected=self._identity, found=stated)
            return False
        if self.stated_id is None:
            self.stated_id = stated
        return True

    def _reading(self, signal: str, value: float | None, moment: When, quality: Quality = Quality.GOOD) -> Reading:
        return reading(self.device_id, signal, value, moment.at_ns, moment.received_ns, quality, stored=moment.stored)

    def _state(self, signal: str, value: bool | str, moment: When) -> DeviceEvent:
        """A state the device reports again and again: a repeat unless it differs from what was known."""
        repeat = self._known.get(signal) == value
        if not moment.stored:
            self._known[signal] = value
        return self._event(signal, value, moment, repeat=repeat)

    def _event(
        self,
        signal: str,
        value: bool | str,
        moment: When,
        quality: Quality = Quality.GOOD,
        *,
        repeat: bool = False,
    ) -> DeviceEvent:
        return DeviceEvent(
            self.device_id,
            signal,
            value,
            moment.at_ns,
            moment.received_ns,
            quality,
            stored=moment.stored,
            repeat=repeat,
            token=moment.token,
        )

    def _alarm(self, signal: str, moment: When, content: bytes, quality: Quality = Quality.GOOD) -> DeviceEvent:
        """An alarm that the device sends again until it is answered: the same one (by time or content) is a repeat."""
        key = (signal, moment.token or content)
        seen = self._told.get(key)
        recent = seen is not None and (moment.token is not None or moment.received_ns - seen < SAME_ALARM_NS)
        self._told[key] = moment.received_ns
        self._told.move_to_end(key)
        if len(self._told) > KEPT_ALARMS:
            self._told.popitem(last=False)
        return self._event(signal, True, moment, quality, repeat=recent)

    def _alarm_bit(self, signal: str, moment: When, quality: Quality = Quality.GOOD) -> DeviceEvent:
        """An alarm bit in a periodic report: a repeat while it stays set from one live report to the next."""
        return self._event(signal, True, moment, quality, repeat=signal in self._raised)

    def _alarms_now(self, signals: set[str], moment: When) -> None:
        """These alarm bits are set in the report just handled."""
        if not moment.stored:
            self._raised = signals

    def _place(
        self, latitude: float | None, longitude: float | None, moment: When, *, fixed: bool, alarm: bool
    ) -> list[Observation]:
        """Latitude and longitude in degrees (WGS-84 as sent). Without a fix they are old: poor; 0,0 is no place."""
        if self._positions == "none" or (self._positions == "alarms" and not alarm):
            return []
        nowhere = latitude is None or longitude is None or (latitude == 0 and longitude == 0)
        quality = Quality.INVALID if nowhere else Quality.GOOD if fixed else Quality.POOR
        pair = (None, None) if nowhere else (latitude, longitude)
        return [
            self._reading(signal, value, moment, quality)
            for signal, value in zip(("latitude", "longitude"), pair, strict=True)
        ]
