"""What the formats share whose files hold several named arrays over one grid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from warnings import warn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import sidecar
from ._geometry import split
from .errors import CnnVisWarning, VolumeError
from .volume import Vector, Volume

# HDF5 takes a slash for a path; VTK writes the others into XML as they are
_RESERVED = "/<>&\"'"


def named(volume: Volume, stored: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return the arrays that stand for a volume: one of its name, or one for each frame, called by its label.

    Parameters
    ----------
    volume : Volume
        3-D or 4-D.
    stored : ndarray
        What is stored for its data.
    """
    if volume.frames is None:
        return {clean(volume.name): stored}
    return dict(zip(_frame_names(volume.labels), stored, strict=True))


def assemble(
    available: tuple[str, ...],
    load: Callable[[str], NDArray[Any]],
    *,
    active: str | None,
    document: dict[str, Any] | None,
    columns: ArrayLike,
    origin: Vector,
    framed: bool = False,
) -> Volume:
    """Return the volume that arrays over one grid make.

    Parameters
    ----------
    available : tuple of str
        The names of the arrays with one number a point, in their order.
    load : callable
        ``load(name)`` gives an array, shape (z, y, x).
    active : str or None
        The name of the array that the file itself marks as its scalars.
    document : dict or None
        The side-car document in the file: what we wrote is read by the names that we gave.
    columns : array_like
        Shape (3, 3): column k is the step from a point to the next one along axis k.
    origin : tuple of float
        Position of the first point.
    framed : bool
        Whether each array holds all frames: shape (frame, z, y, x).

    Raises
    ------
    VolumeError
        If there is no array, or a frame is missing.
    """
    spacing, direction = split(columns)
    frames = (
        _frame_names(tuple(document["labels"]))
        if document and document["geometry"].get("frames") and not framed
        else ()
    )
    missing = [name for name in frames if name not in available]
    if missing:
        raise VolumeError(f"its frame {missing[0]!r} is missing")
    name = "" if frames else _choose(available, active)
    stored = np.stack([load(frame) for frame in frames]) if frames else load(name)
    return sidecar.restore(stored, document, spacing=spacing, origin=origin, direction=direction, name=name)


def _choose(available: tuple[str, ...], active: str | None) -> str:
    if not available:
        raise VolumeError(
            "it has no array of one number a point: vectors, colours and cell data are not read"
        )
    chosen = active if active in available else available[0]
    if len(available) > 1:
        warn(f"read array {chosen!r}, one of {', '.join(available)}", CnnVisWarning, stacklevel=2)
    return chosen


def _frame_names(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return the labels as names that are all different."""
    cleaned = tuple(map(clean, labels))
    if len(set(cleaned)) == len(cleaned):
        return cleaned
    return tuple(f"{label} ({index})" for index, label in enumerate(cleaned))


def clean(name: str) -> str:
    """Return a name that XML, HDF5 and the viewers take, with `_` for what they do not."""
    printable = (letter if letter.isprintable() and letter not in _RESERVED else "_" for letter in name)
    kept = "".join(printable).strip()
    return kept if kept.strip(".") else f"values{kept}"
