"""How the values of a volume are stored: value = slope * stored + intercept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .errors import VolumeError

DTYPES = ("float32", "int16", "uint16", "uint8")

_BLOCK = 2**20
"""Values that are decoded at once."""


@dataclass(frozen=True)
class Encoding:
    """A stored data type with its value scale: value = slope * stored + intercept.

    Parameters
    ----------
    dtype : str
        Name of the stored numpy type. `DTYPES` are written; others occur in files that are read.
    slope, intercept : float
        The value scale, in values that float32 holds exactly (NIfTI-1 stores them so).
    """

    dtype: str = "float32"
    slope: float = 1.0
    intercept: float = 0.0

    @classmethod
    def fit(cls, data: NDArray[np.float32], dtype: str) -> Self:
        """Choose the scale that uses the whole range of `dtype`: `common` of one array."""
        return cls.common([data], dtype)

    @classmethod
    def common(cls, arrays: Iterable[NDArray[np.float32]], dtype: str) -> Self:
        """Choose one scale for several arrays that uses the whole range of `dtype`.

        Whole numbers that fit the type are stored as they are; float32 always is.

        Parameters
        ----------
        arrays : iterable of ndarray of float32
            The values to store, any shape; taken one after another, for float32 not at all.
        dtype : str
            One of `DTYPES`.

        Raises
        ------
        VolumeError
            If the type is not one of `DTYPES`, or an integer type shall hold NaN or infinite values.
        """
        if dtype not in DTYPES:
            raise VolumeError(f"cannot store values as {dtype}: choose one of {', '.join(DTYPES)}")
        if dtype == "float32":
            return cls(dtype)
        limits = np.iinfo(dtype)
        low, high, fits = np.inf, -np.inf, True
        for data in arrays:
            least, most = float(data.min()), float(data.max())
            if not np.isfinite([least, most]).all():
                bad = int(data.size - np.isfinite(data).sum())
                raise VolumeError(
                    f"{bad} of {data.size} values are NaN or infinite: {dtype} cannot hold them, float32 can"
                )
            low, high = min(low, least), max(high, most)
            fits = fits and limits.min <= low and high <= limits.max and bool(np.all(data == np.rint(data)))
        if fits:
            return cls(dtype)
        if low == high:
            return cls(dtype, 1.0, low)
        slope = float(np.float32((high - low) / (limits.max - limits.min)))
        if not np.finfo(np.float32).tiny <= slope < np.inf:
            raise VolumeError(f"the value range {low:g} to {high:g} has no float32 scale for {dtype}")
        return cls(dtype, slope, float(np.float32(low - slope * limits.min)))

    def encode(self, data: NDArray[np.float32]) -> NDArray[Any]:
        """Return what is stored for `data`; rounds to the nearest and stays inside the type's range."""
        if self.dtype == "float32":
            return data
        limits = np.iinfo(self.dtype)
        stored = (data.astype(np.float64) - self.intercept) / self.slope
        return np.clip(np.rint(stored), limits.min, limits.max).astype(self.dtype)

    def decode(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Return the float32 values of what is stored."""
        if self.slope == 1 and self.intercept == 0:
            return np.asarray(stored, dtype=np.float32)
        decoded = np.empty_like(stored, np.float32)
        # block by block: in float64, a large volume takes much memory
        step = max(1, _BLOCK * len(stored) // stored.size)
        for start in range(0, len(stored), step):
            block = stored[start : start + step]
            decoded[start : start + step] = block * np.float64(self.slope) + self.intercept
        return decoded

    def store(self, value: float) -> float:
        """Return the stored number, not rounded, that stands for `value`."""
        return (value - self.intercept) / self.slope
