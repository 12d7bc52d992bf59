"""Curves in panels side by side: lines with bands, round numbers on the axes, and one legend."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .drawing import FAINT, INK, PAPER, alike, fitting, font, labels, ticks

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

Floats = NDArray[np.float64]
Colour = tuple[int, int, int]

_WIDTH, _HEIGHT = 400, 260
_LEFT, _BELOW, _TITLE, _GAP, _HEAD, _LEGEND, _SAMPLE = 52, 40, 42, 20, 38, 24, 24
# How long dashes are where lines coincide, in pixels.
_DASH = 8
# The share of an axis that is left free at both ends, so that lines at the ends are visible.
_MARGIN = 0.04
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
    """A plot.

    Parameters
    ----------
    title, caption : str
        Two lines of text above it.
    below : str
        What stands below: what x is.
    lines : sequence of Line
        Its lines.
    bounds : (float, float) or None
        What y never exceeds, as 0 and 100 for a percentage: no tick lies beyond.
    whole : bool
        Whether x are whole numbers: so are the ticks.
    group : str or None
        Panels of one group have the same range of y, so that they compare.
    """

    title: str
    caption: str
    below: str
    lines: Sequence[Line]
    bounds: tuple[float, float] | None = None
    whole: bool = False
    group: str | None = None


def curves(panels: Sequence[Panel], heading: str, columns: int = 2) -> Image:
    """Draw panels of lines.

    Parameters
    ----------
    panels : sequence of Panel
        The plots, row by row. Each has a range of values of its own, or of its group.
    heading : str
        What stands above all.
    columns : int
        How many stand side by side.

    Returns
    -------
    PIL.Image.Image
        RGB, with a legend of all lines at the bottom. Lines that coincide are dashed in all of their colours.
    """
    from PIL import Image, ImageDraw

    columns = min(columns, len(panels))
    across = _LEFT + _WIDTH + _GAP
    down = _TITLE + _HEIGHT + _BELOW
    colours = _colours(panels)
    width = _GAP + columns * across
    names = {name: fitting(name, width - 2 * _GAP - _SAMPLE, 12) for name in colours}
    legend = _legend_places(names, width)
    rows = math.ceil(len(panels) / columns)
    end = _HEAD + rows * down
    sheet = Image.new("RGB", (width, end + (legend[-1][2] + 1) * _LEGEND + _GAP // 2), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, 10), fitting(heading, width - 2 * _GAP, 15), INK, font(15))
    for index, panel in enumerate(panels):
        corner = (_GAP + index % columns * across + _LEFT, _HEAD + index // columns * down + _TITLE)
        _draw_panel(sheet, draw, panel, corner, colours, _axes(panel, panels))
    for name, x, row in legend:
        y = end + row * _LEGEND + 10
        draw.line((x, y, x + 18, y), colours[name], 3)
        draw.text((x + _SAMPLE, y), names[name], INK, font(12), anchor="lm")
    return sheet


def _colours(panels: Sequence[Panel]) -> dict[str, Colour]:
    lines = [line for panel in panels for line in panel.lines]
    bright = dict.fromkeys(line.name for line in lines if not line.plain)
    found = {name: _COLOURS[place % len(_COLOURS)] for place, name in enumerate(bright)}
    return {line.name: found.get(line.name, _PLAIN) for line in lines}


def _legend_places(names: Mapping[str, str], width: int) -> list[tuple[str, int, int]]:
    """Return where each name, of which a text is shown, stands: its x, and the number of its row."""
    places, x, row = [], _GAP, 0
    for name, shown in names.items():
        own = _SAMPLE + round(font(12).getlength(shown)) + _GAP
        if x + own > width and x > _GAP:
            x, row = _GAP, row + 1
        places.append((name, x, row))
        x += own
    return places


def _axes(panel: Panel, panels: Sequence[Panel]) -> tuple[_Axis, _Axis]:
    """Return the axes of x and y; that of y suits all panels of the group."""
    together = [panel] if panel.group is None else [one for one in panels if one.group == panel.group]
    lines = [line for one in together for line in one.lines]
    xs = _joined(line.x for line in panel.lines)
    ys = _joined(values for line in lines for values in (line.y, *(line.band or ())))
    across = _Axis.of(xs, _WIDTH, 0.0 if panel.whole else _MARGIN, whole=panel.whole)
    return across, _Axis.of(ys, _HEIGHT, _MARGIN, panel.bounds)


def _joined(parts: Iterable[Floats]) -> Floats:
    """Return the finite ones of all values."""
    values: Floats = np.concatenate([np.empty(0), *parts])
    return values[np.isfinite(values)]


def _draw_panel(
    sheet: Image,
    draw: ImageDraw,
    panel: Panel,
    corner: tuple[int, int],
    colours: Mapping[str, Colour],
    axes: tuple[_Axis, _Axis],
) -> None:
    (left, top), (across, up) = corner, axes
    bottom = top + _HEIGHT
    draw.text((left, top - _TITLE + 4), fitting(panel.title, _WIDTH, 14), INK, font(14))
    draw.text((left, top - _TITLE + 23), fitting(panel.caption, _WIDTH, 11), FAINT, font(11))
    sheet.paste(_field(panel, across, up, colours), corner)
    for value, label in zip(up.ticks, labels(up.ticks), strict=True):
        draw.text((left - 8, bottom - up.at(value)), label, FAINT, font(11), anchor="rm")
    for value, label in zip(across.ticks, labels(across.ticks), strict=True):
        draw.text((left + across.at(value), bottom + 6), label, FAINT, font(11), anchor="ma")
    below = fitting(panel.below, _WIDTH, 11)
    draw.text((left + _WIDTH, bottom + 21), below, FAINT, font(11), anchor="ra")


def _field(panel: Panel, across: _Axis, up: _Axis, colours: Mapping[str, Colour]) -> Image:
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
            if math.isfinite(a) and math.isfinite(b)
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
    lines = sorted(panel.lines, key=lambda line: not line.plain)
    masks = [_mask(points(line.x, line.y), size) for line in lines]
    for line, mask in zip(lines, masks, strict=True):
        field.paste(colours[line.name], (0, 0), mask)
    if len(lines) > 1:
        field = _in_turns(field, masks, [colours[line.name] for line in lines])
    return field.resize((_WIDTH, _HEIGHT), Image.Resampling.BOX)


def _mask(path: Sequence[tuple[float, float]], size: tuple[int, int]) -> Image:
    """Return where a line is drawn: a dot where all of its points are one."""
    from PIL import Image, ImageDraw

    mask = Image.new("1", size)
    draw = ImageDraw.Draw(mask)
    if len(set(path)) == 1:
        draw.circle(path[0], 2 * _FINE, 1)
    elif path:
        draw.line(path, 1, 2 * _FINE, joint="curve")
    return mask


def _in_turns(field: Image, masks: Sequence[Image], colours: Sequence[Colour]) -> Image:
    """Return the picture with dashes of all colours where lines coincide, none of which hides another."""
    from PIL import Image

    covered = np.array([np.asarray(mask) for mask in masks])
    rows, columns = np.nonzero(covered.sum(axis=0, dtype=np.uint16) > 1)
    own = covered[:, rows, columns]
    # leaning, so that lines that go straight up have dashes too
    turn = ((columns + 0.5 * rows) // (_DASH * _FINE)).astype(int) % own.sum(axis=0)
    line = (own.cumsum(axis=0) > turn).argmax(axis=0)
    pixels = np.array(field)
    pixels[rows, columns] = np.array(colours, np.uint8)[line]
    return Image.fromarray(pixels)


@dataclass(frozen=True)
class _Axis:
    """From values to pixels, and round numbers along it."""

    low: float
    high: float
    length: int
    ticks: Sequence[float]

    @classmethod
    def of(
        cls,
        values: Floats,
        length: int,
        margin: float,
        bounds: tuple[float, float] | None = None,
        whole: bool = False,
    ) -> _Axis:
        """Return the axis of finite values, with a share of their range left free at both ends.

        Where all are alike it shows all that is in bounds, or has them in its middle.
        """
        least, most = bounds or (-math.inf, math.inf)
        values = np.clip(values, least, most) if values.size else np.array(bounds or (0.0, 1.0))
        low, high = float(values.min()), float(values.max())
        if alike(low, high):
            half = 0.5 if whole else abs(low) / 2 or 1.0
            low, high = bounds or (low - half, high + half)
        free = margin * (high - low)
        round_ones = ticks(max(low - free, least), min(high + free, most), 5, 1.0 if whole else 0.0)
        return cls(low - free, high + free, length, round_ones)

    def at(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low) * self.length
