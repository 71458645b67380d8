"""`yinling evaluate rhythm | heart-rate | bed-exit`: figures on recordings, through the code that runs live."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import CANNOT, errors
from gateway.cli.evaluate import evaluate_app
from gateway.cli.json_file import as_json, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulators.recordings.beats import BeatRecording

    Report = dict[str, Any]

JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the whole report as JSON; - for output")]
SetPath = Annotated[Path, typer.Argument(help="The set: its unpacked folder or zip file")]
BEAT_SETS = ("afdb", "rr-24h")


class RhythmProtocol(StrEnum):
    """Which line judges a series."""

    SHIPPED = "shipped"
    LEFT_OUT = "left-out"


@evaluate_app.command("rhythm")
def evaluate_rhythm(
    path: SetPath,
    dataset: Annotated[str, typer.Option(help="afdb or rr-24h")] = "afdb",
    also: Annotated[list[str] | None, typer.Option(help="A further set, as NAME=PATH")] = None,
    protocol: Annotated[
        RhythmProtocol,
        typer.Option(help="shipped: the model as it comes; left-out: each series by one fitted on the others"),
    ] = RhythmProtocol.SHIPPED,
    json_file: JsonFile = None,
) -> None:
    """Screen series of beats for atrial fibrillation: by beat, by episode, false episodes a day."""
    from analytics.rhythm import evaluation

    def run(damaged: list[str]) -> Report:
        series = [one for name, place in _sets(dataset, path, also) for one in _beats(name, place, damaged)]
        if protocol is RhythmProtocol.LEFT_OUT:
            return evaluation.evaluate_left_out(series)
        return evaluation.evaluate_rhythm(series)

    report(run, evaluation.summary, {"dataset": dataset, "path": path.name}, json_file)


@evaluate_app.command("heart-rate")
def evaluate_heart_rate(
    path: SetPath,
    dataset: Annotated[str, typer.Option(help="ieee-spc2015")] = "ieee-spc2015",
    json_file: JsonFile = None,
) -> None:
    """Heart rate from the wrist while its wearer moves, window by window."""
    from analytics.ppg import evaluation
    from simulators.recordings.spc2015 import load_ieee_spc

    def run(damaged: list[str]) -> Report:
        _only(dataset, "ieee-spc2015")
        return evaluation.evaluate_heart_rate(list(load_ieee_spc(path, lambda error: damaged.append(str(error)))))

    report(run, evaluation.summary, {"dataset": dataset, "path": path.name}, json_file)


@evaluate_app.command("bed-exit")
def evaluate_bed_exit(
    path: SetPath,
    dataset: Annotated[str, typer.Option(help="uci-427")] = "uci-427",
    json_file: JsonFile = None,
) -> None:
    """Leaving the bed, from a sparse tag on the chest: by event, trials left out, beside a plain threshold."""
    from analytics.bed_exit import evaluation
    from simulators.recordings.bed427 import load_uci_427

    def run(damaged: list[str]) -> Report:
        _only(dataset, "uci-427")
        return evaluation.evaluate_bed_exit(list(load_uci_427(path, lambda error: damaged.append(str(error)))))

    report(run, evaluation.summary, {"dataset": dataset, "path": path.name}, json_file)


def _only(dataset: str, *known: str) -> None:
    if dataset not in known:
        raise ValueError(f"unknown dataset {dataset!r}; known: {', '.join(known)}")


def _sets(dataset: str, path: Path, also: list[str] | None) -> Iterator[tuple[str, Path]]:
    _only(dataset, *BEAT_SETS)
    yield dataset, path
    for text in also or []:
        name, found, place = text.partition("=")
        if not found:
            raise ValueError(f"{text!r} is not NAME=PATH, for example rr-24h=rr-24h.zip")
        _only(name, *BEAT_SETS)
        yield name, Path(place)


def _beats(name: str, path: Path, damaged: list[str]) -> Iterator[BeatRecording]:
    from simulators.recordings.beats import load_afdb, load_rr_24h

    load = load_afdb if name == "afdb" else load_rr_24h
    yield from load(path, lambda error: damaged.append(str(error)))


def report(
    run: Callable[[list[str]], Report], words: Callable[[Report], str], about: Report, json_file: Path | None
) -> None:
    """Run with errors told, then write. RecordingError is a ValueError that says what to do."""
    damaged: list[str] = []
    try:
        result = {**about, **run(damaged), "damaged": damaged}
    except ValueError as error:
        errors.print(f"yinling: {error}", highlight=False)
        raise typer.Exit(CANNOT) from error
    if json_file == Path("-"):
        typer.echo(as_json(result))
        return
    write_json(result, json_file)
    typer.echo(words(result))
    if damaged:
        typer.echo(f"  files that could not be read: {len(damaged)}")
