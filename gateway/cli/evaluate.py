"""`yinling evaluate`: figures on recordings, through the same engine that runs live."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress

from gateway.cli import CANNOT, app, errors
from gateway.cli.json_file import as_json, write_json
from gateway.config import Language
from gateway.feedback import DATASET as FEEDBACK
from gateway.feedback import FeedbackError, feedback_trials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from analytics.evaluation import Part
    from analytics.trials import Trial

evaluate_app = typer.Typer(help="Figures on recordings (docs/datasets.md).", no_args_is_help=True)
app.add_typer(evaluate_app, name="evaluate")


@evaluate_app.callback()
def evaluate() -> None:
    """Figures on recordings."""


class Protocol(StrEnum):
    """Which model judges a trial."""

    SHIPPED = "shipped"
    LOSO = "loso"
    CROSS = "cross"


class UsageError(ValueError):
    """The command was given what does not fit together; the text says what to change."""


@dataclass(slots=True)
class Chosen:
    """Sets by name and path, and what of them could not be read."""

    sets: list[tuple[str, Path]]
    damaged: list[str] = field(default_factory=list)

    def trials(self) -> Iterator[Trial]:
        """Every trial of every set. Raises RecordingError and FeedbackError where there is nothing of a set."""
        from simulators.recordings import LOADERS

        for name, path in self.sets:
            if name == FEEDBACK:
                yield from feedback_trials(path)
            else:
                yield from LOADERS[name](path, damaged=lambda error: self.damaged.append(str(error)))


@evaluate_app.command("falls")
def evaluate_falls(
    path: Annotated[Path, typer.Argument(help="The set: its unpacked folder or zip file; for feedback a data folder")],
    dataset: Annotated[
        str, typer.Option(help="weda-fall, sisfall, umafall, mobiact, smartfallmm, wrist-freeliving or feedback")
    ],
    also: Annotated[
        list[str] | None, typer.Option(help="A further set to evaluate together with it, as NAME=PATH")
    ] = None,
    protocol: Annotated[
        Protocol,
        typer.Option(
            help="shipped: the model as it comes; loso: for each person one trained on all others; "
            "cross: one trained on --train (both need the extra `train`)"
        ),
    ] = Protocol.SHIPPED,
    train: Annotated[list[str] | None, typer.Option(help="With cross: a set to learn from, as NAME=PATH")] = None,
    robustness: Annotated[bool, typer.Option("--robustness", help="Also with worse equipment")] = False,
    without_pause: Annotated[
        bool, typer.Option("--without-pause", help="Also each person's activities as one stream")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the whole report as JSON; - for output")
    ] = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="Write the report as one HTML file")] = None,
    plots: Annotated[Path | None, typer.Option(help="Folder for the curves as PNG (extra `train`)")] = None,
    language: Annotated[Language, typer.Option(help="Of the HTML report: zh-CN or en")] = "zh-CN",
) -> None:
    """Stream every trial through the fall detector and report by event: what a user would get, and why."""
    from simulators.recordings import RecordingError

    try:
        chosen = Chosen([(_known(dataset), path), *map(_pair, also or [])])
        learned = Chosen([_pair(one) for one in train or []])
        _check_usage(protocol, learned)
        result = _run(chosen, learned, protocol, robustness=robustness, without_pause=without_pause)
    except (RecordingError, FeedbackError, UsageError) as error:
        errors.print(f"yinling: {error}", highlight=False)
        raise typer.Exit(CANNOT) from error
    except ModuleNotFoundError as error:
        errors.print(f"yinling: {error}: pip install 'yinling-gateway[train]'", highlight=False)
        raise typer.Exit(CANNOT) from error
    _write({"dataset": dataset, "path": path.name, **result}, json_file, html_file, plots, language)


def _check_usage(protocol: Protocol, learned: Chosen) -> None:
    if (protocol is Protocol.CROSS) != bool(learned.sets):
        raise UsageError("--train NAME=PATH belongs to --protocol cross, and cross needs it")


def _known(name: str) -> str:
    from simulators.recordings import LOADERS

    if name not in LOADERS and name != FEEDBACK:
        raise UsageError(f"unknown dataset {name!r}; known: {', '.join([*LOADERS, FEEDBACK])}")
    return name


def _pair(text: str) -> tuple[str, Path]:
    name, found, path = text.partition("=")
    if not found:
        raise UsageError(f"{text!r} is not NAME=PATH, for example sisfall=sisfall.zip")
    return _known(name), Path(path)


def _run(
    chosen: Chosen, learned: Chosen, protocol: Protocol, *, robustness: bool, without_pause: bool
) -> dict[str, Any]:
    from analytics import evaluation
    from analytics.changed import without_pause as joined

    with Progress(console=errors, transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def tell(what: str) -> Callable[[int], None]:
            return lambda done: bar.update(task, completed=done, description=f"{what}: {done} trials")

        if protocol is Protocol.SHIPPED and not (robustness or without_pause):
            result = evaluation.evaluate_falls(chosen.trials(), tell("trials"))
            return {**result, "damaged": chosen.damaged}
        parts, empty, words = _parts(chosen, learned, protocol, robustness=robustness)
        result = evaluation.report_of(parts, tell("trials"), empty)
        if without_pause:
            streams = [(model, list(joined(trials))) for model, trials in parts]
            result["without_pause"] = evaluation.report_of(streams, tell("without pause"))
        if robustness:
            result["robustness"] = evaluation.robustness(parts, tell("worse equipment"))
    return {**result, **words, "empty": empty, "damaged": chosen.damaged + learned.damaged}


def _parts(
    chosen: Chosen, learned: Chosen, protocol: Protocol, *, robustness: bool
) -> tuple[list[Part], list[str], dict[str, str]]:
    """Models with the trials that each judges, kept; names of trials without a sample; how the report names it."""
    from analytics import evaluation
    from analytics.falls.model import GRADES, grade_of, shipped

    empty: list[str] = []
    if protocol is Protocol.LOSO:
        words = {"model": "one for each subject", "protocol": "leave one subject out, streaming"}
        trials = list(chosen.trials())
        grades = sorted({"", *(grade_of(trial.full_scale_g) for trial in trials)})
        return list(evaluation.left_out_parts(trials, grades=GRADES if robustness else grades)), empty, words
    if protocol is Protocol.CROSS:
        model, words = evaluation.learned_elsewhere(learned.trials())
    else:
        model = shipped()
        words = {"model": model.version, "protocol": "shipped model, streaming"}
    return list(evaluation.shipped_parts(chosen.trials(), model, empty)), empty, words


def _write(
    result: dict[str, Any], json_file: Path | None, html_file: Path | None, plots: Path | None, language: Language
) -> None:
    from analytics.figures import summary
    from gateway.cli.fall_report import html, plots_of
    from gateway.cli.plots import save_png

    if html_file is not None:
        html_file.write_text(html(result, language), encoding="utf-8")
    if plots is not None:
        plots.mkdir(parents=True, exist_ok=True)
        for mine, english in zip(plots_of(result, language), plots_of(result, "en"), strict=True):
            save_png(mine, english, plots)
    if json_file == Path("-"):
        typer.echo(as_json(result))
        return
    write_json(result, json_file)
    typer.echo(summary(result))
    for name, one in result.get("robustness", {}).get("changes", {}).items():
        f1, drop = one["f1"], one["f1_drop"]
        if f1 is not None:
            typer.echo(f"  {name:<12}F1 {f1['value']:.4f}, lower by {drop:+.4f}")
    if "without_pause" in result:
        overall = result["without_pause"]["overall"]
        rate = overall["false_alarms_per_hour"]
        if rate is not None:
            share = f"{rate['value']:.3f} an hour ({rate['low']:.3f} to {rate['high']:.3f})"
            typer.echo(
                f"  without pause: {overall['false_alarms']} alarms in {overall['activity_hours']:.2f} h: {share}"
            )
