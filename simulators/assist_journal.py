"""What the stand-in 助急 service has received and answered: in memory, and in a file of JSON lines that survives it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class Journal:
    """Append-only records. With a path, each is on disk before `add` returns, and earlier ones are read back."""

    def __init__(self, path: Path | None = None) -> None:
        self.records: list[dict[str, Any]] = []
        self._seen: set[str] = set()
        self._file = None
        if path is not None:
            whole = self._read_back(path)
            self._file = path.open("ab")
            self._file.truncate(whole)

    def _read_back(self, path: Path) -> int:
        """Take over whole lines; returns their length. A line cut short by a crash was never answered."""
        data = path.read_bytes() if path.exists() else b""
        whole = data.rfind(b"\n") + 1
        for line in data[:whole].splitlines():
            self._take(json.loads(line))
        return whole

    def add(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Record one thing; kind: "event", "duplicate", "rejected", "callback", "fault", or of
        the dead-man's switch "watched", "silent", "heard".
        """
        record = {"record": kind, **fields}
        if self._file is not None:
            self._file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        self._take(record)
        return record

    def seen(self, webhook_id: str) -> bool:
        """Whether an event of this id has been accepted before."""
        return webhook_id in self._seen

    def of(self, kind: str, alert_id: str | None = None) -> list[dict[str, Any]]:
        """Records of one kind, of one alert or of all, the oldest first."""
        return [r for r in self.records if r["record"] == kind and alert_id in (None, r.get("alert_id"))]

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _take(self, record: dict[str, Any]) -> None:
        self.records.append(record)
        if record["record"] == "event":
            self._seen.add(record["webhook_id"])
