"""SIP messages (RFC 3261, MESSAGE of RFC 3428): read and written, without I/O. Only what a message sender needs.

SipError    bytes that are no SIP message, or one larger than any honest one
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

LARGEST = 16 * 1024
"""Bytes of a whole message; RFC 3428 keeps MESSAGE under 1300."""
COMPACT = {
    "v": "via", "f": "from", "t": "to", "i": "call-id", "l": "content-length", "c": "content-type", "m": "contact",
}  # fmt: skip
"""Short forms of header names, RFC 3261 section 7.3.3."""


class SipError(ValueError):
    """These bytes are no SIP message."""


@dataclass(frozen=True, slots=True)
class SipMessage:
    """A request (method and uri) or a response (status and reason). headers: in order, names in lower case."""

    method: str = ""
    uri: str = ""
    status: int = 0
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str:
        """The first header of this name, empty where absent."""
        return next((value for key, value in self.headers if key == name), "")

    def encode(self) -> bytes:
        """The bytes on the wire, with Content-Length."""
        first = f"{self.method} {self.uri} SIP/2.0" if self.method else f"SIP/2.0 {self.status} {self.reason}"
        kept = [(key, value) for key, value in self.headers if key != "content-length"]
        lines = [first, *(f"{_title(key)}: {value}" for key, value in kept), f"Content-Length: {len(self.body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


def decode(data: bytes) -> SipMessage:
    """One whole message, as in a datagram. Raises SipError."""
    head, _, body = data.partition(b"\r\n\r\n")
    message = _head(head)
    length = _length(message)
    if length is not None and length > len(body):
        raise SipError("the body is shorter than Content-Length")
    return SipMessage(
        message.method,
        message.uri,
        message.status,
        message.reason,
        message.headers,
        body if length is None else body[:length],
    )


class SipStream:
    """Messages out of a TCP or TLS stream. Bounded; `feed` raises SipError when the stream cannot be followed."""

    def __init__(self) -> None:
        self._kept = b""

    def feed(self, data: bytes) -> list[SipMessage]:
        """The messages that are complete now."""
        self._kept = (self._kept + data).lstrip(b"\r\n")
        found = []
        while (size := self._size()) is not None and len(self._kept) >= size:
            found.append(decode(self._kept[:size]))
            self._kept = self._kept[size:].lstrip(b"\r\n")
        return found

    def _size(self) -> int | None:
        end = self._kept.find(b"\r\n\r\n")
        if end < 0:
            if len(self._kept) > LARGEST:
                raise SipError("a head without an end")
            return None
        length = _length(_head(self._kept[:end])) or 0
        if end + 4 + length > LARGEST:
            raise SipError("a message larger than any honest one")
        return end + 4 + length


def digest_answer(challenge: str, username: str, password: str, method: str, uri: str) -> str:
    """The Authorization for a Digest challenge (RFC 2617 and 8760; MD5 and SHA-256, without qop or with auth).

    Raises SipError for anything else.
    """
    given = {key.lower(): quoted or plain for key, quoted, plain in _PARTS.findall(challenge)}
    algorithm = given.get("algorithm", "MD5")
    hashing = {"MD5": "md5", "SHA-256": "sha256"}.get(algorithm.upper())
    if not challenge.lower().startswith("digest") or hashing is None or "nonce" not in given:
        raise SipError("the receiver wants a login that is not Digest with MD5 or SHA-256")

    def hashed(text: str) -> str:
        return hashlib.new(hashing, text.encode(), usedforsecurity=False).hexdigest()

    who = hashed(f"{username}:{given.get('realm', '')}:{password}")
    what = hashed(f"{method}:{uri}")
    fields = {"username": username, "realm": given.get("realm", ""), "nonce": given["nonce"], "uri": uri}
    bare = f"algorithm={algorithm}"
    if "auth" in [one.strip() for one in given.get("qop", "").split(",")]:
        client = hashed(f"{given['nonce']}:{uri}:{method}")[:16]
        fields |= {"cnonce": client, "response": hashed(f"{who}:{given['nonce']}:00000001:{client}:auth:{what}")}
        bare += ", qop=auth, nc=00000001"
    else:
        fields["response"] = hashed(f"{who}:{given['nonce']}:{what}")
    if "opaque" in given:
        fields["opaque"] = given["opaque"]
    return "Digest " + ", ".join([*(f'{key}="{value}"' for key, value in fields.items()), bare])


_PARTS = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))')


def _head(head: bytes) -> SipMessage:
    try:
        lines = re.sub(r"\r\n[ \t]+", " ", head.decode()).split("\r\n")
    except UnicodeDecodeError as error:
        raise SipError("a head that is no text") from error
    headers = tuple(_header(line) for line in lines[1:] if line)
    first = lines[0].split(" ", 2)
    if len(first) == 3 and first[0] == "SIP/2.0" and first[1].isascii() and first[1].isdigit():
        return SipMessage(status=int(first[1]), reason=first[2], headers=headers)
    if len(first) == 3 and first[2] == "SIP/2.0" and first[0].isalpha():
        return SipMessage(method=first[0].upper(), uri=first[1], headers=headers)
    raise SipError("no SIP start line")


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise SipError("a header without a colon")
    key = name.strip().lower()
    return COMPACT.get(key, key), value.strip()


def _length(message: SipMessage) -> int | None:
    text = message.header("content-length")
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 6:
        raise SipError("Content-Length is no number")
    return int(text)


def _title(name: str) -> str:
    special = {"call-id": "Call-ID", "cseq": "CSeq", "www-authenticate": "WWW-Authenticate"}
    return special.get(name, "-".join(part.capitalize() for part in name.split("-")))
