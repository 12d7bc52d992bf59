"""Orders side by side: the distances between maps in each, and a cut through the volume."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from converters.volume import Volume

from .drawing import FAINT, INK, PAPER, add_strip, font, printable
from .montage import pixels
from .transfer import Fitted

if TYPE_CHECKING:
    from PIL.Image import Image

_SIDE, _GAP, _TITLE, _COLUMNS = 240, 12, 34, 4


@dataclass(frozen=True, eq=False)
class Panel:
    """An order to draw: the volume in it, distances of its slices, and two lines that stand above."""

    volume: Volume
    distances: NDArray[np.float64]
    title: str
    caption: str


def orders(volume: Volume, panels: Sequence[Panel], row: int, fitted: Fitted) -> Image:
    """Draw the distance matrix of each order beside one row of every map.

    Parameters
    ----------
    volume : Volume
        What is ordered, for the caption.
    panels : sequence of Panel
        The orders; of volumes with frames, the frame's middle slice is cut.
    row : int
        Which row of the maps.
    fitted : Fitted
        The colour scale of the maps.

    Returns
    -------
    PIL.Image.Image
        RGB. Each panel holds the matrix (dark where maps are alike, the first slice in the upper left corner)
        and the cut (a line a slice, the first one on top), both stretched to the same height.
    """
    from PIL import Image, ImageDraw

    columns = min(_COLUMNS, len(panels))
    across, down = 2 * _SIDE + 2 * _GAP, _SIDE + _TITLE + _GAP
    sheet = Image.new("RGB", (_GAP + columns * across, _GAP + math.ceil(len(panels) / columns) * down), PAPER)
    draw = ImageDraw.Draw(sheet)
    largest = max(float(panel.distances.max(initial=0)) for panel in panels) or 1.0
    for index, panel in enumerate(panels):
        x, y = _GAP + index % columns * across, _GAP + index // columns * down
        draw.text((x, y), printable(panel.title), INK, font(14))
        draw.text((x, y + 17), printable(panel.caption), FAINT, font(11))
        grey = np.rint(255 * panel.distances / largest).astype(np.uint8)
        cut = (
            panel.volume.data[:, panel.volume.data.shape[1] // 2]
            if panel.volume.frames
            else panel.volume.data
        )
        for place, picture in (
            (x, Image.fromarray(grey).convert("RGB")),
            (x + _SIDE + 4, _cut(cut, row, fitted)),
        ):
            sheet.paste(_stretched(picture), (place, y + _TITLE))
    return add_strip(sheet, volume, fitted)


def _cut(data: NDArray[np.float32], row: int, fitted: Fitted) -> Image:
    from PIL import Image

    return Image.fromarray(pixels(data[:, row], fitted))


def _stretched(picture: Image) -> Image:
    from PIL import Image

    # averaged where it shrinks, in blocks where it grows
    smaller = min(picture.size) > _SIDE
    return picture.resize((_SIDE, _SIDE), Image.Resampling.BOX if smaller else Image.Resampling.NEAREST)
