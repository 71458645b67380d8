"""A serial port without a cable: a pty whose slave has a stable name, so that the gateway can open it like a port."""

from __future__ import annotations

import contextlib
import os
import pty
import tty
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

READ_BYTES = 4096


class SimulatedPort:
    """The device's end of a pty; `link` is a symbolic link to the other end. Reads and writes never block."""

    def __init__(self, link: Path) -> None:
        self.link = link
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
            return os.read(self._master, READ_BYTES)
        except BlockingIOError:
            return b""

    def write(self, data: bytes) -> None:
        """Send; bytes that nobody reads and that find no room are lost, as on a real line."""
        try:
            written = os.write(self._master, data) if data else 0
        except BlockingIOError:
            written = 0
        self.lost_bytes += len(data) - written

    def close(self) -> None:
        """Pull the cable."""
        self.link.unlink(missing_ok=True)
        for descriptor in (self._slave, self._master):
            with contextlib.suppress(OSError):
                os.close(descriptor)
