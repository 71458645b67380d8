"""The building blocks of request and response models: strict, bounded, and free of what a database cannot keep."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from gateway.api.times import to_text

MAX_ID = 64
MAX_DEVICE_ID = 200


class Form(BaseModel):
    """A request: unknown fields are refused, and nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Answer(BaseModel):
    """A response, with exactly the fields it documents."""

    model_config = ConfigDict(extra="forbid")


def _printable(text: str) -> str:
    if any(ord(sign) < 32 and sign not in "\n\t" for sign in text):
        raise PydanticCustomError("control_character", "control characters are not allowed")
    return text


# A topic of MQTT and a subject of NATS are made from ids: + # / * > and leading or trailing blanks are impossible.
RecordId = Annotated[str, StringConstraints(pattern=r"^\w([\w .:@-]{0,62}[\w])?$", max_length=MAX_ID)]


def _levels(text: str) -> str:
    if any(not level or level in {".", ".."} or level != level.strip() for level in text.split("/")):
        raise PydanticCustomError("empty_level", "no empty level, '.' or '..' between slashes, no blanks beside them")
    return text


# Some devices are named by their topic, as zigbee2mqtt/sos is.
DeviceId = Annotated[
    str,
    StringConstraints(pattern=r"^\w([\w .,:@/()&'-]*[\w)])?$", max_length=MAX_DEVICE_ID),
    AfterValidator(_levels),
]
AnyDeviceId = Annotated[str, StringConstraints(min_length=1, max_length=MAX_DEVICE_ID), AfterValidator(_printable)]
"""In a path: whatever is registered can be named there."""
ShortText = Annotated[str, StringConstraints(max_length=120), AfterValidator(_printable)]
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=120, strip_whitespace=True), AfterValidator(_printable)
]
LongText = Annotated[str, StringConstraints(max_length=2_000), AfterValidator(_printable)]


class Moment(Answer):
    """One instant: RFC 3339 text, and the same as UTC nanoseconds since 1970."""

    time: Annotated[str, Field(examples=["2026-02-03T04:05:06.789Z"])]
    ns: Annotated[int, Field(examples=[1770091506789000000])]


class Words(Answer):
    """A text for people in Chinese and English."""

    zh: Annotated[str, Field(examples=["跌倒"])]
    en: Annotated[str, Field(examples=["Fall"])]


def moment(at_ns: int) -> Moment:
    """An instant as it is given."""
    return Moment(time=to_text(at_ns), ns=at_ns)


def moment_or_none(at_ns: int | None) -> Moment | None:
    """An instant as it is given, None where there is none."""
    return None if at_ns is None else moment(at_ns)
