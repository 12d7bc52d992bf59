"""The volume: an array with its place in space, the names of its slices and its history."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .encoding import Encoding
from .errors import VolumeError

Vector = tuple[float, float, float]
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


class Described(Protocol):
    """What headers and side-cars tell of values, be they at hand or not; means what it does in `Volume`."""

    @property
    def name(self) -> str:
        """What the values are."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """One for each slice, or for each frame."""
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """Where they came from."""
        ...

    @property
    def size(self) -> tuple[int, int, int]:
        """Number of voxels along x, y and z."""
        ...

    @property
    def frames(self) -> int | None:
        """Number of frames, None for a 3-D volume."""
        ...

    @property
    def range(self) -> tuple[float, float] | None:
        """Smallest and largest finite value, None where no value is finite."""
        ...

    @property
    def spacing(self) -> Vector:
        """Distance between neighbours along x, y and z."""
        ...

    @property
    def origin(self) -> Vector:
        """Position of the centre of voxel (0, 0, 0)."""
        ...

    @property
    def direction(self) -> tuple[float, ...]:
        """Unit vectors of the axes."""
        ...

    @property
    def affine(self) -> NDArray[np.float64]:
        """The 4 x 4 matrix that takes (x, y, z, 1) indices to LPS positions."""
        ...


@dataclass(frozen=True, eq=False)
class Volume:
    """A scalar volume, or several of one geometry, in LPS millimetres (or input pixels).

    Parameters
    ----------
    data : array_like
        Real numbers, shape (z, y, x), or (frame, z, y, x) for several volumes of one geometry; kept as a
        read-only float32 array, without a copy where it already is one.
    spacing : tuple of float
        Distance between neighbours along x, y and z; positive.
    origin : tuple of float
        Position of the centre of voxel (0, 0, 0), as x, y, z in LPS.
    direction : tuple of float
        The 3 x 3 matrix, row by row, whose columns are the unit vectors of the x, y and z axes in LPS.
    name : str
        What the values are; the name of the array in formats that name arrays.
    labels : tuple of str
        One for each slice along z, or for each frame of a 4-D volume: which channel it shows. Numbers from
        0 unless given.
    facts : mapping
        Where the volume came from: anything that JSON holds.
    encoding : Encoding or None
        How the values lie in the file that they were read from; None where they came from no file.

    Raises
    ------
    VolumeError
        If the data are not real numbers of 3 or 4 non-empty axes, or the geometry or labels do not fit.
    """

    data: NDArray[np.float32]
    spacing: Vector = (1.0, 1.0, 1.0)
    origin: Vector = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = IDENTITY
    name: str = "values"
    labels: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    encoding: Encoding | None = None

    def __post_init__(self) -> None:
        data = _float32(self.data)
        object.__setattr__(self, "data", data)
        object.__setattr__(self, "spacing", _numbers("spacing", self.spacing, 3))
        object.__setattr__(self, "origin", _numbers("origin", self.origin, 3))
        object.__setattr__(self, "direction", _numbers("direction", self.direction, 9))
        object.__setattr__(self, "facts", MappingProxyType(dict(self.facts)))
        if min(self.spacing) <= 0:
            raise VolumeError(f"spacing must be positive, not {self.spacing}")
        if abs(np.linalg.det(self.matrix)) < 1e-6:
            raise VolumeError(f"direction has no inverse: {self.direction}")
        labels = tuple(map(str, self.labels)) or tuple(map(str, range(data.shape[0])))
        if len(labels) != data.shape[0]:
            raise VolumeError(f"{len(labels)} labels for {data.shape[0]} slices or frames")
        object.__setattr__(self, "labels", labels)

    @property
    def size(self) -> tuple[int, int, int]:
        """Number of voxels along x, y and z."""
        z, y, x = self.data.shape[-3:]
        return x, y, z

    @property
    def frames(self) -> int | None:
        """Number of frames of a 4-D volume, None for a 3-D one."""
        return self.data.shape[0] if self.data.ndim == 4 else None

    @cached_property
    def range(self) -> tuple[float, float] | None:
        """Smallest and largest finite value, None where no value is finite."""
        low, high = float(self.data.min()), float(self.data.max())
        if math.isfinite(low) and math.isfinite(high):
            return low, high
        finite = self.data[np.isfinite(self.data)]
        return (float(finite.min()), float(finite.max())) if finite.size else None

    @property
    def matrix(self) -> NDArray[np.float64]:
        """`direction` as a 3 x 3 array."""
        return np.array(self.direction, dtype=np.float64).reshape(3, 3)

    @property
    def affine(self) -> NDArray[np.float64]:
        """The 4 x 4 matrix that takes (x, y, z, 1) indices to LPS positions."""
        affine = np.eye(4)
        affine[:3, :3] = self.matrix * self.spacing
        affine[:3, 3] = self.origin
        return affine

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""
        return replace(self, **changes)


def _float32(values: ArrayLike) -> NDArray[np.float32]:
    array = np.asarray(values)
    # bfloat16 and the float8 types of ml_dtypes have kind "V"
    if array.dtype.kind not in "biufV" or array.dtype.names is not None:
        raise VolumeError(f"a volume holds real numbers, not {array.dtype}")
    if array.ndim not in (3, 4) or 0 in array.shape:
        raise VolumeError(f"a volume has 3 or 4 axes, none of them empty; this array has shape {array.shape}")
    view = np.ascontiguousarray(array, dtype=np.float32).view()
    view.flags.writeable = False
    return view


def _numbers(what: str, values: Any, count: int) -> tuple[float, ...]:
    numbers = tuple(float(v) for v in np.ravel(values))
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise VolumeError(f"{what} takes {count} finite numbers, not {values}")
    return numbers
