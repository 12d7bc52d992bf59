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

UP: Vector = (0.0, -1.0, 0.0)

STEEP = 89.0
"""From this elevation on, above or below, `UP` is too near to the view to say what is up in the picture."""


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
    view_up: Vector = UP
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


def camera(
    volume: Volume,
    aspect: float = 1.0,
    azimuth: float = AZIMUTH,
    elevation: float = ELEVATION,
    zoom: float = 1.0,
    fill: float = FILL,
) -> Camera:
    """Place the camera so that the whole volume is in the picture, upright: row 0 on top, x to the right.

    Parameters
    ----------
    volume : Volume
        What to look at.
    aspect : float
        Width of the picture over its height.
    azimuth, elevation : float
        Degrees to the right of and above the view along +z, by default a little, so that depth shows.
    zoom : float
        How much larger the volume is then made.
    fill : float
        Part of the picture that it fills in the narrower direction, before the zoom.
    """
    axes = _axes(azimuth, elevation)
    points = corners(volume)
    slope = math.tan(math.radians(VIEW_ANGLE) / 2) * fill
    along = points @ axes[2]
    # a point p is in the picture around c, from the place d on the axis, if |p - c| <= slope * (along - d)
    middle, starts = np.zeros(3), []
    for axis, part in ((axes[0], slope * aspect), (axes[1], slope)):
        across = points @ axis
        most, least = (across - part * along).max(), (across + part * along).min()
        middle += (most + least) / 2 * axis
        starts.append((least - most) / (2 * part))
    center = middle + along.mean() * axes[2]
    return _camera(center, float(along.mean() - min(starts)), axes, elevation, zoom)


def turntable(
    volume: Volume,
    count: int,
    aspect: float = 1.0,
    azimuth: float = AZIMUTH,
    elevation: float = ELEVATION,
    zoom: float = 1.0,
    fill: float = FILL,
) -> list[Camera]:
    """Place cameras all around the volume, all at one distance from its middle, where each has it whole.

    Parameters
    ----------
    count : int
        How many; they go to the right, and the first one stands at `azimuth`.
    volume, aspect, azimuth, elevation, zoom, fill
        As in `camera`.
    """
    points = corners(volume)
    center = points.mean(axis=0)
    slope = math.tan(math.radians(VIEW_ANGLE) / 2) * fill
    views = [_axes(azimuth + 360 * step / count, elevation) for step in range(count)]
    distance = 0.0
    for right, down, ahead in views:
        away = points - center
        for axis, part in ((right, slope * aspect), (down, slope)):
            distance = max(distance, float((np.abs(away @ axis) / part - away @ ahead).max()))
    return [_camera(center, distance, axes, elevation, zoom) for axes in views]


def on_screen(camera: Camera, points: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """Return columns and rows, shape (n, 2), of the pixels that show LPS points of shape (n, 3)."""
    eye, focus = np.array(camera.position), np.array(camera.focal_point)
    ahead = (focus - eye) / np.linalg.norm(focus - eye)
    right = np.cross(ahead, camera.view_up)
    right /= np.linalg.norm(right)
    down = np.cross(ahead, right)
    away = points - eye
    scale = size[1] / 2 / math.tan(math.radians(camera.view_angle) / 2) / (away @ ahead)
    return np.stack([size[0] / 2 + scale * (away @ right), size[1] / 2 + scale * (away @ down)], axis=-1)


def _axes(azimuth: float, elevation: float) -> tuple[NDArray[np.float64], ...]:
    """Return the unit vectors to the right, down and ahead in a picture."""
    a = math.radians(azimuth)
    ahead = view_direction(azimuth, elevation)
    right = np.array([math.cos(a), 0.0, math.sin(a)])
    return right, np.cross(ahead, right), ahead


def _camera(
    center: NDArray[np.float64],
    distance: float,
    axes: tuple[NDArray[np.float64], ...],
    elevation: float,
    zoom: float,
) -> Camera:
    # a narrower opening enlarges without a step into the volume
    narrowed = 2 * math.degrees(math.atan(math.tan(math.radians(VIEW_ANGLE) / 2) / zoom))
    angle = VIEW_ANGLE if zoom == 1 else narrowed
    up = UP if abs(elevation) < STEEP else _vector(-axes[1])
    return Camera(_vector(center - (distance or 1.0) * axes[2]), _vector(center), up, angle)


def _vector(array: NDArray[np.float64]) -> Vector:
    x, y, z = array.tolist()
    return x, y, z
