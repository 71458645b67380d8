"""Times on the wire: RFC 3339 text with up to nine decimals, and the same instant as UTC nanoseconds.

>>> to_ns("2026-02-03T04:05:06.5+08:00")
1770062706500000000
>>> to_text(1770062706500000000)
'2026-02-02T20:05:06.500Z'
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

NS = 1_000_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_YEAR = 2200
"""Later instants would not fit into 64 bits of nanoseconds (2262), and are mistakes."""
_FORM = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d\d):(\d\d))", re.ASCII
)
EXPECTED = "an RFC 3339 time with a zone, such as 2026-02-03T04:05:06Z or 2026-02-03T12:05:06%2B08:00 in a URL"


def to_ns(text: str) -> int:
    """UTC nanoseconds since 1970 of an RFC 3339 time between 1970 and 2200. Raises ValueError."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"not {EXPECTED}")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    offset = timedelta()
    if match[9]:
        offset = timedelta(hours=int(match[10]), minutes=int(match[11])) * (1 if match[9] == "+" else -1)
    if not EPOCH.year <= year <= LAST_YEAR or abs(offset) >= timedelta(days=1):
        raise ValueError(f"not {EXPECTED}, between 1970 and {LAST_YEAR}")
    # A leap second is the last second of its minute: clocks of computers do not know it.
    moment = datetime(year, month, day, hour, minute, min(second, 59) if second == 60 else second, tzinfo=UTC) - offset
    whole = moment - EPOCH
    if whole < timedelta():
        raise ValueError(f"not {EXPECTED}, between 1970 and {LAST_YEAR}")
    return (whole.days * 86_400 + whole.seconds) * NS + int((match[7] or "0").ljust(9, "0"))


def to_text(at_ns: int) -> str:
    """RFC 3339 in UTC with three, six or nine decimals, as many as the time has."""
    seconds, rest = divmod(at_ns, NS)
    stem = (EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f"{rest:09d}"
    while digits.endswith("000") and len(digits) > 3:
        digits = digits[:-3]
    return f"{stem}.{digits}Z"


class _InstantForm:
    """Tells pydantic how an `Instant` is read and described."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(_checked, core_schema.str_schema(max_length=64))

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "format": "date-time", "examples": ["2026-02-03T04:05:06Z"]}


def _checked(text: str) -> int:
    try:
        return to_ns(text)
    except ValueError as error:
        raise PydanticCustomError("time", "{reason}", {"reason": str(error)}) from error


Instant = Annotated[int, _InstantForm]
"""UTC nanoseconds, written as RFC 3339 in requests."""
