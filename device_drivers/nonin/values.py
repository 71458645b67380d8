"""What Nonin's frames say, both ways: format 8, format 13, the packets of formats 2 and 7, commands, lines of text.

Source: Nonin 9560 Bluetooth specification, OEM III specification.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from device_drivers.framing import sum8
from device_drivers.nonin.frames import ETX, HEAD_13, NO_RATE, NO_SPO2, STX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Facts = dict[str, Any]
PACKET = 25
FORMATS = (2, 7, 8, 13)

STATUS_8: Mapping[str, tuple[int, int]] = {
    "sensor_off": (0, 0x40),
    "out_of_track": (0, 0x20),
    "low_perfusion": (0, 0x10),
    "marginal_perfusion": (0, 0x08),
    "artifact": (0, 0x04),
    "smart_point": (3, 0x20),
    "sensor_alarm": (3, 0x08),
    "low_battery": (3, 0x01),
}
STATUS_2: Mapping[str, int] = {"sensor_off": 0x40, "artifact": 0x20, "out_of_track": 0x10, "sensor_alarm": 0x08}
SYNC, RED, GREEN = 0x01, 0x04, 0x02
PERFUSION = {0: None, RED: "red", GREEN: "green", RED | GREEN: "yellow"}
RATES: Mapping[str, int] = {"hr": 0, "e_hr": 13, "hr_d": 19, "e_hr_d": 21}
"""By name, where in a packet the two bytes of a rate stand (the first frame is 0)."""
SATURATIONS: Mapping[str, int] = {
    "spo2": 2,
    "spo2_d": 8,
    "spo2_fast": 9,
    "spo2_bb": 10,
    "e_spo2": 15,
    "e_spo2_d": 16,
}
SREV_AT, TIMER_AT, STAT2_AT = 3, 5, 7
STATUS_13: Mapping[str, int] = {"smart_point": 0x200, "no_measurement": 0x100, "from_memory": 0x10, "low_battery": 1}
_LINE = re.compile(rb"SPO2=\s*(\d{1,3}|-+)\s*%?\s+HR=\s*(\d{1,3}|-+)\s*(\*?)\s*")


class FormatError(ValueError):
    """The bytes are not what the format allows."""


def _none(code: int, none: int) -> int | None:
    return None if code == none else code


def facts_8(whole: bytes) -> Facts:
    """One frame of format 8."""
    rate = (whole[0] & 3) << 7 | whole[1]
    flags = {name: bool(whole[at] & bit) for name, (at, bit) in STATUS_8.items()}
    return {"hr": _none(rate, NO_RATE), "spo2": _none(whole[2], NO_SPO2), **flags}


def frame_8(facts: Mapping[str, Any]) -> bytes:
    """The frame of format 8 that says these facts; what is missing is none or false."""
    rate, spo2 = _code(facts.get("hr"), NO_RATE), _code(facts.get("spo2"), NO_SPO2)
    out = [0x80 | rate >> 7, rate & 0x7F, spo2, 0]
    for name, (at, bit) in STATUS_8.items():
        out[at] |= bit if facts.get(name) else 0
    return bytes(out)


def facts_packet(statuses: Sequence[int], values: Sequence[int]) -> Facts:
    """A packet of 25 frames: their status bytes and their value bytes."""
    found: Facts = {name: _none((values[at] & 3) << 7 | values[at + 1] & 0x7F, NO_RATE) for name, at in RATES.items()}
    found |= {name: _none(values[at] & 0x7F, NO_SPO2) for name, at in SATURATIONS.items()}
    found |= {"srev": values[SREV_AT], "timer": (values[TIMER_AT] & 0x7F) << 7 | values[TIMER_AT + 1] & 0x7F}
    found |= {"smart_point": bool(values[STAT2_AT] & 0x20), "low_battery": bool(values[STAT2_AT] & 0x01)}
    found |= {name: any(status & bit for status in statuses) for name, bit in STATUS_2.items()}
    return found | {"perfusion": PERFUSION[statuses[-1] & (RED | GREEN)]}


def packet(facts: Mapping[str, Any], kind: int = 2, waves: Sequence[int] = (0,) * PACKET) -> bytes:
    """The 25 frames of format 2 or 7 that say these facts; what is missing is none, false or 0."""
    values = [0] * PACKET
    for name, at in RATES.items():
        rate = _code(facts.get(name), NO_RATE)
        values[at], values[at + 1] = rate >> 7, rate & 0x7F
    for name, at in SATURATIONS.items():
        values[at] = _code(facts.get(name), NO_SPO2)
    timer = facts.get("timer", 0)
    values[SREV_AT], values[TIMER_AT], values[TIMER_AT + 1] = facts.get("srev", 0), timer >> 7, timer & 0x7F
    values[STAT2_AT] = (0x20 if facts.get("smart_point") else 0) | (0x01 if facts.get("low_battery") else 0)
    status = 0x80 | sum(bit for name, bit in STATUS_2.items() if facts.get(name))
    status |= next(bits for bits, word in PERFUSION.items() if word == facts.get("perfusion"))
    frames = []
    for n, (value, wave) in enumerate(zip(values, waves, strict=True)):
        first = status | (SYNC if n == 0 else 0)
        body = bytes((0x01, first, wave & 0xFF, value) if kind == 2 else (first, wave >> 8, wave & 0xFF, value))
        frames.append(body + bytes((sum8(body),)))
    return b"".join(frames)


def facts_13(whole: bytes) -> Facts:
    """One measurement of format 13. Its `time` is the device's wall clock, None where that is none."""
    data = whole[6:-2]
    status = int.from_bytes(data[8:10], "big")
    return {
        "hr": _none(int.from_bytes(data[10:12], "big"), NO_RATE),
        "spo2": _none(data[13], NO_SPO2),
        "time": _bcd_time(data[:8]),
        **{name: bool(status & bit) for name, bit in STATUS_13.items()},
    }


def frame_13(facts: Mapping[str, Any], time: datetime) -> bytes:
    """The frame of format 13 that says these facts, measured at this wall time."""
    digits = f"{time:%Y%m%d%H%M%S}{time.microsecond // 10_000:02}"
    status = sum(bit for name, bit in STATUS_13.items() if facts.get(name))
    rate, spo2 = _code(facts.get("hr"), NO_RATE), _code(facts.get("spo2"), NO_SPO2)
    data = bytes.fromhex(digits) + status.to_bytes(2, "big") + rate.to_bytes(2, "big") + bytes((0, spo2))
    return HEAD_13 + len(data).to_bytes(2, "big") + data + bytes((sum8(data), ETX))


def _bcd_time(raw: bytes) -> str | None:
    try:
        time = datetime.strptime(raw.hex()[:14], "%Y%m%d%H%M%S")  # noqa: DTZ007 - the device knows no zone
    except ValueError:
        return None
    hundredths = raw[7:].hex()
    return time.isoformat() + (f".{hundredths}" if hundredths.isdecimal() and hundredths != "00" else "")


def facts_command(whole: bytes) -> tuple[str, Facts]:
    """The kind of note and the facts of a command or of the answer to one. Raises FormatError."""
    operation, data = whole[1], whole[3:-1]
    if operation == 0x70 and len(data) == 2 and data[0] == 0x02:
        return "setting", {"set_format": data[1]}
    if operation == 0x72 and not data:
        return "query", {"query": "time"}
    if operation in {0x72, 0xF2} and len(data) == 6:
        try:
            time = datetime(2000 + data[0], *data[1:]).isoformat()  # noqa: DTZ001 - the device knows no zone
        except ValueError as error:
            raise FormatError(str(error)) from error
        return ("setting", {"set_time": time}) if operation == 0x72 else ("report", {"time": time})
    raise FormatError(f"operation {operation:02X} with {len(data)} bytes")


def set_format(kind: int) -> bytes:
    """The command that chooses a format."""
    return bytes((STX, 0x70, 0x02, 0x02, kind, ETX))


def set_time(time: datetime) -> bytes:
    """The command that sets the device's wall clock."""
    fields = (time.year - 2000, time.month, time.day, time.hour, time.minute, time.second)
    return bytes((STX, 0x72, len(fields), *fields, ETX))


def facts_line(whole: bytes) -> Facts:
    """A line of text of a desk unit. Raises FormatError."""
    match = _LINE.fullmatch(whole)
    if match is None:
        raise FormatError("no line of a desk unit")
    spo2, rate, event = match.groups()
    return {"hr": _digits(rate), "spo2": _digits(spo2), "event": bool(event)}


def line(facts: Mapping[str, Any]) -> bytes:
    """The line of text that says these facts."""
    rate, spo2 = (f"{value:03}" if (value := facts.get(name)) is not None else "---" for name in ("hr", "spo2"))
    return f"SPO2={spo2} HR={rate}{'*' if facts.get('event') else ''}\r\n".encode("ascii")


def _digits(text: bytes) -> int | None:
    return int(text) if text.isdigit() else None


def _code(value: int | None, none: int) -> int:
    return none if value is None else value
