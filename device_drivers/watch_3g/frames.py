"""Frames of the "[3G*...]" watches: `[MAKER*ID*LEN*content]`, with an index before LEN in the ZJ style.

There is no checksum, and LEN is often wrong in real frames, so a frame ends at its `]`. LEN only helps where a `]` may
stand inside: in the name of a Wi-Fi network that the list has not yet finished, and in voice and pictures. Source:
Traccar's decoder and its real frames (Apache-2.0; facts and byte strings only).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from device_drivers.framing import NEED_MORE, Bad, FrameSpec
from device_drivers.watch_3g.position import is_position, wifi_missing

MAX_SIZE = 2_048
MAX_HEAD = 40
MEDIA = frozenset({b"TK", b"IMG", b"JXTK"})
"""Types with binary content: voice and pictures."""
_START = rb"\[([0-9A-Za-z]{2})\*([0-9A-Za-z]{5,20})\*([0-9A-Fa-f]{4})\*"
_HEAD = re.compile(_START)
_INDEXED = re.compile(rb"([0-9A-Fa-f]{4})\*")
_MAYBE_INDEXED = re.compile(rb"[0-9A-Fa-f]{0,4}\Z")
_BEGUN = re.compile(
    rb"\[(?:[0-9A-Za-z]{0,2}|[0-9A-Za-z]{2}\*[0-9A-Za-z]{0,20}|[0-9A-Za-z]{2}\*[0-9A-Za-z]{5,20}\*[0-9A-Fa-f]{0,4})\Z"
)
_ESCAPED = {0x01: 0x7D, 0x02: 0x5B, 0x03: 0x5D, 0x04: 0x2C, 0x05: 0x2A}
_ESCAPES = {plain: code for code, plain in _ESCAPED.items()}


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. maker: "3G", "SG", "CS", "ZJ" ...; index: four hex digits or None; stated_length: LEN as sent."""

    maker: str
    id: str
    index: str | None
    stated_length: int
    content: bytes

    @property
    def type(self) -> str:
        """What it is about, in capitals: makers do not agree on the case."""
        return self.content.partition(b",")[0].decode("latin-1").upper()

    @property
    def fields(self) -> list[str]:
        """The fields after the type."""
        return self.content.decode("latin-1").split(",")[1:]


@dataclass(frozen=True, slots=True)
class _Head:
    maker: bytes
    id: bytes
    index: bytes | None
    length: int
    size: int


def _head(window: bytes) -> _Head | int:
    """The head at the beginning of `window`, NEED_MORE, or -1 for none."""
    found = _HEAD.match(window)
    if found is None:
        return NEED_MORE if _BEGUN.match(window) else -1
    maker, device_id, length = found.groups()
    rest = window[found.end() : found.end() + 5]
    indexed = _INDEXED.match(rest)
    if indexed is not None:
        return _Head(maker, device_id, length, int(indexed[1], 16), found.end() + 5)
    if len(rest) < 5 and _MAYBE_INDEXED.match(rest):
        return NEED_MORE
    return _Head(maker, device_id, None, int(length, 16), found.end())


def _check(buffer: bytearray, start: int) -> int | Bad:
    head = _head(bytes(buffer[start : start + MAX_HEAD]))
    if head == -1:
        return Bad("head", 1)
    if not isinstance(head, _Head):
        return NEED_MORE
    at = start + head.size
    following = _HEAD.search(buffer, at)
    limit = following.start() if following else len(buffer)
    end = first = buffer.find(b"]", at, limit)
    while end >= 0 and not _is_end(bytes(buffer[at:end]), head.length):
        end = buffer.find(b"]", end + 1, limit)
    if end < 0 and following is not None:  # the next frame has begun: this one is over, whatever it still lacks
        end = first
        if end < 0:
            return Bad("truncated", head.size)
    return end + 1 - start if end >= 0 else NEED_MORE


def _is_end(content: bytes, length: int) -> bool:
    """Whether a `]` after this content ends the frame. LEN alone is not believed: it must agree with the content."""
    if len(content) >= length:
        return True
    if content.partition(b",")[0].upper() in MEDIA:
        return False
    text = content.decode("latin-1")
    return not (is_position(text.partition(",")[0].upper()) and wifi_missing(text.split(",")[1:]))


SPEC = FrameSpec(heads=(b"[",), check=_check, max_size=MAX_SIZE)


def parse(whole: bytes) -> Frame:
    """A frame that `SPEC` has cut out. The content of voice and pictures has its escapes undone."""
    head = _head(whole[:MAX_HEAD])
    if not isinstance(head, _Head):
        raise ValueError(f"no frame: {whole[:MAX_HEAD]!r}")  # noqa: TRY004 - the value is wrong, not its type
    content = whole[head.size : -1]
    if content.partition(b",")[0].upper() in MEDIA:
        content = unescape(content)
    index = head.index.decode() if head.index is not None else None
    return Frame(head.maker.decode(), head.id.decode(), index, head.length, content)


def encode(maker: str, device_id: str, content: str | bytes, index: str | None = None) -> bytes:
    """A frame. maker: two letters or digits; device_id: 5 to 20; index: four hex digits for the ZJ style."""
    body = content.encode("latin-1") if isinstance(content, str) else content
    middle = f"{index}*" if index is not None else ""
    return f"[{maker}*{device_id}*{middle}{len(body):04x}*".encode() + body + b"]"


def escape(data: bytes) -> bytes:
    """Binary content as it stands in a frame."""
    return b"".join(bytes((0x7D, _ESCAPES[byte])) if byte in _ESCAPES else bytes((byte,)) for byte in data)


def unescape(data: bytes) -> bytes:
    """The reverse of `escape`; an escape that is not in the table stays as it is."""
    return re.sub(rb"\x7d([\x01-\x05])", lambda found: bytes((_ESCAPED[found[1][0]],)), data)
