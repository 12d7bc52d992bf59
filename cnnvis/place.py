"""Giving a layer's volumes their place in the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from converters.errors import VolumeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from converters import Volume
    from extract.geometry import AxisPlace, Place


@dataclass(frozen=True, eq=False)
class Frame:
    """Where the pixels or voxels of an input lie, in LPS; axes in the order x, y, z.

    A picture has the default: pixels of size 1, the first one's centre at the origin.
    """

    spacing: tuple[float, ...] = (1.0, 1.0, 1.0)
    origin: tuple[float, ...] = (0.0, 0.0, 0.0)
    direction: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))


@dataclass(frozen=True)
class SpatialOrder:
    """A tensor's axes sorted by role.

    Parameters
    ----------
    channels : tuple of int
        Axes that run along no input axis, the batch left out.
    spatial : tuple of int
        Axes that run along the input's, in the input's order: (z,) y, x.
    """

    channels: tuple[int, ...]
    spatial: tuple[int, ...]


def sort_axes(place: Place | None, rank: int) -> SpatialOrder:
    """Tell channels from positions; where nothing is known, the first axis after the batch is the channel."""
    placed = (
        [] if place is None else [(a.axis, i) for i, a in enumerate(place.axes) if a is not None and i > 0]
    )
    if not placed or len(placed) > 3:
        return SpatialOrder(tuple(range(1, min(2, rank))), tuple(range(2, rank)))
    spatial = tuple(index for _, index in sorted(placed))
    return SpatialOrder(tuple(i for i in range(1, rank) if i not in spatial), spatial)


def channels_first(values: NDArray[Any], order: SpatialOrder) -> NDArray[Any]:
    """Return one image's output, without a batch axis, its channel axes before the spatial ones."""
    return values.transpose([axis - 1 for axis in (*order.channels, *order.spatial)])


def placed(volume: Volume, place: Place | None, order: SpatialOrder, frame: Frame, z_spacing: str) -> Volume:
    """Return a laid-out volume with the spacing, origin and direction of its layer.

    Parameters
    ----------
    volume : Volume
        With unit spacing, as `converters.lay_out` makes it.
    place : Place or None
        Where the layer's units lie; None or one with a reason leaves the volume in index space.
    order : SpatialOrder
        The roles of the layer's axes.
    frame : Frame
        Where the input lies.
    z_spacing : str
        ``same``, ``fit`` or a number: the distance between slices that are channels.

    Notes
    -----
    A unit lies at the centre of its receptive field: position = start + index * stride, in input pixels.
    """
    axes = [] if place is None else [place.axes[axis] for axis in reversed(order.spatial)]
    known = [axis for axis in axes if axis is not None and axis.stride > 0]
    kind = volume.facts.get("layout", {}).get("kind")
    facts: dict[str, Any] = {"frame": "index"}
    spacing, start = [1.0, 1.0, 1.0], np.zeros(3)
    if place is not None and len(known) == len(axes) >= 1 and kind not in ("sheet", "plane"):
        for i, axis in enumerate(known):
            spacing[i] = float(axis.stride) * frame.spacing[i]
            start[i] = float(axis.start) * frame.spacing[i]
        facts = {"frame": "input", **_in_pixels(known)}
    elif place is not None and place.reason:
        facts["reason"] = place.reason
    if len(axes) < 3 and kind in ("stack", "channels"):
        spacing[2] = slice_spacing(volume.size, spacing, z_spacing)
        facts["z_spacing"] = z_spacing
    origin = np.asarray(frame.origin) + frame.direction @ start
    return volume.replace(
        spacing=tuple(spacing),
        origin=tuple(origin),
        direction=tuple(frame.direction.ravel()),
        facts={**volume.facts, "geometry": facts},
    )


def slice_spacing(size: Sequence[int], spacing: Sequence[float], wanted: str) -> float:
    """Return the distance between slices.

    Parameters
    ----------
    size : sequence of int
        Voxels along x, y, z.
    spacing : sequence of float
        Along x and y.
    wanted : str
        ``same``: as along x; ``fit``: as along x, but the depth at most twice the width; or a number.

    Raises
    ------
    VolumeError
        If `wanted` is none of these.
    """
    same = spacing[0]
    if wanted == "same":
        return same
    if wanted == "fit":
        return min(same, 2 * size[0] * same / size[2])
    try:
        number = float(wanted)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise VolumeError(f"--z-spacing takes same, fit or a positive number, not {wanted!r}")
    return number


def _in_pixels(axes: Sequence[AxisPlace]) -> dict[str, list[float]]:
    """Return stride, start and receptive field of x, y (and z) in input pixels."""
    return {
        "stride": [float(axis.stride) for axis in axes],
        "start": [float(axis.start) for axis in axes],
        "receptive_field": [float(axis.extent) for axis in axes],
    }
