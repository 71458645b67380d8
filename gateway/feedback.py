"""What carers said of fall alerts, with the minute of acceleration that was kept, as trials for evaluation.

Two places hold it: a gateway's data folder (the history has the minute, the alert has the outcome), and a zip file
that `export_feedback` writes, in which nobody is named. Alerts whose outcome is neither a real fall nor a false alarm
(tests, calls, "other") are no trials.

Mind what it can show: only what the detector alerted is in it. It measures how many alerts were false, and how a
changed model would have judged the same minutes; never how many falls were missed.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np

from analytics.changed import Changed
from gateway.alerts import records
from gateway.alerts.lifecycle import Outcome
from gateway.database import DatabaseError, open_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

DATASET = "feedback"
LABELS = {Outcome.REAL_FALL: True, Outcome.FALSE_ALARM: False}
IMPACT_MARGIN_S = 2.0
HISTORY, DATABASE = "history.duckdb", "gateway.sqlite"
SNIPPETS = """select alert_id, device_id, resident_id, rate_hz, start_ns, samples from snippets
where signal = 'accel' and channels = 3 order by start_ns, alert_id, device_id"""


class FeedbackError(ValueError):
    """There is no feedback to read; the text says where and what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """One kept minute with what it was. person: a pseudonym; impact_s: seconds from the first sample."""

    alert: str
    person: str
    outcome: Outcome
    rate_hz: float
    impact_s: float
    values: NDArray[np.float32]

    def trial(self) -> Changed:
        """As a trial of `analytics.evaluation`."""
        is_fall = LABELS[self.outcome]
        return Changed(
            name=f"{DATASET}/{self.outcome.value}/{self.person}/{self.alert}",
            dataset=DATASET,
            activity=self.outcome.value,
            subject=self.person,
            group="unknown",
            site="unknown",
            is_fall=is_fall,
            rate_hz=self.rate_hz,
            accel_g=self.values,
            full_scale_g=None,
            fall_start_s=self.impact_s - IMPACT_MARGIN_S if is_fall else None,
            fall_end_s=self.impact_s + IMPACT_MARGIN_S if is_fall else None,
        )


def feedback_trials(path: Path) -> Iterator[Changed]:
    """Every labelled minute of a data folder or an exported zip file. Raises FeedbackError."""
    for kept in read_folder(path) if path.is_dir() else read_export(path):
        yield kept.trial()


def read_folder(folder: Path) -> list[Kept]:
    """The labelled minutes of a gateway that is not running (or of a copy of its folder). Raises FeedbackError."""
    for name in (HISTORY, DATABASE):
        if not (folder / name).is_file():
            raise FeedbackError(f"{folder}: no {name}; give the gateway's data folder, or a zip of exported feedback")
    try:
        with duckdb.connect(str(folder / HISTORY), read_only=True) as connection:
            rows = connection.execute(SNIPPETS).fetchall()
    except duckdb.Error as error:
        problem = str(error).splitlines()[0]
        raise FeedbackError(f"{folder / HISTORY}: {problem}; stop the gateway, or use a copy of the folder") from error
    return list(_labelled(folder / DATABASE, rows))


def _labelled(path: Path, rows: list[tuple[str, str, str | None, float, int, bytes]]) -> Iterator[Kept]:
    try:
        database = open_database(path, check=False)
    except DatabaseError as error:
        raise FeedbackError(str(error)) from error
    try:
        with database.read() as session:
            for alert_id, device_id, resident_id, rate_hz, start_ns, samples in rows:
                alert = records.load(session, alert_id)
                if alert is None or alert.outcome not in LABELS or len(samples) % 12:
                    continue
                values = np.frombuffer(samples, "<f4").reshape(-1, 3).astype(np.float32)
                impact_s = (alert.at_ns - start_ns) / 1e9
                names = _pseudonym(f"{alert_id}/{device_id}"), _pseudonym(resident_id or device_id)
                yield Kept(*names, alert.outcome, rate_hz, impact_s, values)
    finally:
        database.close()


def _pseudonym(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:12]


def export_feedback(folder: Path, target: Path) -> int:
    """Write the labelled minutes of a data folder as a zip without names; gives how many. Raises FeedbackError."""
    kept = read_folder(folder)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in kept:
            head = {
                "person": one.person,
                "outcome": one.outcome.value,
                "rate_hz": one.rate_hz,
                "impact_s": one.impact_s,
            }
            content = io.BytesIO()
            np.savez(content, head=np.array(json.dumps(head)), values=one.values)
            archive.writestr(f"feedback/{one.alert}.npz", content.getvalue())
    return len(kept)


def read_export(path: Path) -> list[Kept]:
    """The minutes of an exported zip. Raises FeedbackError, naming the file inside where one is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.startswith("feedback/") and name.endswith(".npz")]
            return [_read(name, archive.read(name)) for name in sorted(names)]
    except (OSError, zipfile.BadZipFile) as error:
        raise FeedbackError(f"{path}: {error}; give a data folder, or a zip of exported feedback") from error
    except (KeyError, TypeError, ValueError) as error:
        raise FeedbackError(f"{path}: {error}; export it again") from error


def _read(name: str, raw: bytes) -> Kept:
    with np.load(io.BytesIO(raw), allow_pickle=False) as stored:
        head, values = json.loads(str(stored["head"])), stored["values"].astype(np.float32)
    rate_hz, impact_s = float(head["rate_hz"]), float(head["impact_s"])
    if values.ndim != 2 or values.shape[1] != 3 or not 0 < rate_hz < 10_000 or not np.isfinite(impact_s):
        raise ValueError(f"{name} is no minute of acceleration")
    alert = Path(name).stem
    return Kept(alert, str(head["person"]), Outcome(head["outcome"]), rate_hz, impact_s, values)
