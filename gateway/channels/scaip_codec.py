"""SCAIP (SS 91100): the `mrq` request and the `mrs` answer as XML, and how our alerts map onto its codes.

Tags, defaults and code tables after openly published receivers and a device maker's gateway; the standard itself is
not cited and no conformity is claimed. Codes are compared as numbers, for makers write 10, 010 and 0010.

    ScaipError    bytes that are no mrq or mrs
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, ParseError, SubElement, tostring

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTENT_TYPE = "application/scaip+xml"
LARGEST_XML = 4096
LETTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
MANUAL, CANCEL, AUTOMATIC, TEST, DONE = 10, 19, 9, 102, 111
LONGEST = {"dte": 32, "stt": 32, "lte": 32, "ite": 128, "did": 8}
"""Characters that every known receiver takes."""

CODES: Mapping[str, tuple[int, int, int]] = {
    "help_call": (3, MANUAL, 9),
    "fall": (5, AUTOMATIC, 9),
    "heart_rate_high": (19, 46, 8),
    "heart_rate_low": (19, 64, 8),
    "smoke": (23, AUTOMATIC, 9),
    "gas": (21, AUTOMATIC, 9),
    "carbon_monoxide": (26, AUTOMATIC, 9),
    "water_leak": (33, AUTOMATIC, 6),
    "battery_low": (31, 16, 2),
    "signal_lost": (31, 123, 3),
    "device_fault": (31, 14, 2),
    "path_down": (32, 23, 3),
    "delivery_failed": (32, 24, 3),
    "mains_lost": (2, 85, 3),
    "test_alert": (2, TEST, 0),
}
"""Kind to device type, status code and priority (9 as the highest; a receiver may want it the other way round)."""
OTHER = (49, AUTOMATIC, 7)
PLACES: Mapping[str, int] = {
    "bathroom": 11, "卫生间": 11, "浴室": 11, "bedroom": 12, "卧室": 12, "kitchen": 21, "厨房": 21, "living room": 43,
    "客厅": 43, "hallway": 42, "走廊": 42, "ward": 51, "病房": 51,
}  # fmt: skip


class ScaipError(ValueError):
    """These bytes are no SCAIP message."""


@dataclass(frozen=True, slots=True)
class ScaipRequest:
    """An `mrq`. Numbers where the table has codes; None or empty where the tag is left out."""

    ref: str
    cid: str
    dty: int
    mty: str = "ME"
    stc: int | None = None
    did: str = ""
    dte: str = ""
    stt: str = ""
    pri: int | None = None
    lco: int | None = None
    lte: str = ""
    ite: str = ""
    crd: str = "no-voice:"

    @property
    def status(self) -> int | None:
        """The status code that counts: an alarm without one is a manual alarm, a heartbeat without one has none."""
        return MANUAL if self.stc is None and self.mty == "ME" else self.stc

    def encode(self) -> bytes:
        """The XML, tags in the order of the published schema, texts cut to what every receiver takes."""
        root = Element("mrq")
        for tag in ("ref", "mty", "cid", "dty", "did", "dte", "crd", "stc", "stt", "pri", "lco", "lte", "ite"):
            value = getattr(self, tag)
            if value is None or value == "":
                continue
            text = f"{value:04d}" if tag in ("dty", "stc") else f"{value:03d}" if tag == "lco" else str(value)
            SubElement(root, tag).text = text[: LONGEST.get(tag, len(text))]
        return bytes(tostring(root, encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class ScaipAnswer:
    """An `mrs`: snu 0 is taken; 4 hold, 5 not treated and 6 busy mean that another receiver may take it."""

    ref: str
    snu: int
    ste: str = ""
    mre: int | None = None
    cre: int | None = None
    tnu: str = ""

    def encode(self) -> bytes:
        """The XML."""
        root = Element("mrs")
        for tag in ("ref", "snu", "ste", "mre", "cre", "tnu"):
            value = getattr(self, tag)
            if value is not None and value != "":
                SubElement(root, tag).text = str(value)
        return bytes(tostring(root, encoding="utf-8"))


def decode_request(data: bytes) -> ScaipRequest:
    """Raises ScaipError, naming the mandatory tag that is missing."""
    tags = _tags(data, "mrq")
    for tag in ("ref", "cid", "dty"):
        if not tags.get(tag):
            raise ScaipError(f"missing {tag}")
    return ScaipRequest(
        ref=tags["ref"],
        cid=tags["cid"],
        dty=_number(tags, "dty") or 0,
        mty=tags.get("mty") or "ME",
        stc=_number(tags, "stc"),
        pri=_number(tags, "pri"),
        lco=_number(tags, "lco"),
        crd=tags.get("crd") or "sip:",
        **{tag: tags.get(tag, "") for tag in ("did", "dte", "stt", "lte", "ite")},
    )


def decode_answer(data: bytes) -> ScaipAnswer:
    """Raises ScaipError. An answer without a number is none: it never counts as taken."""
    tags = _tags(data, "mrs")
    snu = _number(tags, "snu")
    if not tags.get("ref") or snu is None:
        raise ScaipError("missing ref or snu")
    return ScaipAnswer(
        tags["ref"], snu, tags.get("ste", ""), _number(tags, "mre"), _number(tags, "cre"), tags.get("tnu", "")
    )


def reference(key: str) -> str:
    """16 letters and digits out of an idempotency key: the same message always has the same one."""
    number = int.from_bytes(hashlib.sha256(key.encode()).digest())
    letters = []
    for _ in range(16):
        number, place = divmod(number, len(LETTERS))
        letters.append(LETTERS[place])
    return "".join(letters)


def request_of(payload: Mapping[str, Any], key: str, controller_id: str, language: str, crd: str) -> ScaipRequest:
    """Our alert as a request. payload: docs/schemas/alert.v1.schema.json. key: the idempotency key."""
    dty, stc, pri = CODES.get(payload["kind"], OTHER)
    device = payload["devices"][0] if payload["devices"] else {}
    if payload["kind"] == "help_call" and device.get("placement") not in (None, "", "wrist", "chest", "waist", "hip"):
        dty = 4
    ended = {"alert.cancelled": CANCEL, "alert.resolved": DONE}.get(payload["event"])
    room = (payload["resident"] or {}).get("room") or device.get("room") or ""
    return ScaipRequest(
        ref=reference(key),
        cid=controller_id,
        dty=dty,
        mty="ME" if payload["event"] in ("alert.raised", "alert.cancelled") else "IN",
        stc=TEST if payload["test"] and ended is None else ended or stc,
        did=_short_id(device.get("id", "")),
        dte=device.get("name") or "",
        pri=0 if ended is not None or payload["test"] else pri,
        lco=PLACES.get(room.strip().lower()),
        lte=room,
        ite=payload["text"]["en" if language == "en" else "zh"],
        crd=crd,
    )


def _short_id(device_id: str) -> str:
    """At most eight characters that stay the same for a device: its own end, which is where serial numbers differ."""
    return "".join(one for one in device_id if one.isascii() and one.isalnum())[-8:]


def _tags(data: bytes, root: str) -> dict[str, str]:
    if len(data) > LARGEST_XML:
        raise ScaipError("larger than any honest message")
    try:
        tree = fromstring(data, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise ScaipError("no XML") from error
    if tree.tag != root:
        raise ScaipError(f"not an {root}")
    return {child.tag: (child.text or "").strip() for child in reversed(tree)}


def _number(tags: Mapping[str, str], tag: str) -> int | None:
    text = tags.get(tag, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 4:
        raise ScaipError(f"{tag} is no number")
    return int(text)
