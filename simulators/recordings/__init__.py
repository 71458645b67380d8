"""Public recordings of falls and daily life, read from the layouts in which their authors publish them.

Nothing of them is part of this project: `docs/datasets.md` says where each one comes from. Each loader takes the
unpacked directory or the zip file as it was downloaded, and finds the recordings anywhere inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from simulators.recordings.freeliving import load_wrist_freeliving
from simulators.recordings.mobiact import load_mobiact
from simulators.recordings.sisfall import load_sisfall
from simulators.recordings.smartfallmm import load_smartfallmm
from simulators.recordings.tree import RecordingError
from simulators.recordings.types import Recording, every
from simulators.recordings.umafall import load_umafall
from simulators.recordings.weda import load_weda_fall

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from simulators.recordings.tree import Damaged
    from simulators.recordings.types import Wanted

__all__ = [
    "LOADERS",
    "Loader",
    "Recording",
    "RecordingError",
    "load_mobiact",
    "load_sisfall",
    "load_smartfallmm",
    "load_umafall",
    "load_weda_fall",
    "load_wrist_freeliving",
]


class Loader(Protocol):
    """Every wanted recording below a directory or in a zip file, by name.

    damaged is told of files that cannot be read, which are then left out; without it the first one raises
    RecordingError, as does a path at which there is nothing of the set.
    """

    def __call__(self, path: Path, wanted: Wanted = every, damaged: Damaged | None = None) -> Iterator[Recording]: ...


LOADERS: Mapping[str, Loader] = {
    "weda-fall": load_weda_fall,
    "sisfall": load_sisfall,
    "umafall": load_umafall,
    "mobiact": load_mobiact,
    "smartfallmm": load_smartfallmm,
    "wrist-freeliving": load_wrist_freeliving,
}
"""Loader of each dataset by the name that the command line takes."""
