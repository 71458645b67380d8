"""A serial port without a cable: a pty whose slave has a stable name, so that the gateway can open it like a port."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import termios
import tty
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

READ_BYTES = 4096
TCGETS2 = 0x802C542A
TERMIOS2_BYTES = 44
PARODD = 0o1000
NOISE = bytes((one * 37 + 11) & 0xFF for one in range(256))
"""What a line at the wrong speed makes of each byte. Any fixed confusion would do."""


class SimulatedPort:
    """The device's end of a pty; `link` is a symbolic link to the other end. Reads and writes never block.

    baud, parity: of the device. If the other end is opened differently, both ends hear only noise, as on a real line.
    Linux keeps the speed and "odd" of a pty and not "even", which passes for "none". None: any speed will do.
    """

    def __init__(self, link: Path, baud: int | None = None, parity: str = "none") -> None:
        self.link = link
        self.baud = baud
        self.parity = parity
        self.lost_bytes = 0
        self._master, self._slave = pty.openpty()
        tty.setraw(self._master)
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(self._slave))

    def read(self) -> bytes:
        """What the gateway has sent, if anything."""
        try:
            return self._heard(os.read(self._master, READ_BYTES))
        except BlockingIOError:
            return b""

    def write(self, data: bytes) -> None:
        """Send; bytes that nobody reads and that find no room are lost, as on a real line."""
        try:
            written = os.write(self._master, self._heard(data)) if data else 0
        except BlockingIOError:
            written = 0
        self.lost_bytes += len(data) - written

    @property
    def opened_rightly(self) -> bool:
        """Whether the other end has the device's speed and parity (true where the system does not tell)."""
        if self.baud is None:
            return True
        try:
            raw = fcntl.ioctl(self._slave, TCGETS2, bytes(TERMIOS2_BYTES))
        except (OSError, termios.error):
            return True
        _, _, flags, *_ = struct.unpack("4I", raw[:16])
        (speed,) = struct.unpack("I", raw[-4:])
        return bool(speed == self.baud and bool(flags & PARODD) == (self.parity == "odd"))

    def close(self) -> None:
        """Pull the cable."""
        self.link.unlink(missing_ok=True)
        for descriptor in (self._slave, self._master):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _heard(self, data: bytes) -> bytes:
        return data if self.opened_rightly else data.translate(NOISE)
