"""The names, units and ends of a volume's axes, written beside the edges of its box."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from converters.volume import IDENTITY, Volume

from .camera import Camera, corners, on_screen
from .drawing import font, printable, shortened
from .texture import thickened
from .theme import Color, Theme

if TYPE_CHECKING:
    from PIL.Image import Image

Points = NDArray[np.float64]
Place = tuple[float, float]
Box = tuple[float, float, float, float]

_TEXT, _TICK, _GAP = 12, 5, 8
_SHORT = 24
"""Pixels of an edge that is not labelled: the view is along it."""

_STEEP = 0.9
"""Sine of the slope from which a title goes along its edge."""

_ROOM = 220
"""Pixels of the longest title."""


@dataclass(frozen=True)
class Axis:
    """What is written beside an edge: what it shows, and the numbers or names at its two ends."""

    title: str
    start: str
    end: str


@dataclass(frozen=True)
class _Text:
    """Letters, and where they may be, best first; turned, they are read from below."""

    letters: str
    boxes: list[Box]
    title: bool = False
    turned: bool = False


def axes(volume: Volume) -> tuple[Axis, Axis, Axis]:
    """Return what to write along x, y and z of a volume.

    Along the image, positions are in its pixels, or in mm for a network of 3-D images; a layer whose place in
    the image is not known has columns and rows. Along z, a stack has its channels.
    """
    unit, counted = _unit(volume)
    named = [_along(volume, i, name, unit) for i, name in enumerate("xyz")]
    if counted:
        named = [_counted(volume, i, name) for i, name in enumerate(("x, columns", "y, rows", "z, slices"))]
    if _kind(volume.facts.get("layout")) == "stack":
        named[2] = Axis(f"z, {len(volume.labels)} channels", volume.labels[0], volume.labels[-1])
    x, y, z = named
    return x, y, z


def label_axes(picture: Image, volume: Volume, camera: Camera, theme: Theme) -> None:
    """Write the axes of a volume beside its box, as a camera sees it in a picture.

    Each axis is at an edge on the rim of the box: x and z at the lower ones, y at the left one.
    """
    from PIL import ImageDraw

    draw = ImageDraw.Draw(picture)
    points = on_screen(camera, corners(thickened(volume)), picture.size)
    taken: list[Box] = []
    for number, axis in enumerate(axes(volume)):
        edge = _edge(number, points)
        if edge is None:
            continue
        along, away = _directions(edge, points.mean(axis=0))
        for end in edge:
            draw.line([_pair(end), _pair(end + _TICK * away)], fill=theme.faint)
        for text in _texts(draw, axis, edge, along, away):
            free = (
                box
                for box in text.boxes
                if _fits(box, picture.size) and not any(_overlap(box, other) for other in taken)
            )
            if (box := next(free, None)) is not None:
                taken.append(box)
                _write(picture, text, box, theme.faint if text.title else theme.ink)


def _unit(volume: Volume) -> tuple[str, bool]:
    """Return the unit of positions, and whether there are none, so that voxels are counted."""
    geometry, image = volume.facts.get("geometry"), volume.facts.get("image")
    if isinstance(geometry, Mapping):
        pixels = not isinstance(image, Mapping) or image.get("kind") in ("picture", "array")
        return "image pixels" if pixels else "mm", geometry.get("frame") != "input"
    return "mm", volume.spacing == (1.0, 1.0, 1.0) and volume.origin == (0.0, 0.0, 0.0)


def _along(volume: Volume, axis: int, name: str, unit: str) -> Axis:
    # where axes are turned, a number of their own is a distance
    start = volume.origin[axis] if volume.direction == IDENTITY else 0.0
    end = start + (volume.size[axis] - 1) * volume.spacing[axis]
    return Axis(f"{name}, {unit}", f"{start:.4g}", f"{end:.4g}")


def _counted(volume: Volume, axis: int, title: str) -> Axis:
    return Axis(title, "0", str(volume.size[axis] - 1))


def _kind(layout: Any) -> str:
    return str(layout.get("kind")) if isinstance(layout, Mapping) else ""


def _edge(axis: int, points: Points) -> Points | None:
    """Return start and end, on the screen, of the edge to label; None if no edge is long enough.

    An edge is on the rim if the whole box lies on one side of it. Of the two that are, y takes the left one,
    x and z the lower one.
    """
    step = 4 >> axis
    edges = [points[[start, start | step]] for start in range(8) if not start & step]
    rim = [edge for edge in edges if math.dist(*edge) >= _SHORT and _on_rim(edge, points)]
    column = 0 if axis == 1 else 1
    sign = 1 if axis == 1 else -1
    return min(rim, key=lambda edge: sign * edge[:, column].mean(), default=None)


def _on_rim(edge: Points, points: Points) -> bool:
    (x, y), along = edge[0], edge[1] - edge[0]
    sides = (along[0] * (points[:, 1] - y) - along[1] * (points[:, 0] - x)) / np.linalg.norm(along)
    return bool(sides.min() > -1 or sides.max() < 1)


def _texts(draw: Any, axis: Axis, edge: Points, along: Points, away: Points) -> Iterator[_Text]:
    """Yield the numbers at the ends, then the title, which goes farther out where it meets them."""
    level, wide = 0.0, 0.0
    for letters, end, inward in ((axis.start, edge[0], along), (axis.end, edge[1], -along)):
        letters = shortened(draw, printable(letters), _TEXT, _ROOM / 2)
        half = _half(draw, letters)
        level, wide = max(level, float(np.abs(away) @ half) * 2), max(wide, 2 * float(half[0]))
        # the next axis has its number at the same corner: each stays beside its own edge
        place = end + (_GAP + np.abs(away) @ half) * away
        shifts = (1, 0, -1) if math.dist(*edge) < _ROOM / 2 else (1,)
        yield _Text(letters, [_box(place + n * (np.abs(along) @ half) * inward, half) for n in shifts])
    letters = shortened(draw, printable(axis.title), _TEXT, _ROOM)
    turned = bool(abs(along[1]) > _STEEP)
    half = _half(draw, letters)[::-1] if turned else _half(draw, letters)
    place = edge.mean(axis=0) + (_GAP + np.abs(away) @ half) * away
    places = [place + n * (level + 3) * away for n in range(3)]
    if not turned and away[1] > 0:
        # or beside the numbers, which are all that fits below a short edge
        left, right = sorted(edge.tolist())
        out = wide + 2 * _GAP + half[0]
        places += [
            np.array([x, y + _GAP + half[1]])
            for x, y in ((right[0] + out, right[1]), (left[0] - out, left[1]))
        ]
    yield _Text(letters, [_box(place, half) for place in places], True, turned)


def _write(picture: Image, text: _Text, box: Box, ink: Color) -> None:
    from PIL import Image, ImageDraw

    width, height = math.ceil(box[2] - box[0]), math.ceil(box[3] - box[1])
    if text.turned:
        width, height = height, width
    mask = Image.new("L", (width, height))
    ImageDraw.Draw(mask).text((width / 2, height / 2), text.letters, 255, font(_TEXT), anchor="mm")
    turned = mask.transpose(Image.Transpose.ROTATE_90) if text.turned else mask
    picture.paste(ink, (round(box[0]), round(box[1])), turned)


def _directions(edge: Points, middle: Points) -> tuple[Points, Points]:
    """Return the unit vectors along an edge and away from the box."""
    along = (edge[1] - edge[0]) / np.linalg.norm(edge[1] - edge[0])
    away = np.array([-along[1], along[0]])
    return along, away if away @ (edge.mean(axis=0) - middle) > 0 else -away


def _half(draw: Any, letters: str) -> Points:
    return np.array([draw.textlength(letters, font(_TEXT)) + 2, _TEXT + 3]) / 2


def _box(middle: Points, half: Points) -> Box:
    left, top, right, bottom = np.concatenate([middle - half, middle + half]).tolist()
    return left, top, right, bottom


def _pair(place: Points) -> Place:
    x, y = place.tolist()
    return x, y


def _fits(box: Box, size: tuple[int, int]) -> bool:
    return min(box[:2]) >= _GAP / 2 and box[2] <= size[0] - _GAP / 2 and box[3] <= size[1] - _GAP / 2


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
