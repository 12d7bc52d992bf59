"""Values as text that a page can hold, and how the page gets them back."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

EXACT = 2**20
"""Voxels up to which a volume keeps its float32 values; larger ones get 65535 steps."""

_NOT_FINITE, _STEPS = 65535, 65534


@dataclass(frozen=True)
class Packing:
    """How stored numbers stand for values: value = slope * stored + intercept.

    Parameters
    ----------
    dtype : {"float32", "uint16"}
        What is stored. Of uint16, 65535 stands for NaN and infinite values.
    slope, intercept : float
        The value scale.
    """

    dtype: str = "float32"
    slope: float = 1.0
    intercept: float = 0.0

    @classmethod
    def of(cls, count: int, span: tuple[float, float]) -> Packing:
        """Return how so many values within `span` are packed: exactly where they are few."""
        if count <= EXACT:
            return cls()
        low, high = span
        return cls("uint16", (high - low) / _STEPS or 1.0, low)

    @property
    def error(self) -> float:
        """The most that a value may be off."""
        return 0.0 if self.dtype == "float32" else self.slope / 2

    def pack(self, data: NDArray[np.float32]) -> str:
        """Return the values as base64 of a zlib stream.

        In the stream, the first bytes of all numbers come first, then the second ones and so on: exponents
        are alike, and so compress well.
        """
        stored = np.ascontiguousarray(self._stored(data))
        columns = stored.reshape(-1).view(np.uint8).reshape(-1, stored.itemsize)
        return base64.b64encode(zlib.compress(columns.T.tobytes(), 6)).decode("ascii")

    def _stored(self, data: NDArray[np.float32]) -> NDArray[Any]:
        if self.dtype == "float32":
            return data.astype("<f4", copy=False)
        known = np.isfinite(data)
        # the difference of two float32 may be more than any float32
        steps = np.rint(
            (np.where(known, data, self.intercept).astype(np.float64) - self.intercept) / self.slope
        )
        return np.where(known, steps, _NOT_FINITE).astype("<u2")
