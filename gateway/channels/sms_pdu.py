"""Short messages as PDUs (3GPP TS 23.040), in UCS2 so that Chinese arrives, in parts of 67 characters where needed."""

from __future__ import annotations

import re

SINGLE, PART = 70, 67
"""UTF-16 units in a message that stands alone, and in one of several (6 bytes go to the header)."""
MOST_PARTS = 4
UCS2 = 0x08
INTERNATIONAL, UNKNOWN = 0x91, 0x81
HAS_HEADER = 0x40
SUBMIT, RELATIVE_VALIDITY, STATUS_REPORT = 0x01, 0x10, 0x20
ONE_HOUR = 0x0B
"""Validity: (11 + 1) x 5 minutes; an alarm that arrives later is worse than none (TS 23.040 section 9.2.3.12.1)."""


class SmsError(ValueError):
    """A number or text that cannot be sent."""


def check_number(number: str) -> str:
    """The number without spaces and dashes. Raises SmsError for anything but + and 3 to 20 digits."""
    bare = re.sub(r"[ \-]", "", number)
    if re.fullmatch(r"\+?[0-9]{3,20}", bare) is None:
        raise SmsError("a phone number is written with digits only, with + and the country's code before it if abroad")
    return bare


def parts(text: str) -> list[bytes]:
    """The text as UTF-16 parts, cut between characters; at most four, the last one ends with an ellipsis then."""
    if len(_utf16(text)) <= SINGLE * 2:
        return [_utf16(text)]
    cut: list[str] = [""]
    for character in text:
        if len(_utf16(cut[-1] + character)) > PART * 2:
            cut.append("")
        cut[-1] += character
    if len(cut) > MOST_PARTS:
        cut = cut[:MOST_PARTS]
        cut[-1] = cut[-1][:-1] + "…"
    return [_utf16(one) for one in cut]


def submits(number: str, text: str, reference: int) -> list[bytes]:
    """The SMS-SUBMIT PDUs (without the service centre's address) of a text. reference: 0 to 255, ties parts together.

    Raises SmsError.
    """
    bare = check_number(number)
    pieces = parts(text)
    made = []
    for place, piece in enumerate(pieces, 1):
        header = bytes((5, 0, 3, reference & 0xFF, len(pieces), place)) if len(pieces) > 1 else b""
        first = SUBMIT | RELATIVE_VALIDITY | STATUS_REPORT | (HAS_HEADER if header else 0)
        user_data = header + piece
        about = bytes((0x00, UCS2, ONE_HOUR, len(user_data)))
        made.append(bytes((first, 0x00)) + _address(bare) + about + user_data)
    return made


def _address(number: str) -> bytes:
    digits = number.lstrip("+")
    padded = digits + "F" * (len(digits) % 2)
    swapped = "".join(padded[i + 1] + padded[i] for i in range(0, len(padded), 2))
    return bytes((len(digits), INTERNATIONAL if number.startswith("+") else UNKNOWN)) + bytes.fromhex(swapped)


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-be", errors="replace")
