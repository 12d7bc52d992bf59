"""A picture of a volume without OpenGL: numpy composites its slices.

The view is the oblique projection of draughtsmen: slices stay upright and undistorted, and those farther back
lie farther to the right and up, so depth shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from converters.volume import Volume

from .camera import extent
from .drawing import check_frames
from .theme import DARK, Color, Theme
from .transfer import Fitted

if TYPE_CHECKING:
    from PIL.Image import Image

SLANT = (0.45, -0.28)
"""Where the picture of a point one unit farther back lies: right and down of the nearer one."""

_MARGIN, _TABLE = 0.06, 1024


@dataclass(frozen=True)
class _Placement:
    """Where the volume lies in the picture, in pixels: its front face, and how far the back is shifted."""

    left: int
    top: int
    width: int
    height: int
    shift: tuple[float, float]


def project(
    volume: Volume,
    fitted: Fitted,
    size: tuple[int, int] = (800, 600),
    theme: Theme = DARK,
    outline: bool = True,
) -> Image:
    """Draw a volume in oblique projection: upright, row 0 on top, slice 0 in front.

    Parameters
    ----------
    volume : Volume
        Of three axes. It is drawn along its own axes, whatever its direction. NaN and infinite values are
        transparent.
    fitted : Fitted
        The transfer function, fitted to this volume.
    size : tuple of int
        Width and height of the picture in pixels.
    theme : Theme
        Colours of background and box.
    outline : bool
        Whether the box is drawn.

    Returns
    -------
    PIL.Image.Image
        RGB.

    Raises
    ------
    PresetError
        If the volume has frames.
    """
    from PIL import Image

    check_frames(volume)
    place = _place(volume, size)
    picture = Image.new("RGB", size, theme.paper)
    if outline:
        _draw(picture, _far_edges(place), _halfway(theme.outline, theme.paper))
    light, clear = _composite(volume, fitted, size, place)
    mixed = 255 * light + clear * np.asarray(picture, np.float32)
    picture = Image.fromarray(np.rint(mixed).clip(0, 255).astype(np.uint8))
    if outline:
        _draw(picture, _near_edges(place), theme.outline)
    return picture


def _place(volume: Volume, size: tuple[int, int]) -> _Placement:
    x, y, z = extent(volume)
    dx, dy = SLANT[0] * z, SLANT[1] * z
    room = (1 - 2 * _MARGIN) * np.array(size)
    scale = min(room[0] / (x + dx), room[1] / (y - dy))
    width, height = max(1, round(x * scale)), max(1, round(y * scale))
    return _Placement(
        left=round((size[0] - width - dx * scale) / 2),
        top=round((size[1] - height - dy * scale) / 2),
        width=width,
        height=height,
        shift=(dx * scale, dy * scale),
    )


def _composite(
    volume: Volume, fitted: Fitted, size: tuple[int, int], place: _Placement
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the light (height, width, 3) of the volume, and how clear (height, width, 1) it is."""
    count = volume.size[2]
    shift = np.array(place.shift)
    steps = max(count, int(np.abs(shift).max()) + 1)
    low, high = fitted.range
    table = fitted.per(extent(volume)[2] / steps).rgba(np.linspace(low, high, _TABLE))
    columns, rows = _resampling(volume.size[0], place.width), _resampling(volume.size[1], place.height)
    light = np.zeros((size[1], size[0], 3), np.float32)
    clear = np.ones((size[1], size[0], 1), np.float32)
    for step, weights in enumerate(_resampling(count, steps)):
        near = np.flatnonzero(weights)
        plane = rows @ np.tensordot(weights[near], fitted.shown(volume.data[near]), axes=1) @ columns.T
        entries = ((plane - low) * ((_TABLE - 1) / (high - low)) + 0.5).clip(0, _TABLE - 1)
        rgba = table[entries.astype(np.intp)]
        left, top = np.rint((place.left, place.top) + shift * (step + 0.5) / steps).astype(int)
        where = np.s_[top : top + place.height, left : left + place.width]
        light[where] += clear[where] * rgba[..., 3:] * rgba[..., :3]
        clear[where] *= 1 - rgba[..., 3:]
    return light, clear


def _resampling(count: int, samples: int) -> NDArray[np.float32]:
    """Return the matrix (samples, count) that interpolates linearly between `count` voxel centres."""
    at = ((np.arange(samples) + 0.5) * count / samples - 0.5).clip(0, count - 1)
    weights = np.maximum(0, 1 - np.abs(at[:, np.newaxis] - np.arange(count)))
    return np.asarray(weights, np.float32)


def _near_edges(place: _Placement) -> list[NDArray[np.float64]]:
    """Return the outline of the front face and the edges behind it that are visible, as polylines."""
    front, back = _faces(place)
    rim = np.array([front[0], back[0], back[1], back[2], front[2]])
    return [front[[0, 1, 2, 3, 0]], rim, np.array([front[1], back[1]])]


def _far_edges(place: _Placement) -> list[NDArray[np.float64]]:
    """Return the three edges behind the volume."""
    front, back = _faces(place)
    return [back[[0, 3, 2]], np.array([back[3], front[3]])]


def _faces(place: _Placement) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the corners of front and back, clockwise from the upper left, each of shape (4, 2)."""
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * (place.width, place.height)
    front = corners + np.array((place.left, place.top), np.float64)
    return front, front + place.shift


def _halfway(one: Color, other: Color) -> Color:
    red, green, blue = ((a + b) // 2 for a, b in zip(one, other, strict=True))
    return red, green, blue


def _draw(picture: Image, lines: list[NDArray[np.float64]], color: tuple[int, ...]) -> None:
    from PIL import ImageDraw

    draw = ImageDraw.Draw(picture)
    for line in lines:
        draw.line([tuple(point) for point in line.tolist()], fill=color)
