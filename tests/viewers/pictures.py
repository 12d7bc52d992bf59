"""Whether a picture shows a volume: not blank, not saturated, upright, not mirrored.

A picture is compared with what numpy makes of the same voxels: seen along +z, with -y up, from a little to
the right and from above, as all our scenes show them. Place and scale are fitted: they depend on the picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from converters import Volume

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]

AZIMUTH, ELEVATION = 30.0, 20.0
"""Degrees that the viewer stands to the right and above."""

DISTANCE = 1.8
"""How far away, in diagonals of the box: about where an angle of 30 degrees holds it."""

OUTLINE = 168
"""A little above the brightest channel of the box's edges, 0..255."""

COLOR_BAR = 0.87
"""Where, from top to bottom of the picture, the colour bar begins."""

GRID = 64
LIKE, UNLIKE = 0.75, 0.1
"""Least overlap of the two silhouettes, and how much better than any other pose it must be."""


class WrongPictureError(AssertionError):
    """A picture that does not show the volume; says why."""


def letter(width: int = 16) -> Volume:
    """Return an F in the slices near the viewer, and a beam from its foot to the back: no symmetry at all.

    Parameters
    ----------
    width : int
        Voxels along x, 9 or more, in the same space.
    """
    data = np.zeros((19, 22, width), np.float32)
    stem = np.s_[1 : 1 + round(3 * width / 16)]
    data[1:4, 1:21, stem] = 1
    data[1:4, 1:4, 1 : width - 1] = 1
    data[1:4, 9:12, 1 : width - 3] = 1
    data[4:18, 18:21, stem] = 0.7
    return Volume(data, (16 / width, 1.0, 1.25), (5.0, -3.0, 2.0), name="letter")


def check(picture: Picture, volume: Volume, bar: float = COLOR_BAR) -> None:
    """Check that a picture shows a volume.

    Parameters
    ----------
    picture : ndarray of uint8
        Rows, columns, RGB, on a dark background.
    volume : Volume
        What it should show: its voxels above zero, of a shape without symmetry such as `letter`.
    bar : float
        Where the colour bar begins: see `COLOR_BAR`.

    Raises
    ------
    WrongPictureError
        If the picture is blank or saturated, or looks less like the volume than like one that is turned or
        mirrored.
    """
    shown, right = _fitted(bright(picture, bar)), _fitted(_silhouette(volume))
    likeness = _overlap(shown, right)
    others = {pose: _fitted(_silhouette(turned)) for pose, turned in _poses(volume)}
    # a flat volume is its own mirror image
    overlaps = {
        pose: _overlap(shown, other) for pose, other in others.items() if not np.array_equal(other, right)
    }
    nearest = max(overlaps, key=lambda pose: overlaps[pose])
    if likeness < LIKE or overlaps[nearest] > likeness - UNLIKE:
        raise WrongPictureError(
            f"overlap {likeness:.2f} with the right silhouette, "
            f"{overlaps[nearest]:.2f} with that of the axes {nearest}"
        )


def bright(picture: Picture, bar: float = COLOR_BAR) -> Mask:
    """Return where a picture is brighter than the outline of the volume's box, not counting the colour bar.

    Raises
    ------
    WrongPictureError
        If this is nowhere, or more than half of the picture.
    """
    light = picture.max(axis=2)
    light[round(bar * len(light)) :] = 0
    mask: Mask = light > OUTLINE
    if not mask.any():
        raise WrongPictureError("blank: nothing is bright")
    if mask.mean() > 0.5:
        raise WrongPictureError(f"saturated: {mask.mean():.0%} of the picture is bright")
    return mask


def _poses(volume: Volume) -> Iterator[tuple[str, Volume]]:
    """Yield the volume in all 48 ways to turn and mirror its axes, itself among them."""
    for axes in permutations(range(3)):
        for steps in product((1, -1), repeat=3):
            data = volume.data.transpose(axes)[tuple(slice(None, None, step) for step in steps)]
            spacing = [volume.spacing[2 - axis] for axis in axes[::-1]]
            # named as x, y, z; the data's axes are z, y, x
            name = " ".join(
                "-" * (step < 0) + "zyx"[axis] for axis, step in zip(axes[::-1], steps[::-1], strict=True)
            )
            yield name, volume.replace(data=data, spacing=spacing, labels=())


def _silhouette(volume: Volume) -> Mask:
    """Return the outline of the voxels above zero: rows go down, columns to the right."""
    a, e = math.radians(AZIMUTH), math.radians(ELEVATION)
    ahead = np.array([-math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)])
    right = np.array([math.cos(a), 0, math.sin(a)])
    down = np.array([math.sin(a) * math.sin(e), math.cos(e), -math.cos(a) * math.sin(e)])
    # so many points in each voxel that no gaps show
    points = (
        np.argwhere(np.kron(volume.data > 0, np.ones((4, 4, 4))))[:, ::-1] / 4 - np.array(volume.size) / 2
    )
    places = points * volume.spacing
    distance = DISTANCE * np.linalg.norm(np.multiply(volume.size, volume.spacing)) + places @ ahead
    rows, columns = places @ down / distance, places @ right / distance
    scale = (GRID - 1) / max(np.ptp(rows), np.ptp(columns))
    down_to, right_to = (np.rint((at - at.min()) * scale).astype(int) for at in (rows, columns))
    mask = np.zeros((GRID, GRID), bool)
    mask[down_to, right_to] = True
    return mask


def _fitted(mask: Mask) -> Mask:
    """Return the part with all that is True, scaled into the upper left corner of a square of `GRID`."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    at = ((np.arange(GRID) + 0.5) * max(part.shape) / GRID).astype(int)
    padded = np.pad(part, [(0, max(part.shape) - length) for length in part.shape])
    return padded[np.ix_(at, at)]


def _overlap(one: Mask, other: Mask) -> float:
    """Return the share of the common part in both together."""
    return float((one & other).sum() / (one | other).sum())
