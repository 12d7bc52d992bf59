"""Scores of a layer's filters: as a grid with a cell a filter, and ranked with their intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from converters.layouts import near_square
from converters.volume import Volume

from .drawing import FAINT, INK, PAPER, alike, fitting, font, labels, printable, ticks
from .loading import load
from .transfer import Fitted, fit

if TYPE_CHECKING:
    from PIL.Image import Image

_GAP, _HEAD, _TITLE, _TALL, _COLUMNS = 16, 36, 44, 3, 2
_GRID, _BAR = 352, (120, 10)
_PLOT, _AXIS, _TICKS = (704, 200), 56, 20
# Least pixels between two numbers of filters.
_APART = 6
_SMALLEST, _LARGEST, _READABLE = 4, 44, 26
_MARK, _WHISKER, _LINE = (253, 180, 98), (120, 126, 140), (52, 55, 63)
# Upstream's grid for the 96 filters of CaffeNet's first layer.
_UPSTREAM = {96: (6, 16)}
# From which share of the highest score on negative scores get a colour of their own.
_NEGATIVE = 0.05


@dataclass(frozen=True, eq=False)
class Ranking:
    """Scores to draw.

    Parameters
    ----------
    scores : ndarray
        One a filter, shape (F,).
    title, caption : str
        Two lines that stand above.
    low, high : ndarray or None
        The ends of their intervals.
    """

    scores: NDArray[np.float64]
    title: str
    caption: str
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None


def score_grids(rankings: Sequence[Ranking], heading: str) -> Image:
    """Draw a grid for each ranking: a cell a filter in their order, row by row, as bright as its score.

    Parameters
    ----------
    rankings : sequence of Ranking
        Of one layer.
    heading : str
        What stands above all.

    Returns
    -------
    PIL.Image.Image
        RGB. 96 filters are 6 rows of 16, others a near-square grid. Cells show the filters' numbers where
        there is room. Each grid has a colour scale of its own, from the lowest to the highest score, or
        around zero where there are negative scores. Scores that differ only by rounding have one colour.
    """
    count = len(rankings[0].scores)
    rows, columns = _UPSTREAM.get(count) or near_square(count)
    cell = max(_SMALLEST, min(_LARGEST, _PLOT[0] // columns))
    width = max(_GRID, columns * cell)

    def grid(sheet: Image, ranking: Ranking, corner: tuple[int, int]) -> None:
        x, y = corner
        scale = _scale(ranking.scores)
        _bar(sheet, scale, (x + width - _BAR[0], y - _TITLE + 4))
        for place, score in enumerate(ranking.scores.tolist()):
            at = (x + place % columns * cell, y + place // columns * cell)
            _cell(sheet, at, cell, str(place), _colour(scale, score))

    return _panels(rankings, heading, (width, rows * cell), grid)


def ranked_plots(rankings: Sequence[Ranking], heading: str) -> Image:
    """Draw the scores of each ranking from the highest to the lowest, with their intervals.

    Parameters
    ----------
    rankings, heading
        As `score_grids` takes them.

    Returns
    -------
    PIL.Image.Image
        RGB. Below the marks stand the numbers of filters: of all where there is room, of every few elsewhere.
    """
    bars = " · bars: 95 % intervals" if any(ranking.low is not None for ranking in rankings) else ""
    return _panels(rankings, f"{heading}{bars}", (_PLOT[0], _PLOT[1] + _TICKS), _plot)


def _panels(
    rankings: Sequence[Ranking],
    heading: str,
    size: tuple[int, int],
    draw: Callable[[Image, Ranking, tuple[int, int]], None],
) -> Image:
    """Draw rankings below each other, many of them in two columns; `draw` gets the corner below the title."""
    from PIL import Image, ImageDraw

    columns = _COLUMNS if len(rankings) > _TALL else 1
    across, down = size[0] + _GAP, _TITLE + size[1] + _GAP
    whole = (_GAP + columns * across, _HEAD + math.ceil(len(rankings) / columns) * down)
    sheet = Image.new("RGB", whole, PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((_GAP, 9), fitting(heading, whole[0] - 2 * _GAP, 15), INK, font(15))
    for index, ranking in enumerate(rankings):
        x, y = _GAP + index % columns * across, _HEAD + index // columns * down
        pen.text((x, y), printable(ranking.title), INK, font(14))
        pen.text((x, y + 19), printable(ranking.caption), FAINT, font(11))
        draw(sheet, ranking, (x, y + _TITLE))
    return sheet


def _scale(scores: NDArray[np.float64]) -> Fitted:
    """Return colours from the lowest to the highest score, or around zero."""
    low, high = float(scores.min()), float(scores.max())
    name = "signed" if low < -_NEGATIVE * max(high, 0.0) else "viridis"
    if name == "signed":
        low, high = -max(-low, high), max(-low, high)
    elif alike(low, high):
        low, high = min(low, 0.0), max(high, 0.0) or 1.0
    fitted = fit(load(name), Volume(scores.reshape(1, 1, -1).astype(np.float32)))
    start, end = fitted.range
    return fitted.over(lambda value: low + (value - start) / (end - start) * (high - low))


def _colour(scale: Fitted, score: float) -> tuple[int, int, int]:
    red, green, blue = (round(255 * float(part)) for part in scale.rgba(score)[:3])
    return red, green, blue


def _cell(sheet: Image, corner: tuple[int, int], cell: int, label: str, colour: tuple[int, int, int]) -> None:
    from PIL import ImageDraw

    (x, y), pen = corner, ImageDraw.Draw(sheet)
    inner = cell - (2 if cell >= _READABLE else 1)
    pen.rectangle((x, y, x + inner - 1, y + inner - 1), colour)
    if cell >= _READABLE:
        red, green, blue = colour
        bright = 0.299 * red + 0.587 * green + 0.114 * blue > 130
        pen.text((x + inner / 2, y + inner / 2), label, PAPER if bright else INK, font(11), anchor="mm")


def _bar(sheet: Image, scale: Fitted, corner: tuple[int, int]) -> None:
    from PIL import Image, ImageDraw

    (x, y), (width, height) = corner, _BAR
    low, high = scale.range
    row = np.rint(255 * scale.rgba(np.linspace(low, high, width))[:, :3]).astype(np.uint8)
    sheet.paste(Image.fromarray(np.repeat(row[np.newaxis], height, axis=0)), corner)
    pen = ImageDraw.Draw(sheet)
    for at, anchor, label in zip((x, x + width), ("la", "ra"), labels([low, high]), strict=True):
        pen.text((at, y + height + 3), label, FAINT, font(11), anchor=anchor)


def _plot(sheet: Image, ranking: Ranking, corner: tuple[int, int]) -> None:
    from PIL import ImageDraw

    pen, (x, top) = ImageDraw.Draw(sheet), corner
    order = np.argsort(-ranking.scores, kind="stable")
    left, right, bottom = x + _AXIS, x + _PLOT[0], top + _PLOT[1]
    ends = [values for values in (ranking.low, ranking.high, ranking.scores) if values is not None]
    low = min(0.0, *(float(values.min()) for values in ends))
    high = max(0.0, *(float(values.max()) for values in ends))
    high = high if high > low else low + 1.0
    step = (right - left) / len(order)

    def height(value: float) -> float:
        return bottom - (value - low) / (high - low) * _PLOT[1]

    values = ticks(low, high, about=4)
    for value, label in zip(values, labels(values), strict=True):
        pen.line((left, height(value), right, height(value)), _LINE)
        pen.text((left - 8, height(value)), label, FAINT, font(11), anchor="rm")
    every = _every(len(order), step)
    half = min(3.0, step / 2)
    for rank, own in enumerate(order.tolist()):
        middle, y = left + (rank + 0.5) * step, height(float(ranking.scores[own]))
        if ranking.low is not None and ranking.high is not None:
            whisker = (height(float(ranking.low[own])), height(float(ranking.high[own])))
            pen.line((middle, whisker[0], middle, whisker[1]), _WHISKER)
        pen.rectangle((middle - half, y - 1, middle + half, y + 1), _MARK)
        if rank % every == 0:
            pen.text((middle, bottom + 4), str(own), INK, font(11), anchor="ma")


def _every(count: int, step: float) -> int:
    """Return of how many filters one is numbered, so that the numbers stand apart."""
    widest = max(font(11).getlength(str(own)) for own in range(count))
    return math.ceil((widest + _APART) / step)
