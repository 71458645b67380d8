"""Decodes EMFIT QS: status pages one after the other, and announcements."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from device_drivers.codec import StreamCodec
from device_drivers.emfit.page import ANNOUNCE_SIZE, END, HEAD, SERIAL, read_announcement, read_line
from device_drivers.observations import DeviceEvent, Observation, Quality
from device_drivers.signals import reading

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINE = 256
LONGEST_END = 6
MAX_KEYS = 64
_END_OF_LINE = re.compile(rb"<br ?/?>|\n|" + re.escape(HEAD))
_NUMBER = re.compile(r"-?\d{1,9}(\.\d{1,6})?\Z")
_RATES: Mapping[str, str] = {"HR": "heart_rate", "RR": "respiratory_rate"}
_BED: Mapping[str, str] = {"1": "in", "0": "left"}
_ABSENT = frozenset({"", "0", "0.0", "---", "--", "-"})


class EmfitCodec(StreamCodec):
    """Codec of one mat. Options: `show_all`, to note also the values that are no signals, for every page."""

    family: ClassVar[str] = "emfit"

    def __init__(self, device_id: str, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(device_id)
        self._show_all = (options or {}).get("show_all") is True
        self._buffer = bytearray()
        self._page: dict[str, str] = {}
        self._uptime: float | None = None
        self._bed: str | None = None
        self._told: tuple[str | None, str | None] = (None, None)

    def feed(self, data: bytes, received_ns: int) -> list[Observation]:
        found: list[Observation] = []
        for start in range(0, len(data), MAX_LINE):
            self._buffer += data[start : start + MAX_LINE]
            found += self._scan(received_ns)
        return found

    def finish(self, received_ns: int) -> list[Observation]:
        """The last line has no end, the last page may have none."""
        rest, self._buffer = bytes(self._buffer), bytearray()
        if rest.startswith(HEAD):
            self.reject("length", rest)
            return self._flush(received_ns)
        return [*self._line(rest, received_ns), *self._flush(received_ns)]

    def drop(self) -> None:
        self._buffer, self._page = bytearray(), {}

    def _scan(self, received_ns: int) -> Iterator[Observation]:
        buffer = self._buffer
        while buffer:
            if buffer.startswith(HEAD):
                if len(buffer) < ANNOUNCE_SIZE:
                    return
                self._announced(bytes(buffer[:ANNOUNCE_SIZE]), received_ns)
                del buffer[:ANNOUNCE_SIZE]
                continue
            match = _END_OF_LINE.search(buffer, 0, MAX_LINE)
            if match is None:
                if len(buffer) < MAX_LINE:
                    return
                self._skip(MAX_LINE - LONGEST_END)
            elif match[0] == HEAD:
                self._skip(match.start())
            else:
                line = bytes(buffer[: match.start()])
                del buffer[: match.end()]
                yield from self._line(line, received_ns)

    def _skip(self, count: int) -> None:
        """Pass over what is no line."""
        self.reject("line", bytes(self._buffer[:count]))
        self.health.skipped_bytes += count
        del self._buffer[:count]

    def _announced(self, data: bytes, received_ns: int) -> None:
        said = read_announcement(data)
        self._frame(received_ns)
        self.stated_id = said.serial
        self.note("identity", self.device_id, serial=said.serial, fw=said.firmware, bootloader=said.bootloader)

    def _line(self, raw: bytes, received_ns: int) -> Iterator[Observation]:
        pair = read_line(raw)
        if pair is None:
            return
        key, value = pair
        if key == SERIAL and SERIAL in self._page:  # the page before had no end
            yield from self._flush(received_ns)
        if key == END:
            yield from self._flush(received_ns)
        elif len(self._page) < MAX_KEYS:
            self._page[key] = value

    def _flush(self, received_ns: int) -> list[Observation]:
        """The page is whole. A page that was answered a second time with the same seconds since start says nothing."""
        page, self._page = self._page, {}
        if not ({SERIAL, "PRES", *_RATES} & page.keys()):
            return []
        self._frame(received_ns)
        self._identity(page)
        uptime = _number(page.get("TS_R"))
        if uptime is not None and uptime == self._uptime:
            return []
        if uptime is not None and self._uptime is not None and uptime < self._uptime:
            self.note("log", self.device_id, restarted=True, seconds=uptime)
        self._uptime = uptime
        if self._show_all:
            rest = {k.lower(): v for k, v in page.items() if k not in (*_RATES, "PRES", SERIAL, "FW")}
            self.note("report", self.device_id, **rest)
        return list(self._observe(page, received_ns))

    def _observe(self, page: Mapping[str, str], received_ns: int) -> Iterator[Observation]:
        if "PRES" in page:
            bed = _BED.get(page["PRES"])
            repeat = bed == self._bed
            self._bed = bed
            quality = Quality.GOOD if bed is not None else Quality.INVALID
            yield DeviceEvent(self.device_id, "bed_occupancy", bed, received_ns, received_ns, quality, repeat=repeat)
        for key, signal in _RATES.items():
            text = page.get(key)
            if text is None:
                continue
            value = _number(text)
            if text in _ABSENT or value == 0:
                yield reading(self.device_id, signal, None, received_ns, received_ns, Quality.NO_CONTACT)
            elif value is None:
                self.reject("value", f"{key}={text}".encode(), key=key)
            else:
                yield reading(self.device_id, signal, value, received_ns, received_ns)

    def _identity(self, page: Mapping[str, str]) -> None:
        told = (page.get(SERIAL), page.get("FW"))
        if told != self._told and any(told):
            self._told = told
            self.stated_id = told[0] or self.stated_id
            self.note("identity", self.device_id, serial=told[0], fw=told[1])

    def _frame(self, received_ns: int) -> None:
        self.health.frames += 1
        self.health.last_frame_ns = received_ns


def _number(text: str | None) -> float | None:
    return float(text) if text is not None and _NUMBER.match(text) else None
