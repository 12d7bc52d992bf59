"""All maps of a volume side by side, each with its channel's label."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from converters.layouts import near_square
from converters.volume import Volume

from .drawing import INK, PAPER, add_strip, font, printable
from .errors import PresetError
from .loading import choose
from .transfer import Fitted, fit

if TYPE_CHECKING:
    from PIL.Image import Image

NOT_FINITE = (110, 60, 160)
"""Colour of NaN and infinite values; it lies on none of our colour scales."""

SEPARATOR = (240, 170, 60)
"""Colour of the bar in front of the first map of a cluster."""

_GAP, _FONT, _LABEL = 3, 11, 14
_READABLE, _TILE, _FEW, _SHEET, _LIMIT = 48, 160, 640, 1800, 8000


def montage(
    volume: Volume,
    columns: int | None = None,
    labels: bool = True,
    fitted: Fitted | None = None,
    grey: bool = False,
    legend: bool = True,
) -> Image:
    """Draw all slices of a volume as tiles of one picture, on one colour scale, upright.

    Parameters
    ----------
    volume : Volume
        Slices along z become tiles, row by row. Of a 4-D volume, each frame's middle slice. A bar stands
        between the clusters of an order that has such.
    columns : int, optional
        Tiles in a row; by default as many as make a near-square grid (12 for 96 maps).
    labels : bool
        Whether each tile's label is written above it.
    fitted : Fitted, optional
        The colour scale; by default that of the preset which suits the values.
    grey : bool
        Whether to draw in grey, black to white over the same range.
    legend : bool
        Whether a strip below tells source, size, range and colours.

    Returns
    -------
    PIL.Image.Image
        RGB. Small maps are enlarged by whole factors, without smoothing, so that a pixel block is a unit;
        maps too large for a picture of 8,000 pixels in either direction are shrunk by whole factors.

    Raises
    ------
    PresetError
        If no value is finite, or the tiles do not fit in a picture even as single pixels.
    """
    from PIL import Image, ImageDraw

    if columns is not None and columns < 1:
        raise PresetError(f"a montage takes one column or more, not {columns}")
    planes = volume.data if volume.data.ndim == 3 else volume.data[:, volume.data.shape[1] // 2]
    columns = columns or near_square(len(planes))[1]
    fitted = fitted or fit(choose(volume), volume)
    scale = _grey(fitted) if grey else fitted
    rows = math.ceil(len(planes) / columns)
    above = _LABEL if labels else 0
    grow, shrink = _factors(planes.shape[1:], (rows, columns), above)
    height, width = (math.ceil(side / shrink) * grow for side in planes.shape[1:])
    down, across = height + above + _GAP, width + _GAP
    sheet = Image.new("RGB", (_GAP + columns * across, _GAP + rows * down), PAPER)
    draw, starts = ImageDraw.Draw(sheet), cluster_starts(volume)
    for index, plane in enumerate(planes):
        corner = (_GAP + index % columns * across, _GAP + index // columns * down)
        if labels:
            _write(sheet, corner, width, volume.labels[index])
        tile = Image.fromarray(pixels(plane, scale)).reduce(shrink)
        sheet.paste(tile.resize((width, height), Image.Resampling.NEAREST), (corner[0], corner[1] + above))
        if index in starts:
            draw.rectangle(
                (corner[0] - _GAP, corner[1], corner[0] - 2, corner[1] + above + height), SEPARATOR
            )
    return add_strip(sheet, volume, scale) if legend else sheet


def _factors(tile: tuple[int, ...], grid: tuple[int, int], above: int) -> tuple[int, int]:
    """Return by which whole factors to enlarge and to shrink tiles of (rows, columns)."""
    sides = np.array(tile)
    room = np.array(_LIMIT) // np.array(grid) - _GAP - (above, 0)
    if room.min() < 1:
        raise PresetError(f"a grid of {grid[0]} x {grid[1]} maps is too large for a picture")
    shrink = int(np.ceil(sides / room).max())
    if shrink > 1:
        return 1, shrink
    longest, columns = int(sides.max()), grid[1]
    readable = math.ceil(_READABLE / longest)
    handsome = min(max(_TILE, _FEW // columns) // longest, (_SHEET // columns - _GAP) // tile[1])
    return max(1, min(max(readable, handsome), int((room // sides).min()))), 1


def pixels(plane: NDArray[np.float32], scale: Fitted) -> NDArray[np.uint8]:
    """Return the colours of values: shape (row, column, 3)."""
    colors = np.rint(255 * scale.rgba(plane)[..., :3]).astype(np.uint8)
    colors[~np.isfinite(plane)] = NOT_FINITE
    return colors


def cluster_starts(volume: Volume) -> set[int]:
    """Return the first slice of each cluster but the first, as the volume's order records them.

    Nothing if blank slices are between them, or the record does not fit the volume.
    """
    order = volume.facts.get("order")
    sizes = order.get("clusters") if isinstance(order, dict) and not order.get("blank") else None
    if not isinstance(sizes, list) or not all(isinstance(size, int) for size in sizes):
        return set()
    *starts, end = accumulate(sizes, initial=0)
    return set(starts[1:]) if end == len(volume.data) else set()


def _grey(fitted: Fitted) -> Fitted:
    from dataclasses import replace

    low, high = fitted.range
    return replace(fitted, colors=((low, 0.0, 0.0, 0.0), (high, 1.0, 1.0, 1.0)))


def _write(sheet: Image, corner: tuple[int, int], width: int, label: str) -> None:
    from PIL import ImageDraw

    draw, letters, label = ImageDraw.Draw(sheet), font(_FONT), printable(label)
    while len(label) > 1 and draw.textlength(label, letters) > width:
        label = label[:-1]
    draw.text(corner, label, INK, letters)
