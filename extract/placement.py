"""Giving a layer's volumes their place in the input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from converters.errors import VolumeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from converters import Volume

    from .geometry import AxisPlace, Place


@dataclass(frozen=True, eq=False)
class Frame:
    """Where the pixels or voxels of an input lie, in LPS; axes in the order x, y, z.

    A picture has the default: pixels of size 1, the first one's centre at the origin.
    """

    spacing: tuple[float, ...] = (1.0, 1.0, 1.0)
    origin: tuple[float, ...] = (0.0, 0.0, 0.0)
    direction: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))


@dataclass(frozen=True)
class Roles:
    """What the axes of a tensor are.

    Parameters
    ----------
    batch : int or None
        The axis along which images lie; None where there is none.
    channels : tuple of int
        Axes that run along no axis of the input.
    spatial : tuple of int
        Axes that run along the input's, in the input's order: (z,) y, x.
    known : bool
        Whether `spatial` follows from the graph; else the first axis that is not the batch counts as channel.
    reason : str or None
        Why the place in the input is unknown.
    """

    batch: int | None
    channels: tuple[int, ...]
    spatial: tuple[int, ...]
    known: bool
    reason: str | None = None


def roles_of(place: Place | None, rank: int, batch: int | None, source: str) -> Roles:
    """Tell batch, channels and positions apart.

    Parameters
    ----------
    place : Place or None
        Where the tensor's axes lie, as far as the graph tells.
    rank : int
        How many axes the tensor really has.
    batch : int or None
        Its batch axis.
    source : str
        The input that positions refer to.
    """
    rest = [axis for axis in range(rank) if axis != batch]
    guess = Roles(batch, tuple(rest[:1]), tuple(rest[1:]), known=False)
    if place is None or (len(place.axes) != rank and place.reason is None):
        return replace(guess, reason="its shape is not known before it runs")
    if len(place.axes) != rank:
        return replace(guess, reason=place.reason)
    along = {index: place.axes[index] for index in rest}
    if any(axis is not None and axis.input != source for axis in along.values()):
        return replace(guess, reason=f"it lies along another input than {source!r}")
    found = sorted((axis.axis, index) for index, axis in along.items() if axis is not None)
    if not 1 <= len(found) <= 3:
        return replace(guess, reason=place.reason or "none of its axes runs along the input")
    spatial = tuple(index for _, index in found)
    return Roles(batch, tuple(i for i in rest if i not in spatial), spatial, known=True, reason=place.reason)


def image_of(values: NDArray[Any], roles: Roles, index: int) -> NDArray[Any]:
    """Return one image's share of a tensor, its channel axes before the spatial ones."""
    order = (*roles.channels, *roles.spatial)
    if roles.batch is None:
        return values.transpose(order)
    share: NDArray[Any] = values.transpose((roles.batch, *order))[index]
    return share


def placed(volume: Volume, place: Place | None, roles: Roles, frame: Frame, z_spacing: str) -> Volume:
    """Return a laid-out volume with the spacing, origin and direction of its layer.

    Parameters
    ----------
    volume : Volume
        With unit spacing, as `converters.lay_out` makes it of what `image_of` gives.
    place : Place or None
        Where the layer's units lie.
    roles : Roles
        The roles of the layer's axes.
    frame : Frame
        Where the input lies.
    z_spacing : str
        ``same``, ``fit`` or a number: the distance between slices that are channels.

    Notes
    -----
    A unit lies at the centre of its receptive field: position = start + index * stride, in input pixels.
    Where that is unknown, the volume stays in index space, and ``facts["geometry"]["reason"]`` says why.
    """
    kind = volume.facts.get("layout", {}).get("kind")
    axes = _along(place, roles)
    facts: dict[str, Any] = {"frame": "index"}
    spacing, start = [1.0, 1.0, 1.0], np.zeros(3)
    reason = roles.reason
    if kind == "sheet":
        reason = reason or "its units are laid out row by row"
    elif axes and min(axis.stride for axis in axes) <= 0:
        reason = "an axis runs backwards along the input"
    elif axes:
        for i, axis in enumerate(axes):
            spacing[i] = float(axis.stride) * frame.spacing[i]
            start[i] = float(axis.start) * frame.spacing[i]
        facts = {"frame": "input", **_in_pixels(axes)}
    if facts["frame"] == "index" and reason:
        facts["reason"] = reason
    if len(roles.spatial) < 3 and kind in ("stack", "channels"):
        spacing[2] = slice_spacing(volume.size, spacing, z_spacing)
        facts["z_spacing"] = z_spacing
    origin = np.asarray(frame.origin) + frame.direction @ start
    return volume.replace(
        spacing=tuple(spacing),
        origin=tuple(origin),
        direction=tuple(frame.direction.ravel()),
        facts={**volume.facts, "geometry": facts},
    )


def _along(place: Place | None, roles: Roles) -> list[AxisPlace]:
    """Return the places of the spatial axes as x, y, z; none where they do not follow from the graph."""
    if place is None or not roles.known:
        return []
    return [axis for index in reversed(roles.spatial) if (axis := place.axes[index]) is not None]


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
