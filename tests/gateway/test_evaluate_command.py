"""`yinling evaluate falls` on small made-up sets in the layout of SisFall: protocols, damaged files, reports."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from analytics.changed import CHANGES
from gateway.cli import app, commands
from gateway.cli.fall_report import TEXTS
from gateway.cli.plots import CHINESE_FONTS, Plot, Series, save_png, svg

assert commands  # registers the command line
RATE = 200


def trial(folder: Path, subject: str, activity: str, number: int, *, falls: bool) -> None:
    """Twelve seconds: a fall, or hopping, in whole numbers of +-16 g and 13 bit."""
    t = np.arange(12 * RATE) / RATE
    noise = np.random.default_rng(number).normal(0, 0.02, (len(t), 3))
    size, lying = np.ones_like(t), np.zeros_like(t)
    if falls:
        lying = np.clip((t - 5) / 0.6, 0, 1) * np.pi / 2
        size[(t >= 5) & (t < 5.5)] = 0.25
        size += 4.0 * np.exp(-(((t - 5.5) / 0.04) ** 2))
    else:
        size += 0.8 * np.abs(np.sin(2 * np.pi * t)) ** 8
    accel = np.column_stack([np.sin(lying), 0 * t, np.cos(lying)]) * size[:, None] + noise
    counts = np.round(accel * 2**13 / 32).astype(int)
    lines = [f"{x}, {y}, {z}, 0, 0, 0, 0, 0, 0;" for x, y, z in counts.tolist()]
    (folder / subject).mkdir(parents=True, exist_ok=True)
    (folder / subject / f"{activity}_{subject}_R{number:02d}.txt").write_text("\n".join(lines))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "set"
    for person, subject in enumerate(("SA01", "SA02", "SE06")):
        for number in range(1, 7):
            trial(root, subject, "F05", 10 * person + number, falls=True)
            trial(root, subject, "D03", 10 * person + number, falls=False)
    return root


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["evaluate", "falls", *map(str, arguments)])


def report(folder: Path, *more: object, dataset: str = "sisfall") -> dict[str, Any]:
    written = folder.parent / "report.json"
    done = run("--dataset", dataset, folder, "--json", written, *more)
    assert done.exit_code == 0, done.output
    loaded: dict[str, Any] = json.loads(written.read_text())
    return loaded


def test_the_shipped_model_and_a_damaged_file(folder: Path) -> None:
    (folder / "SA01" / "F05_SA01_R01.txt").write_text("1, 2, x;\n")
    done = run("--dataset", "sisfall", folder)
    assert done.exit_code == 0
    assert "17 falls, 18 activities" in done.output
    assert "files that could not be read: 1" in done.output
    (damaged,) = report(folder)["damaged"]
    assert "F05_SA01_R01.txt" in damaged


def test_everything_at_once_and_the_report_is_one_whole_file(folder: Path) -> None:
    pytest.importorskip("matplotlib")
    page, plots = folder.parent / "report.html", folder.parent / "plots"
    more = ("--robustness", "--without-pause", "--html", page, "--plots", plots, "--language", "en")
    found = report(folder, *more)
    assert set(found["robustness"]["changes"]) == set(CHANGES)
    assert found["without_pause"]["overall"]["activities"] == 3
    assert found["overall"]["sensitivity"]["value"] == 1.0
    assert {path.name for path in plots.iterdir()} == {"curve.png", "delay.png"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in plots.iterdir())
    text = page.read_text()
    assert "src=" not in text
    assert "href=" not in text
    assert text.count("<svg") == 2
    for key in ("stages", "robustness", "without_pause", "by_subject", "spread", "window"):
        assert TEXTS[key][1] in text
    balanced(text)


class Balance(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def balanced(text: str) -> None:
    parser = Balance()
    parser.feed(text)
    assert parser.open == []


def test_the_chinese_report_names_what_failed(folder: Path) -> None:
    (folder / "SE06" / "D03_SE06_R21.txt").write_bytes((folder / "SE06" / "F05_SE06_R21.txt").read_bytes())
    (folder / "SE06" / "F05_SE06_R22.txt").write_bytes((folder / "SE06" / "D03_SE06_R22.txt").read_bytes())
    (folder / "SE06" / "F05_SE06_R23.txt").write_text("nonsense <b>")
    page = folder.parent / "report.html"
    report(folder, "--html", page)
    text = page.read_text(encoding="utf-8")
    for key in ("title", "not_medical", "missed", "alarmed", "damaged"):
        assert TEXTS[key][0] in text
    assert "sisfall/F05/SE06/R22" in text
    assert "sisfall/D03/SE06/R21" in text
    assert "<b>" not in text
    balanced(text)


def test_activities_alone_have_no_curves(folder: Path) -> None:
    for path in folder.rglob("F05*"):
        path.unlink()
    page = folder.parent / "report.html"
    found = report(folder, "--html", page, "--robustness")
    assert found["robustness"]["changes"]["rotated"]["f1_drop"] is None
    assert "<svg" not in page.read_text()


@pytest.mark.usefixtures("few_trees")
def test_people_left_out_and_other_sets(folder: Path) -> None:
    pytest.importorskip("sklearn")
    found = report(folder, "--protocol", "loso")
    assert found["protocol"].startswith("leave one subject out")
    assert len(found["by_subject"]["each"]) == 3
    again = report(folder, "--protocol", "cross", "--train", f"sisfall={folder}")
    assert again["protocol"] == "trained on sisfall, streaming"
    both = report(folder, "--also", f"sisfall={folder}")
    assert both["trials"] == 2 * found["trials"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--dataset", "x", "."), "unknown dataset 'x'; known: weda-fall"),
        (("--dataset", "sisfall", "no-such-place"), "no such file"),
        (("--dataset", "sisfall", ".", "--also", "sisfall"), "NAME=PATH"),
        (("--dataset", "sisfall", ".", "--train", "weda-fall=x"), "belongs to --protocol cross"),
        (("--dataset", "sisfall", ".", "--protocol", "cross"), "cross needs it"),
        (("--dataset", "feedback", "no-such-place"), "data folder"),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(arguments: tuple[str, ...], words: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert words in done.output.replace("\n", " ")


def test_a_plot_escapes_its_words_and_shows_single_points() -> None:
    plot = Plot("x", "a < b", "x & y", "y", [Series("line", [(0, 0), (2, 0.5)]), Series("dot", [(0.5, 0.5)]),
                                             Series("none", [])])  # fmt: skip
    drawn = svg(plot)
    assert "a &lt; b" in drawn
    assert "x &amp; y" in drawn
    assert drawn.count("<polyline") == 1
    assert drawn.count("<circle") == 1


def test_png_labels_are_english_where_no_font_has_chinese(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    font_manager = pytest.importorskip("matplotlib.font_manager")
    fonts = [font for font in font_manager.fontManager.ttflist if font.name not in CHINESE_FONTS]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", fonts)
    series = [Series("line", [(0, 0), (1, 1)])]
    path = save_png(Plot("p", "标题", "横", "纵", series), Plot("p", "title", "x", "y", series), tmp_path)
    assert path.name == "p.png"
    assert path.stat().st_size > 1000
