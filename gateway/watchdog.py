"""Tells the service manager that the gateway is alive, by systemd's notification socket, only while it truly works.

A gateway whose heart has stopped turning, or whose database no longer answers, stays silent and is started anew
(`docs/yinling.service`).
"""

from __future__ import annotations

import os
import socket

READY, ALIVE, STOPPING = b"READY=1", b"WATCHDOG=1", b"STOPPING=1"


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
