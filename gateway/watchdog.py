"""Tells the service manager that the gateway is alive, by systemd's notification socket, only while it truly works.

A gateway whose heart has stopped turning, or whose database no longer answers, stays silent and is started anew
(`docs/yinling.service`).
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

READY, ALIVE, STOPPING = b"READY=1", b"WATCHDOG=1", b"STOPPING=1"
LONGEST_S, SHORTEST_S = 5.0, 1.5
"""Between two signs of life. In less than the shortest, not every part need have turned."""


def period_s(environment: Mapping[str, str] = os.environ) -> float:
    """Seconds between two signs of life: half of what the service manager waits (WATCHDOG_USEC), 5 s at most."""
    text = environment.get("WATCHDOG_USEC", "")
    meant = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    if not (text.isascii() and text.isdigit() and int(text) and meant):
        return LONGEST_S
    return min(LONGEST_S, max(SHORTEST_S, int(text) / 2e6))


def notify(message: bytes) -> bool:
    """Send to the socket named by NOTIFY_SOCKET; False where there is no service manager or it does not listen."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
            sender.sendto(message, address)
    except OSError:
        return False
    return True
