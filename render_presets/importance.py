"""Scores of a layer's filters: as a grid with a cell a filter, and ranked with their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from converters.layouts import near_square
from converters.volume import Volume

from .drawing import FAINT, INK, PAPER, font, number, printable
from .loading import load
from .transfer import Fitted, fit

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

_WIDTH, _GAP, _HEAD, _TITLE = 736, 16, 34, 42
_PLOT, _AXIS, _TICKS = 220, 72, 18
_SMALLEST, _LARGEST, _READABLE = 4, 46, 26
_MARK, _WHISKER = (253, 180, 98), (120, 126, 140)
# Upstream's grid for the 96 filters of CaffeNet's first layer: filters across, then down.
_UPSTREAM = {96: (6, 16)}


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
        Of one layer, one below the other.
    heading : str
        What stands above all.

    Returns
    -------
    PIL.Image.Image
        RGB. 96 filters are 6 rows of 16, others a near-square grid. Cells show the filters' numbers where
        there is room. Each grid has a colour scale of its own, from the lowest to the highest score.
    """
    from PIL import ImageDraw

    count = len(rankings[0].scores)
    rows, columns = _UPSTREAM.get(count) or near_square(count)
    inner = _WIDTH - 2 * _GAP
    cell = max(_SMALLEST, min(_LARGEST, inner // columns))
    width = max(_WIDTH, columns * cell + 2 * _GAP)
    down = _TITLE + rows * cell + _GAP
    sheet = _sheet(width, _HEAD + len(rankings) * down, heading)
    draw = ImageDraw.Draw(sheet)
    for index, ranking in enumerate(rankings):
        top = _HEAD + index * down
        scale = _scale(ranking.scores)
        _title(draw, ranking, top)
        _bar(sheet, scale, (width - _GAP - 160, top + 4))
        for place, score in enumerate(ranking.scores):
            corner = (_GAP + place % columns * cell, top + _TITLE + place // columns * cell)
            _cell(draw, corner, cell, str(place), _colour(scale, float(score)))
    return sheet


def ranked_plots(rankings: Sequence[Ranking], heading: str) -> Image:
    """Draw the scores of each ranking from the highest to the lowest, with their intervals.

    Parameters
    ----------
    rankings, heading
        As `score_grids` takes them.

    Returns
    -------
    PIL.Image.Image
        RGB. Below the marks stand the numbers of filters, where there is room for all, of every few, else.
    """
    from PIL import ImageDraw

    down = _TITLE + _PLOT + _TICKS + _GAP
    sheet = _sheet(_WIDTH, _HEAD + len(rankings) * down, heading)
    draw = ImageDraw.Draw(sheet)
    for index, ranking in enumerate(rankings):
        top = _HEAD + index * down
        _title(draw, ranking, top)
        _plot(draw, ranking, top + _TITLE)
    return sheet


def _sheet(width: int, height: int, heading: str) -> Image:
    from PIL import Image, ImageDraw

    sheet = Image.new("RGB", (width, height), PAPER)
    ImageDraw.Draw(sheet).text((_GAP, 10), printable(heading), INK, font(15))
    return sheet


def _title(draw: ImageDraw, ranking: Ranking, top: int) -> None:
    draw.text((_GAP, top), printable(ranking.title), INK, font(14))
    draw.text((_GAP, top + 19), printable(ranking.caption), FAINT, font(11))


def _scale(scores: NDArray[np.float64]) -> Fitted:
    """Return colours from the lowest to the highest score."""
    volume = Volume(scores.reshape(1, 1, -1).astype(np.float32))
    preset = load("viridis")
    fitted = fit(preset, volume)
    low, high = fitted.range
    lowest, highest = float(scores.min()), float(scores.max())
    if lowest == highest:
        lowest, highest = min(lowest, 0.0), max(highest, 0.0) or 1.0
    return fitted.over(lambda value: lowest + (value - low) / (high - low) * (highest - lowest))


def _colour(scale: Fitted, score: float) -> tuple[int, int, int]:
    red, green, blue = (round(255 * float(part)) for part in scale.rgba(score)[:3])
    return red, green, blue


def _cell(
    draw: ImageDraw, corner: tuple[int, int], cell: int, label: str, colour: tuple[int, int, int]
) -> None:
    x, y = corner
    gap = 2 if cell >= _READABLE else 1
    draw.rectangle((x, y, x + cell - 1 - gap, y + cell - 1 - gap), colour)
    if cell >= _READABLE:
        red, green, blue = colour
        bright = 0.299 * red + 0.587 * green + 0.114 * blue > 130
        middle = (x + (cell - gap) / 2, y + (cell - gap) / 2)
        draw.text(middle, label, PAPER if bright else INK, font(11), anchor="mm")


def _bar(sheet: Image, scale: Fitted, corner: tuple[int, int]) -> None:
    from PIL import Image, ImageDraw

    (x, y), width, height = corner, 160, 10
    low, high = scale.range
    row = np.rint(255 * scale.rgba(np.linspace(low, high, width))[:, :3]).astype(np.uint8)
    sheet.paste(Image.fromarray(np.repeat(row[np.newaxis], height, axis=0)), corner)
    draw = ImageDraw.Draw(sheet)
    for at, anchor, value in ((x, "la", low), (x + width, "ra", high)):
        draw.text((at, y + height + 3), number(value), FAINT, font(11), anchor=anchor)


def _plot(draw: ImageDraw, ranking: Ranking, top: int) -> None:
    order = np.argsort(-ranking.scores, kind="stable")
    left, right, bottom = _GAP + _AXIS, _WIDTH - _GAP, top + _PLOT
    ends = [values for values in (ranking.low, ranking.high, ranking.scores) if values is not None]
    low = min(0.0, *(float(values.min()) for values in ends))
    high = max(float(values.max()) for values in ends)
    high = high if high > low else low + 1.0
    step = (right - left) / len(order)

    def height(value: float) -> float:
        return bottom - (value - low) / (high - low) * _PLOT

    for value in _ticks(low, high):
        y = height(value)
        draw.line((left, y, right, y), (52, 55, 63))
        draw.text((left - 8, y), number(value), FAINT, font(11), anchor="rm")
    every = math.ceil(_TICKS * 1.3 / step)
    half = min(3.0, step / 2)
    for rank, filter_number in enumerate(order):
        x = left + (rank + 0.5) * step
        if ranking.low is not None and ranking.high is not None:
            draw.line(
                (x, height(float(ranking.low[filter_number])), x, height(float(ranking.high[filter_number]))), _WHISKER
            )
        y = height(float(ranking.scores[filter_number]))
        draw.rectangle((x - half, y - 1, x + half, y + 1), _MARK)
        if rank % every == 0:
            draw.text((x, bottom + 4), str(filter_number), INK, font(11), anchor="ma")


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers, about four, between two values."""
    rough = (high - low) / 4
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
    return [step * count for count in range(math.ceil(low / step), math.floor(high / step) + 1)]
