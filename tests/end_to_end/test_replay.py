"""Recorded people through the real broker: falls end as acknowledged alerts, activities make none.

Some of them are played; more with YINLING_RECORDINGS=full.
"""

from __future__ import annotations

import asyncio
import os
from fnmatch import fnmatch
from functools import partial
from typing import TYPE_CHECKING

import pytest

from gateway.cli.replay import _play
from simulators.recordings import LOADERS

if TYPE_CHECKING:
    from pathlib import Path

    from simulators.recordings import Recording

FULL = os.environ.get("YINLING_RECORDINGS") == "full"
CHOSEN = {"weda-fall": ("F05/U04/R02", "D04/U23/R01"), "sisfall": ("F01/SA03/R01", "D01/SE02/R01")}
MORE = {"weda-fall": ("F01/U02/R01", "D01/U02/R01"), "sisfall": ("F08/SA05/R02", "D03/SA03/R01")}


def chosen(folder: Path, dataset: str) -> list[Recording]:
    wanted = {f"{dataset}/{name}" for name in CHOSEN[dataset] + (MORE[dataset] if FULL else ())}
    found = list(LOADERS[dataset](folder / f"{dataset}.zip", wanted.__contains__))
    assert {one.name for one in found} == wanted
    return found


@pytest.mark.slow
def test_recorded_falls_are_answered_and_recorded_activities_are_silent(tmp_path: Path, data_folder: Path) -> None:
    recordings = [one for dataset in CHOSEN for one in chosen(data_folder, dataset)]
    results = asyncio.run(_play(tmp_path, recordings, 4.0))
    wrong = [result.plain() for result in results if not result.right]
    assert wrong == []
    assert sum(result.played.recording.is_fall for result in results) == (4 if FULL else 2)


WHOLE = {"weda-fall": ("F01/U02/R0[12]", "D04/U02/R01"), "sisfall": ("F06/SA03/R0[12]", "D11/SA03/R01")}
if FULL:
    WHOLE = {"weda-fall": ("F01/U02/*", "D04/U02/*"), "sisfall": ("F06/SA03/*", "D11/SA03/R0[12]")}


@pytest.mark.slow
def test_the_gateway_finds_live_what_the_evaluation_finds_offline(tmp_path: Path, data_folder: Path) -> None:
    recordings = [
        one
        for dataset, patterns in WHOLE.items()
        for pattern in patterns
        for one in LOADERS[dataset](data_folder / f"{dataset}.zip", partial(fnmatch, pat=f"{dataset}/{pattern}"))
    ]
    results = asyncio.run(_play(tmp_path, recordings, 4.0, compare=True))
    assert [result.plain() for result in results if not result.same] == []
    assert len(results) == len(recordings) >= (10 if FULL else 6)
    assert sum(result.live.total() for result in results) >= 2 * sum(one.is_fall for one in recordings) - (
        4 if FULL else 2
    )
