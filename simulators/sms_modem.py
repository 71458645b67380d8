"""A 4G modem as it looks on its serial port: AT commands in, short messages out to a list. It reads PDUs by itself."""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass
class SmsModem:
    """`take` bytes, give bytes. pin: what the card wants, empty for none. network: registration as in +CREG.

    failing: answers every message with +CMS ERROR 38 (network out of order). silent: does not answer at all.
    """

    pin: str = ""
    network: int = 1
    failing: bool = False
    silent: bool = False
    echo: bool = True
    sent: list[tuple[str, str]] = field(default_factory=list)
    _kept: bytes = b""
    _expected: int | None = None
    _parts: dict[tuple[str, int], dict[int, str]] = field(default_factory=dict)
    _count: int = 0

    def take(self, data: bytes) -> bytes:
        """What the modem says to these bytes."""
        if self.silent:
            return b""
        self._kept += data
        said = b""
        while True:
            found = re.search(rb"\x1a|\x1b" if self._expected is not None else rb"\r|\x1b", self._kept)
            if found is None:
                return said
            piece, end, self._kept = self._kept[: found.start()], found[0], self._kept[found.end() :]
            said += self._command(piece, end)

    def _command(self, piece: bytes, end: bytes) -> bytes:
        if end == b"\x1b":
            self._expected = None
            return b""
        if self._expected is not None:
            length, self._expected = self._expected, None
            return self._submit(bytes.fromhex(piece.decode()), length)
        text = piece.decode().strip()
        echoed = piece + end if self.echo else b""
        return echoed + self._answer(text)

    def _answer(self, text: str) -> bytes:
        if text == "ATE0":
            self.echo = False
        if text == "AT+CPIN?":
            return f"\r\n+CPIN: {'SIM PIN' if self.pin else 'READY'}\r\n\r\nOK\r\n".encode()
        if text.startswith("AT+CPIN="):
            if text != f'AT+CPIN="{self.pin}"':
                return b"\r\n+CME ERROR: incorrect password\r\n"
            self.pin = ""
        if text in ("AT+CREG?", "AT+CEREG?"):
            return f"\r\n{text[2:-1]}: 0,{self.network}\r\n\r\nOK\r\n".encode()
        if text.startswith("AT+CMGS="):
            if self.pin:
                return b"\r\n+CMS ERROR: 311\r\n"
            self._expected = int(text.removeprefix("AT+CMGS="))
            return b"\r\n> "
        return b"\r\nOK\r\n"

    def _submit(self, pdu: bytes, length: int) -> bytes:
        if self.failing or len(pdu) - 1 - pdu[0] != length:
            return b"\r\n+CMS ERROR: 38\r\n"
        body = pdu[1 + pdu[0] :]
        digits = body[2]
        octets = body[4 : 4 + (digits + 1) // 2]
        number = "".join(f"{octet & 15:X}{octet >> 4:X}" for octet in octets)[:digits]
        number = ("+" if body[3] == 0x91 else "") + number
        data = body[4 + len(octets) + 4 :]
        self._arrived(number, data, with_header=bool(body[0] & 0x40))
        self._count += 1
        return f"\r\n+CMGS: {self._count}\r\n\r\nOK\r\n".encode()

    def _arrived(self, number: str, data: bytes, *, with_header: bool) -> None:
        if not with_header:
            self.sent.append((number, data.decode("utf-16-be")))
            return
        reference, total, place = data[3:6]
        parts = self._parts.setdefault((number, reference), {})
        parts[place] = data[6:].decode("utf-16-be")
        if len(parts) == total:
            self.sent.append((number, "".join(parts[place] for place in sorted(parts))))
