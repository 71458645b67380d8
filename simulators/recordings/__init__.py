"""Public recordings of falls and daily life, read from the layouts in which their authors publish them.

Nothing of them is part of this project: `docs/datasets.md` says where each one comes from. Each loader takes the
unpacked directory or the zip file as it was downloaded, and finds the recordings anywhere inside.
"""

from __future__ import annotations

from simulators.recordings.freeliving import load_wrist_freeliving
from simulators.recordings.sisfall import load_sisfall
from simulators.recordings.tree import RecordingError
from simulators.recordings.types import Recording
from simulators.recordings.weda import load_weda_fall

__all__ = ["LOADERS", "Recording", "RecordingError", "load_sisfall", "load_weda_fall", "load_wrist_freeliving"]

LOADERS = {
    "weda-fall": load_weda_fall,
    "sisfall": load_sisfall,
    "wrist-freeliving": load_wrist_freeliving,
}
"""Loader of each dataset by the name that the command line takes."""
