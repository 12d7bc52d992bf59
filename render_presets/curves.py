"""Curves in panels side by side: lines with bands, round numbers on the axes, and one legend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .drawing import FAINT, INK, PAPER, fitting, font, number, printable, ticks

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

Floats = NDArray[np.float64]
Colour = tuple[int, int, int]

_WIDTH, _HEIGHT = 400, 260
_LEFT, _BELOW, _TITLE, _GAP, _HEAD, _LEGEND = 52, 40, 42, 20, 38, 24
_GRID = (52, 55, 63)
# After M. Okabe, K. Ito, *Color Universal Design*, 2008: colour-blind people tell them apart too.
_COLOURS: tuple[Colour, ...] = (
    *((86, 180, 233), (230, 159, 0), (0, 170, 125), (240, 228, 66)),
    *((204, 121, 167), (225, 105, 30), (120, 140, 255)),
)
_PLAIN = (165, 170, 180)
# Lines are drawn this much larger and shrunk, so that they are smooth.
_FINE = 3


@dataclass(frozen=True, eq=False)
class Line:
    """A line to draw.

    Parameters
    ----------
    name : str
        What the legend calls it; the same name has the same colour in all panels.
    x, y : ndarray
        Its points; those that are no numbers are left out.
    band : (ndarray, ndarray) or None
        Lower and upper end of a band around it.
    plain : bool
        Whether it is grey: what others are compared with.
    """

    name: str
    x: Floats
    y: Floats
    band: tuple[Floats, Floats] | None = None
    plain: bool = False


@dataclass(frozen=True, eq=False)
class Panel:
    """A plot: its lines, two lines of text above it, and what stands below."""

    title: str
    caption: str
    below: str
    lines: Sequence[Line]


def curves(panels: Sequence[Panel], heading: str, columns: int = 2) -> Image:
    """Draw panels of lines.

    Parameters
    ----------
    panels : sequence of Panel
        The plots, row by row. Each has its own range of values.
    heading : str
        What stands above all.
    columns : int
        How many stand side by side.

    Returns
    -------
    PIL.Image.Image
        RGB, with a legend of all lines at the bottom.
    """
    from PIL import Image, ImageDraw

    columns = min(columns, len(panels))
    across = _LEFT + _WIDTH + _GAP
    down = _TITLE + _HEIGHT + _BELOW
    colours = _colours(panels)
    width = _GAP + columns * across
    legend = _legend_places(list(colours), width)
    rows = math.ceil(len(panels) / columns)
    end = _HEAD + rows * down
    sheet = Image.new("RGB", (width, end + (legend[-1][2] + 1) * _LEGEND + _GAP // 2), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, 10), fitting(heading, width - 2 * _GAP, 15), INK, font(15))
    for index, panel in enumerate(panels):
        corner = (_GAP + index % columns * across + _LEFT, _HEAD + index // columns * down + _TITLE)
        _draw_panel(sheet, draw, panel, corner, colours)
    for name, x, row in legend:
        y = end + row * _LEGEND + 10
        draw.line((x, y, x + 18, y), colours[name], 3)
        draw.text((x + 24, y), printable(name), INK, font(12), anchor="lm")
    return sheet


def _colours(panels: Sequence[Panel]) -> dict[str, Colour]:
    lines = [line for panel in panels for line in panel.lines]
    bright = dict.fromkeys(line.name for line in lines if not line.plain)
    found = {name: _COLOURS[place % len(_COLOURS)] for place, name in enumerate(bright)}
    return {line.name: found.get(line.name, _PLAIN) for line in lines}


def _legend_places(names: Sequence[str], width: int) -> list[tuple[str, int, int]]:
    """Return where each name stands: its x, and the number of its row."""
    places, x, row = [], _GAP, 0
    for name in names:
        own = 24 + round(font(12).getlength(printable(name))) + _GAP
        if x + own > width and x > _GAP:
            x, row = _GAP, row + 1
        places.append((name, x, row))
        x += own
    return places


def _draw_panel(
    sheet: Image, draw: ImageDraw, panel: Panel, corner: tuple[int, int], colours: dict[str, Colour]
) -> None:
    left, top = corner
    draw.text((left, top - _TITLE + 4), printable(panel.title), INK, font(14))
    draw.text((left, top - _TITLE + 23), printable(panel.caption), FAINT, font(11))
    xs = np.concatenate([line.x for line in panel.lines])
    ys = np.concatenate([np.concatenate([line.y, *(line.band or ())]) for line in panel.lines])
    across, up = _Axis.of(xs, _WIDTH, margin=0.0), _Axis.of(ys, _HEIGHT, margin=0.04)
    field = _field(panel, across, up, colours)
    sheet.paste(field, corner)
    for value in up.ticks:
        draw.text((left - 8, top + _HEIGHT - up.at(value)), number(value), FAINT, font(11), anchor="rm")
    for value in across.ticks:
        draw.text((left + across.at(value), top + _HEIGHT + 6), number(value), FAINT, font(11), anchor="ma")
    draw.text((left + _WIDTH, top + _HEIGHT + 21), printable(panel.below), FAINT, font(11), anchor="ra")


def _field(panel: Panel, across: _Axis, up: _Axis, colours: dict[str, Colour]) -> Image:
    """Return the plot inside its axes."""
    from PIL import Image, ImageDraw

    size = (_WIDTH * _FINE, _HEIGHT * _FINE)
    field = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(field)
    for value in up.ticks:
        y = size[1] - _FINE * up.at(value)
        draw.line((0, y, size[0], y), _GRID, _FINE)
    draw.line((0, 0, 0, size[1]), _GRID, _FINE)

    def points(x: Floats, y: Floats) -> list[tuple[float, float]]:
        return [
            (_FINE * across.at(a), size[1] - _FINE * up.at(b))
            for a, b in zip(x.tolist(), y.tolist(), strict=True)
            if math.isfinite(b)
        ]

    for line in panel.lines:
        if line.band is not None:
            low, high = (points(line.x, ends) for ends in line.band)
            if len(low) < 2:
                continue
            shade = Image.new("RGB", size, colours[line.name])
            mask = Image.new("L", size, 0)
            ImageDraw.Draw(mask).polygon([*low, *reversed(high)], fill=70)
            field.paste(shade, (0, 0), mask)
    for line in sorted(panel.lines, key=lambda line: not line.plain):
        if len(path := points(line.x, line.y)) > 1:
            draw.line(path, colours[line.name], 2 * _FINE, joint="curve")
    return field.resize((_WIDTH, _HEIGHT), Image.Resampling.BOX)


@dataclass(frozen=True)
class _Axis:
    """From values to pixels."""

    low: float
    high: float
    length: int

    @classmethod
    def of(cls, values: Floats, length: int, margin: float) -> _Axis:
        known = values[np.isfinite(values)]
        low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
        span = high - low or abs(high) or 1.0
        return cls(low - margin * span, (high if high > low else low + span) + margin * span, length)

    def at(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low) * self.length

    @property
    def ticks(self) -> list[float]:
        """Round numbers."""
        return ticks(self.low, self.high, about=5)
