"""Volumes as OpenGL takes them: levels of 16 bits, neither flat nor too long along any axis."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from converters.volume import Volume

from .transfer import Fitted

LEVELS = 65535
"""The highest level; levels are spread over all that `Fitted.shown` gives, with this headroom."""

HEADROOM = 16.0
"""How far values may lie beyond the range of the transfer function, in lengths of it.

Viewers interpolate between the values of a file, however high: next to a very high one, most of the way to
a low neighbour is above the range. Values cut at its end would make all that is bright thinner and darker.
Beyond 16 lengths, less than 6 % of the way is left for the range; and it still has 1985 levels.
"""

_AXIS = 1024
"""Voxels along an axis that every OpenGL takes in a 3-D texture."""

_BLOCK = 2**18
"""Values that become levels at once: so many stay in a processor's cache."""


def solid(volume: Volume, fitted: Fitted) -> Volume:
    """Return the volume as a texture can hold it; its values may still lie outside the range."""
    if max(volume.size) > _AXIS:
        # an outlier must not weigh on its neighbours
        volume = volume.replace(data=fitted.shown(volume.data), labels=())
    return thickened(_shrunk(volume))


def levels(data: NDArray[np.float32], fitted: Fitted) -> Iterator[NDArray[np.uint16]]:
    """Yield values in and near the range of a transfer function as levels of 0..`LEVELS`, block by block."""
    low, high = _span(fitted)
    scale = LEVELS / (high - low)
    flat = data.reshape(-1)
    for start in range(0, flat.size, _BLOCK):
        shown = fitted.shown(flat[start : start + _BLOCK], HEADROOM).astype(np.float64)
        yield ((shown - low) * scale + 0.5).clip(0, LEVELS).astype(np.uint16)


def leveled(fitted: Fitted) -> Fitted:
    """Return a transfer function over levels instead of values."""
    low, high = _span(fitted)
    return fitted.over(lambda value: (value - low) / (high - low) * LEVELS)


def _span(fitted: Fitted) -> tuple[float, float]:
    low, high = fitted.range
    room, most = HEADROOM * (high - low), float(np.finfo(np.float32).max)
    least, greatest = max(low - room, -most), min(high + room, most)
    return min(least, low, fitted.clear), max(greatest, high, fitted.clear)


def _shrunk(volume: Volume) -> Volume:
    """Return the volume with neighbours averaged along axes that are longer than a texture can be."""
    for axis, count in enumerate(volume.data.shape):
        factor = -(-count // _AXIS)
        if factor > 1:
            volume = _averaged(volume, axis, factor)
    return volume


def _averaged(volume: Volume, axis: int, factor: int) -> Volume:
    starts = np.arange(0, volume.data.shape[axis], factor)
    counts = np.diff(np.append(starts, volume.data.shape[axis]))
    shape = [-1 if a == axis else 1 for a in range(3)]
    data = np.add.reduceat(volume.data, starts, axis) / counts.reshape(shape).astype(np.float32)
    spacing, at = list(volume.spacing), np.zeros(3)
    spacing[2 - axis] *= factor
    at[2 - axis] = (factor - 1) / 2
    origin = volume.origin + volume.affine[:3, :3] @ at
    return volume.replace(data=data, spacing=spacing, origin=origin, labels=())


def thickened(volume: Volume) -> Volume:
    """Return the volume with a single voxel along an axis made into two that fill the same space.

    A flat volume is drawn so, and its box has this depth.
    """
    counts = np.array(volume.size)
    flat = counts == 1
    data = volume.data
    for axis in np.flatnonzero(flat[::-1]):
        data = np.repeat(data, 2, axis=axis)
    origin = volume.origin - volume.affine[:3, :3] @ (flat / 2)
    return volume.replace(data=data, origin=origin, labels=())
