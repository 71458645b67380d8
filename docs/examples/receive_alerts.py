#!/usr/bin/env python3
"""Receives Yinling's alerts: the standard library only, to be read, copied and changed (接收报警的示例，只用标准库).

    python3 receive_alerts.py --port 9000 --secret-file assist.secret --book alerts.jsonl

Every alert is a line of the book before it is answered with success: what was accepted is never lost.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

TOLERANCE_S = 300
LARGEST_BODY = 256 * 1024


def signed(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Whether the body carries a signature of this secret (Standard Webhooks) that is at most five minutes old."""
    stamp = headers.get("webhook-timestamp", "")
    if not stamp.isascii() or not stamp.isdigit() or abs(now - int(stamp)) > TOLERANCE_S:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    text = f"{headers.get('webhook-id', '')}.{stamp}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode("ascii")
    given = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(wanted.encode(), one.encode()) for one in given)


class Book:
    """A file of JSON lines; each is on the disk when `add` returns. The same message is written once."""

    def __init__(self, path: Path) -> None:
        self._turn = Lock()
        self._seen = set()
        if path.exists():
            self._seen = {json.loads(line)["id"] for line in path.read_text("utf-8").splitlines() if line.endswith("}")}
        self._file = path.open("a", encoding="utf-8")

    def add(self, event: dict[str, Any]) -> bool:
        """Write an event down; False when it came before."""
        with self._turn:
            if event["id"] in self._seen:
                return False
            self._file.write(json.dumps(event, ensure_ascii=False) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
            self._seen.add(event["id"])
            return True


def make_handler(secret: str, book: Book) -> type[BaseHTTPRequestHandler]:
    """The handler of POST requests, with its secret and its book."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            if length > LARGEST_BODY:
                self._answer(413, {"accepted": False, "reason": "too large"})
                return
            body = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            if not signed(secret, headers, body, time.time()):
                self._answer(401, {"accepted": False, "reason": "signature or time is wrong"})
                return
            event = json.loads(body)
            if book.add(event) and event["type"] == "alert.raised":
                sys.stdout.write(f"{event['data']['alert_id']} {event['data']['text']['zh']}\n")
                sys.stdout.flush()
            self._answer(200, {"accepted": True, "id": event["id"]})

        def _answer(self, status: int, said: dict[str, Any]) -> None:
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Quiet: the book says it all."""

    return Handler


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--secret-file", type=Path, required=True)
    parser.add_argument("--book", type=Path, default=Path("alerts.jsonl"))
    given = parser.parse_args()
    secret = given.secret_file.read_text(encoding="ascii").strip()
    server = ThreadingHTTPServer((given.host, given.port), make_handler(secret, Book(given.book)))
    sys.stdout.write(f"http://{given.host}:{server.server_port}/\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
