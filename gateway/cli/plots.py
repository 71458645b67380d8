"""Curves of an evaluation: as SVG for the report, and as PNG files (needs matplotlib of the extra `train`)."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

WIDTH, HEIGHT = 520, 340
LEFT, RIGHT, TOP, BOTTOM = 60, 16, 34, 48
COLOURS = ("#1f5fa8", "#c4501b", "#2f7d32", "#6a3d9a")
TICKS = 5
CHINESE_FONTS = ("Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Zen Hei", "SimHei", "PingFang SC")
"""PNG labels are Chinese only where one of these is installed; matplotlib's own font has no Chinese."""


@dataclass(frozen=True, slots=True)
class Series:
    """One line, or one point that stands out."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Plot:
    """A chart from (0, 0) to (x_most, y_most); name: the file's, in Latin letters."""

    name: str
    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    x_most: float = 1.0
    y_most: float = 1.0


def svg(plot: Plot) -> str:
    """The chart as one SVG element without anything from outside."""
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" xmlns="http://www.w3.org/2000/svg" class="plot">'
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts = [
        head,
        f"<title>{escape(plot.title)}</title>",
        _text(middle, TOP - 14, plot.title, "title"),
        _text(middle, HEIGHT - 8, plot.x_label),
        f'<g transform="translate(14 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)">{_text(0, 0, plot.y_label)}</g>',
        *_grid(plot),
    ]
    for number, one in enumerate(plot.series):
        parts += _line(plot, one, COLOURS[number % len(COLOURS)], TOP + 18 + 16 * number)
    return "".join([*parts, "</svg>"])


def _x(plot: Plot, value: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * min(value / plot.x_most, 1.0)


def _y(plot: Plot, value: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(value / plot.y_most, 1.0)


def _grid(plot: Plot) -> Iterable[str]:
    for step in range(TICKS + 1):
        x, y = plot.x_most * step / TICKS, plot.y_most * step / TICKS
        yield f'<path d="M{_x(plot, x):.1f} {TOP}V{HEIGHT - BOTTOM}" class="grid"/>'
        yield f'<path d="M{LEFT} {_y(plot, y):.1f}H{WIDTH - RIGHT}" class="grid"/>'
        yield _text(_x(plot, x), HEIGHT - BOTTOM + 16, f"{x:g}")
        yield _text(LEFT - 20, _y(plot, y) + 4, f"{y:g}")


def _line(plot: Plot, one: Series, colour: str, legend_y: float) -> list[str]:
    if not one.points:
        return []
    places = [f"{_x(plot, x):.1f},{_y(plot, y):.1f}" for x, y in one.points]
    if len(places) == 1:
        x, y = places[0].split(",")
        drawn = f'<circle cx="{x}" cy="{y}" r="5" fill="{colour}"/>'
    else:
        drawn = f'<polyline points="{" ".join(places)}" fill="none" stroke="{colour}" stroke-width="2"/>'
    legend = _text(WIDTH - RIGHT - 8, HEIGHT - BOTTOM - legend_y + TOP, one.name, "legend", colour)
    return [drawn, legend]


def _text(x: float, y: float, words: str, kind: str = "tick", colour: str = "#333") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" fill="{colour}">{escape(words)}</text>'


def save_png(chosen: Plot, english: Plot, folder: Path) -> Path:
    """Write `chosen` as NAME.png, or `english` where no font has its letters.

    Raises ModuleNotFoundError without the extra `train`.
    """
    from matplotlib import font_manager
    from matplotlib.figure import Figure

    fonts = {font.name for font in font_manager.fontManager.ttflist} & set(CHINESE_FONTS)
    plot = chosen if chosen.title.isascii() or fonts else english
    figure = Figure(figsize=(6.5, 4.2), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    for one, colour in zip(plot.series, COLOURS, strict=False):
        x, y = [point[0] for point in one.points], [point[1] for point in one.points]
        axes.plot(x, y, "o" if len(x) == 1 else "-", color=colour, label=one.name)
    font = {"fontfamily": min(fonts)} if fonts else {}
    axes.set_title(plot.title, font)
    axes.set_xlabel(plot.x_label, font)
    axes.set_ylabel(plot.y_label, font)
    axes.set_xlim(0, plot.x_most)
    axes.set_ylim(0, plot.y_most * 1.01)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(prop={"family": min(fonts)} if fonts else None)
    path = folder / f"{plot.name}.png"
    figure.savefig(path)
    return path
