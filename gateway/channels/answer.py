"""What the far side of a channel over HTTP answers: read within bounds, never believed further than it says."""

from __future__ import annotations

import importlib.util
import json
import sys
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

LARGEST_ANSWER = 64 * 1024
"""Bytes; no honest answer is larger."""
PLAIN = {"accept-encoding": "identity"}
"""Asked of every far side: what is not compressed cannot grow without bounds when it is read."""


def spare_searches() -> None:
    """The HTTP client looks for the package sniffio six times a request; where it is absent, let that be known."""
    if "sniffio" not in sys.modules and importlib.util.find_spec("sniffio") is None:
        sys.modules["sniffio"] = None  # type: ignore[assignment]


spare_searches()


async def bounded(response: httpx.Response) -> bytes | None:
    """The answer's body as it came on the wire, None when it is larger than any honest one."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > LARGEST_ANSWER:
            return None
    return bytes(body)


def json_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object of a body, None where it is anything else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def retry_after_s(value: str | None, now_ns: int) -> float | None:
    """Seconds of a Retry-After header (a number or an HTTP date), None where absent or not understood."""
    if value is None:
        return None
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, at.timestamp() - now_ns / 1e9)
