"""From the vectors of a file's header to spacing and direction."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .errors import VolumeError
from .volume import Vector


def split(columns: ArrayLike) -> tuple[Vector, tuple[float, ...]]:
    """Split the steps along x, y and z into their lengths and directions.

    Parameters
    ----------
    columns : array_like
        Shape (3, 3): column k is the step from a voxel to the next one along axis k, in LPS.

    Returns
    -------
    spacing : tuple of float
        The three lengths.
    direction : tuple of float
        The unit columns as a 3 x 3 matrix, row by row.

    Raises
    ------
    VolumeError
        If a step is zero or not finite.
    """
    matrix = np.asarray(columns, dtype=np.float64)
    spacing = np.linalg.norm(matrix, axis=0)
    if not np.isfinite(spacing).all() or spacing.min() == 0:
        raise VolumeError(
            f"the steps between its voxels must be finite and not zero, they are {spacing.tolist()}"
        )
    x, y, z = spacing.tolist()
    return (x, y, z), tuple((matrix / spacing).ravel().tolist())


def number(value: float) -> str:
    """Return the shortest text that reads back as exactly this number: ``1``, ``0.1``."""
    return repr(float(value) + 0.0).removesuffix(".0")


def vector(values: ArrayLike) -> str:
    """Return numbers as in NRRD, ``(1,0,0.5)``, without blanks: VTK's reader takes one for the end."""
    return f"({','.join(map(number, np.ravel(values)))})"
