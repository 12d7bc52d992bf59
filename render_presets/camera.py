"""The box that a volume fills, and the camera that every picture and scene of ours looks through."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from converters.volume import Vector, Volume

AZIMUTH, ELEVATION, VIEW_ANGLE = 30.0, 20.0, 30.0
"""Degrees to the right of and above the view along +z, and the vertical opening of the camera."""

FILL = 0.92
"""Part of the picture that the volume fills in the narrower direction."""


@dataclass(frozen=True)
class Camera:
    """A perspective camera in LPS.

    Parameters
    ----------
    position, focal_point, view_up : tuple of float
        x, y, z; `view_up` is a unit vector.
    view_angle : float
        Vertical opening in degrees.
    """

    position: Vector
    focal_point: Vector
    view_up: Vector = (0.0, -1.0, 0.0)
    view_angle: float = VIEW_ANGLE


def extent(volume: Volume) -> Vector:
    """Return the lengths of the volume's box along its x, y and z axes, each voxel counted whole."""
    x, y, z = (count * step for count, step in zip(volume.size, volume.spacing, strict=True))
    return x, y, z


def mean_chord(lengths: Vector) -> float:
    """Return the mean length of the straight lines through a box: 4 * volume / surface (Cauchy)."""
    x, y, z = lengths
    return 2.0 / (1.0 / x + 1.0 / y + 1.0 / z)


def corners(volume: Volume) -> NDArray[np.float64]:
    """Return the LPS positions of the volume's outermost voxel centres, shape (8, 3); x changes slowest."""
    ends = np.array(list(product(*((0, count - 1) for count in volume.size))), np.float64)
    return ends @ volume.affine[:3, :3].T + volume.affine[:3, 3]


def view_direction(azimuth: float = AZIMUTH, elevation: float = ELEVATION) -> NDArray[np.float64]:
    """Return the unit vector from the camera to the volume, in LPS: +z turned by the angles, in degrees."""
    a, e = math.radians(azimuth), math.radians(elevation)
    return np.array([-math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)])


def camera(volume: Volume, aspect: float = 1.0) -> Camera:
    """Place the camera so that the whole volume is in the picture, upright: row 0 on top, x to the right.

    Parameters
    ----------
    volume : Volume
        What to look at.
    aspect : float
        Width of the picture over its height.

    Returns
    -------
    Camera
        Looking along +z, a little from the right and from above, so that depth shows.
    """
    points = corners(volume)
    ahead = view_direction()
    right = np.cross(ahead, (0.0, -1.0, 0.0))
    right /= np.linalg.norm(right)
    down = np.cross(ahead, right)
    slope = math.tan(math.radians(VIEW_ANGLE) / 2) * FILL
    along = points @ ahead
    # a point p is in the picture around c, from the place d on the axis, if |p - c| <= slope * (along - d)
    middle, starts = np.zeros(3), []
    for axis, part in ((right, slope * aspect), (down, slope)):
        across = points @ axis
        most, least = (across - part * along).max(), (across + part * along).min()
        middle += (most + least) / 2 * axis
        starts.append((least - most) / (2 * part))
    center = middle + along.mean() * ahead
    distance = float(along.mean() - min(starts)) or 1.0
    return Camera(_vector(center - distance * ahead), _vector(center))


def _vector(array: NDArray[np.float64]) -> Vector:
    x, y, z = array.tolist()
    return x, y, z
