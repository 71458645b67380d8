"""Decodes values of GATT health characteristics that a gateway publishes, one value in a message."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from device_drivers.ble.addresses import device_id, hex_bytes
from device_drivers.ble.clock import checked_offset, place
from device_drivers.ble_gatt.characteristics import CHARACTERISTICS, GattError, decode
from device_drivers.ble_gatt.meaning import Meaning, mean
from device_drivers.codec import MessageCodec
from device_drivers.json_payload import PayloadError, parse_object
from device_drivers.observations import DeviceEvent, Observation
from device_drivers.signals import SIGNALS, reading

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_BASE = "ble_gatt"
NAMELESS = "device"
MAX_DEVICES = 2_000
MAX_REMEMBERED = 256
"""Measurements remembered for each device: more than the memory of most meters."""
_UUID = re.compile(r"(?:0x)?([0-9a-f]{4})|0000([0-9a-f]{4})-0000-1000-8000-00805f9b34fb", re.IGNORECASE)


@dataclass(slots=True)
class _Known:
    """What is remembered of one device: measurements that have come, and its states."""

    once: OrderedDict[tuple[int, bytes], None] = field(default_factory=OrderedDict)
    states: dict[str, bool] = field(default_factory=dict)

    def is_new(self, code: int, raw: bytes) -> bool:
        """False for a measurement that has come before."""
        if (code, raw) in self.once:
            return False
        self.once[code, raw] = None
        if len(self.once) > MAX_REMEMBERED:
            self.once.popitem(last=False)
        return True


class GattCodec(MessageCodec):
    """Codec of one broker. Topics end in `<device>/<characteristic>`; a MAC address becomes twelve upper-case digits.

    The characteristic is "2A37", "0x2a37" or the whole UUID; the payload its bytes, their hexadecimal digits, or a JSON
    object with the digits under `value`. No health value's bytes look like digits: bits that are never used would be
    set in the first one. Options: `base`, the topic under which the gateway publishes (default "ble_gatt");
    `utc_offset_h`, what the meters' clocks are ahead of UTC (default 8). Raises ValueError for a bad option.
    """

    family: ClassVar[str] = "ble_gatt"

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        given = options or {}
        self.base = _checked_base(given.get("base", DEFAULT_BASE))
        self._offset_ns = checked_offset(given)
        self._known: dict[str, _Known] = {}

    def subscriptions(self) -> list[str]:
        return [f"{self.base}/#"]

    def feed(self, topic: str, payload: bytes, received_ns: int, *, retained: bool = False) -> list[Observation]:
        """Observations in one value. Without a topic the characteristic is the only one the bytes can be, if any."""
        if retained:
            self.reject("retained", payload, topic=topic[:200])
            return []
        try:
            raw = _value(payload)
            name, code, raw = self._named(topic, raw)
            found = mean(decode(code, raw))
        except (PayloadError, GattError) as error:
            self.reject(error.reason, payload, topic=topic[:200], error=error.detail)
            return []
        self.health.frames += 1
        self.health.last_frame_ns = received_ns
        known = self._of(name)
        if found.once and not known.is_new(code, raw):
            return []
        if found.report:
            self.note("report", name, characteristic=f"{code:04X}", **found.report)
        return self._observations(name, known, found, received_ns)

    def _named(self, topic: str, raw: bytes) -> tuple[str, int, bytes]:
        *before, last = topic.split("/")
        if not topic:
            return self._unnamed(raw)
        match = _UUID.fullmatch(last)
        code = int(match[1] or match[2], 16) if match else 0
        name = device_id(before[-1]) if before else NAMELESS
        if name is None or code not in CHARACTERISTICS:
            known = ", ".join(f"{one:04X}" for one in CHARACTERISTICS)
            raise PayloadError("topic", f"must end in <device>/<characteristic>, one of {known}")
        return name, code, raw

    def _unnamed(self, raw: bytes) -> tuple[str, int, bytes]:
        """A captured value of which nobody said what it is: it may begin with the characteristic, "2A37 00 50"."""
        code = int.from_bytes(raw[:2], "big")
        if code in CHARACTERISTICS and raw[2:]:
            return NAMELESS, code, raw[2:]
        fits = candidates(raw)
        if len(fits) != 1:
            names = ", ".join(f"{one:04X}" for one in fits) or "none"
            raise PayloadError("which_characteristic", f"name it by the topic; the bytes fit: {names}")
        self.note("report", NAMELESS, taken_as=f"{fits[0]:04X}")
        return NAMELESS, fits[0], raw

    def _of(self, name: str) -> _Known:
        known = self._known.pop(name, None) or _Known()
        self._known[name] = known
        if len(self._known) > MAX_DEVICES:
            del self._known[next(iter(self._known))]
        return known

    def _observations(self, name: str, known: _Known, found: Meaning, received_ns: int) -> list[Observation]:
        at_ns, old = place(found.time, self._offset_ns, received_ns)
        stored = old or found.stored
        made: list[Observation] = [
            reading(name, signal, value, at_ns, received_ns, quality, stored=stored)
            for signal, value, quality in found.readings
        ]
        made += self._intervals(name, found.rr_ms, received_ns)
        for signal, state in found.states:
            repeat = not stored and known.states.get(signal) == state
            if not stored:
                known.states[signal] = state
            made.append(DeviceEvent(name, signal, state, at_ns, received_ns, stored=stored, repeat=repeat))
        return made

    @staticmethod
    def _intervals(name: str, rr_ms: list[float], received_ns: int) -> list[Observation]:
        """Beat intervals, oldest first: each is placed at the beat that ends it, the last one at the receipt."""
        after_ms, made = 0.0, list[Observation]()
        for one in reversed(rr_ms):
            made.append(reading(name, "rr_interval", one, received_ns - round(after_ms * 1e6), received_ns))
            after_ms += one
        return made[::-1]


def candidates(raw: bytes) -> list[int]:
    """The characteristics whose layout the bytes follow with plausible values; the same meaning counts once.

    Where all their values are plausible for none, also those with absent ones ("no finger") beside plausible ones.
    """
    complete: dict[str, int] = {}
    partly: dict[str, int] = {}
    for code in CHARACTERISTICS:
        try:
            found = mean(decode(code, raw))
        except GattError:
            continue
        rows = [(SIGNALS[signal], value) for signal, value, _ in found.readings]
        if rows and all(value is None or row.low <= value <= row.high for row, value in rows):
            fits = partly if any(value is None for _, value in rows) else complete
            fits.setdefault(repr((found.readings, found.states)), code)
    return list((complete or partly).values())


def _value(payload: bytes) -> bytes:
    text = payload.strip()
    if text.startswith(b"{") and text.endswith(b"}"):
        given = parse_object(payload).get("value")
        found = hex_bytes(given.encode()) if isinstance(given, str) else None
        if found is None:
            raise PayloadError("type", "expected hexadecimal digits under value")
        return found
    return hex_bytes(payload) or payload


def _checked_base(base: Any) -> str:
    if not isinstance(base, str) or not base or base.endswith("/") or "#" in base or "+" in base:
        raise ValueError(f"base is {base!r}; give the topic under which the gateway publishes")
    return base
