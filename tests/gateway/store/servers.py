"""The far side, real: VictoriaMetrics as Debian packages it, and a plain HTTP server that misbehaves as told."""

from __future__ import annotations

import gzip
import json
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.conftest import program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DEADLINE_S = 30.0


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Poll until the condition holds; fails the test after half a minute."""
    deadline = time.monotonic() + DEADLINE_S
    ready = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen in {DEADLINE_S} s"
        ready.wait(0.02)


class Victoria:
    """A VictoriaMetrics that can be stopped, killed and started again on the same port and data."""

    def __init__(self, folder: Path, port: int, *, dedup: bool) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._command = [
            program("victoria-metrics", "victoria-metrics"),
            f"-storageDataPath={folder}",
            f"-httpListenAddr=127.0.0.1:{port}",
            "-retentionPeriod=100y",
            "-loggerLevel=ERROR",
            *(["-dedup.minScrapeInterval=1ms"] if dedup else []),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self._answers, "the start of VictoriaMetrics")

    def stop(self) -> None:
        """End it in good order; it writes everything to disk."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(DEADLINE_S)
            self._process = None

    def kill(self) -> None:
        """End it as a power cut does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(DEADLINE_S)
        self._process = None

    def samples(self, name: str) -> list[tuple[dict[str, str], int, float]]:
        """(labels, milliseconds, value) of every sample of metrics whose name matches, in order of time."""
        self._get("/internal/force_flush")
        found = []
        query = urllib.request.quote(f'{{__name__=~"{name}"}}')  # type: ignore[attr-defined]
        for line in self._get(f"/api/v1/export?match[]={query}").splitlines():
            series: dict[str, Any] = json.loads(line)
            pairs = zip(series["timestamps"], series["values"], strict=True)
            found += [(series["metric"], at, value) for at, value in pairs]
        return sorted(found, key=lambda sample: sample[1])

    def _answers(self) -> bool:
        try:
            return self._get("/health") == b"OK"
        except OSError:
            return False

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:  # noqa: S310 - loopback
            return bytes(answer.read())


@contextmanager
def victoria(folder: Path, port: int, *, dedup: bool) -> Iterator[Victoria]:
    """A running VictoriaMetrics, stopped at the end."""
    server = Victoria(folder, port, dedup=dedup)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Server(ThreadingHTTPServer):
    """Answers writes from a script, then 204; a line holding one of `bad` gets 400. Keeps what it accepted.

    script: (status, headers) for the next requests; status 0 holds the request until `release` is set.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: deque[tuple[int, dict[str, str]]] = deque()
        self.bad: tuple[str, ...] = ()
        self.bad_status = 400
        self.largest: int | None = None
        self.accepted: list[str] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.release = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.requests.append((self.path, dict(self.headers.items())))
        status, headers = self.server.script.popleft() if self.server.script else (204, {})
        if status == 0:
            self.server.release.wait(DEADLINE_S)
            status = 204
        lines = body.decode().split("\n")
        if status == 204 and any(word in line for word in self.server.bad for line in lines):
            status = self.server.bad_status
        if status == 204 and self.server.largest is not None and len(lines) > self.server.largest:
            status = 413
        if status == 204:
            self.server.accepted += lines
        text = b"" if status == 204 else b'{"code":"invalid","message":"unable to parse"}'
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named by the base class
        """Keep the test output quiet."""


@contextmanager
def misbehaving() -> Iterator[Server]:
    """A running Server."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.release.set()
            server.shutdown()
            thread.join()
