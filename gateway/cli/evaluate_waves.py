"""`yinling evaluate bed-wave | apnoea`: figures on made-up nights with known truth, through the code that runs live."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.evaluate import evaluate_app
from gateway.cli.evaluate_signals import JsonFile, report

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Report = dict[str, Any]

Beats = Annotated[
    Path | None, typer.Option("--beats", help="Recorded beats of real people (rr-24h.zip) in place of made-up ones")
]
Seed = Annotated[int, typer.Option(help="Another seed makes other nights")]


@evaluate_app.command("bed-wave")
def evaluate_bed_wave(
    beats: Beats = None,
    nights: Annotated[int, typer.Option(min=1, help="Stretches for each level of noise")] = 4,
    minutes: Annotated[float, typer.Option(min=2.0, help="Length of each")] = 10.0,
    seed: Seed = 1,
    json_file: JsonFile = None,
) -> None:
    """Beats, heart rate and breathing from the wave of a bed, made up at several levels of noise."""
    from analytics.waves import evaluation
    from simulators.physiology.nights import NOISES, bed_nights

    def run(damaged: list[str]) -> Report:
        series = _recorded(beats, damaged)
        made = (night for noise in NOISES for night in bed_nights(seed, nights, minutes, noise, series))
        return evaluation.evaluate_bed_wave(made)

    report(run, evaluation.summary, {"synthetic": True, "seed": seed, "beats": _name(beats)}, json_file)


@evaluate_app.command("apnoea")
def evaluate_apnoea(
    hours: Annotated[float, typer.Option(min=0.5, max=7.0, help="Length of each night")] = 6.0,
    each: Annotated[int, typer.Option(min=1, help="Nights for each number of pauses an hour")] = 2,
    seed: Seed = 1,
    json_file: JsonFile = None,
) -> None:
    """Breathing pauses and falls of oxygen in made-up nights: index an hour, and which nights are told."""
    from analytics.apnoea import evaluation
    from simulators.physiology.nights import pause_nights

    def run(damaged: list[str]) -> Report:  # noqa: ARG001 - nothing is read
        return evaluation.evaluate_apnoea(pause_nights(seed, hours, each=each))

    report(run, evaluation.summary, {"synthetic": True, "seed": seed}, json_file)


def _recorded(path: Path | None, damaged: list[str]) -> list[NDArray[np.float64]]:
    from simulators.recordings.beats import load_rr_24h

    if path is None:
        return []
    return [one.interval_s for one in load_rr_24h(path, lambda error: damaged.append(str(error)))]


def _name(path: Path | None) -> str:
    return "made up" if path is None else path.name
