"""Reads JSON that came over MQTT: bounded size, numbers that are numbers, times with a zone. Trusts nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

MAX_DEVICE_BYTES = 64 * 1024

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS
FUTURE_NS = 5 * SECOND_NS

EARLIEST_MS = 1e11
"""Epoch numbers above this are milliseconds: as seconds they would lie after the year 5138."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class PayloadError(ValueError):
    """The payload is not what this topic carries; `reason` is one machine word ("too_large", "json", "type" ...)."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def parse(payload: bytes, limit: int) -> Any:
    """The JSON value. Raises PayloadError: too large, not UTF-8, not JSON, nested too deeply, NaN or Infinity."""
    if len(payload) > limit:
        raise PayloadError("too_large", f"{len(payload)} bytes, at most {limit}")
    try:
        return _DECODER.decode(_text(payload))
    except (ValueError, RecursionError) as error:
        raise PayloadError("json", str(error)[:200]) from error


def parse_object(payload: bytes, limit: int = MAX_DEVICE_BYTES) -> dict[str, Any]:
    """The JSON object. Raises PayloadError, also for JSON that is no object."""
    value = parse(payload, limit)
    if not isinstance(value, dict):
        raise PayloadError("type", f"expected an object, got {type(value).__name__}")
    return value


def number(value: Any) -> float | None:
    """A finite number as float; None for anything else, also for True and for numbers no sensor can mean."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:
        return None
    return float(value)


def iso_ns(text: Any) -> int | None:
    """UTC nanoseconds of an ISO 8601 time with a zone (to the microsecond); None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def any_time_ns(value: Any) -> int | None:
    """UTC nanoseconds of ISO 8601 with a zone, or of epoch seconds or milliseconds. None if unreadable."""
    if isinstance(value, str):
        return iso_ns(value)
    found = number(value)
    if found is None or found <= 0:
        return None
    return round(found * 1000) * 1_000_000 if found < EARLIEST_MS else round(found) * 1_000_000


def device_time_ns(seen_ns: int | None, received_ns: int) -> int:
    """The device's time where it is sane (at most 5 s ahead of us, at most a day old), else the time of receipt."""
    if seen_ns is None or not received_ns - DAY_NS <= seen_ns <= received_ns + FUTURE_NS:
        return received_ns
    return seen_ns


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _text(payload: bytes) -> str:
    """The text. `json.loads` refuses a byte order mark, and so do we. Raises ValueError."""
    text = payload.decode("utf-8")
    if text.startswith("\ufeff"):
        raise ValueError("begins with a byte order mark")
    return text


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
"""`json.loads` with an argument makes a new one each time, which costs more than a small payload."""
