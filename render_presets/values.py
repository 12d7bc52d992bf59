"""The finite values of volumes, as transfer functions are fitted to them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converters.volume import Volume

from .errors import PresetError

ENOUGH = 2**24
"""Values of which percentiles are taken: of 256 x 256 x 256 voxels exactly, of more by a fair sample."""


@dataclass(frozen=True, eq=False)
class Values:
    """The finite values of one volume, or of all of a series.

    Parameters
    ----------
    sample : ndarray of float32
        All of them; of more than `ENOUGH`, every n-th. In any shape.
    low, high : float
        The smallest and the largest of all.
    """

    sample: NDArray[np.float32]
    low: float
    high: float

    @classmethod
    def of(cls, volumes: Sequence[Volume]) -> Values:
        """Look at volumes, one after another.

        A percentile p of a sample of `ENOUGH` is one of p plus or minus 0.012 of them all (one standard
        deviation at p = 50; less elsewhere).

        Raises
        ------
        PresetError
            If no value is finite.
        """
        size = volumes[0].data.size
        step = _step(len(volumes) * size, size)
        parts, ranges = [], []
        for volume in volumes:
            span = volume.range
            if span is None:
                continue
            ranges.append(span)
            # a view of the sample would hold the whole volume
            data = volume.data if step == 1 else volume.data.reshape(-1)[::step].copy()
            known = np.isfinite(data)
            parts.append(data if known.all() else data[known])
        if not ranges:
            raise PresetError("no value of the volume is finite")
        sample = parts[0] if len(parts) == 1 else np.concatenate([part.ravel() for part in parts])
        return cls(sample, min(low for low, _ in ranges), max(high for _, high in ranges))

    def percentiles(self, wanted: tuple[float, float]) -> tuple[float, float]:
        """Return two values low < high around the given percentiles."""
        # the ends are known, whatever the sample has met
        ends = {0.0: self.low, 100.0: self.high}
        inner = [p for p in wanted if p not in ends]
        found = dict(zip(inner, map(float, np.percentile(self.sample, inner)), strict=True)) if inner else {}
        low, high = ((ends | found)[p] for p in wanted)
        if low == high:
            low, high = self.low, self.high
        if low == high:
            low, high = min(low, 0.0), max(high, 0.0)
        return (low, high) if low < high else (0.0, 1.0)


def missing(volume: Volume) -> int:
    """Return how many values of a volume are NaN or infinite."""
    return sum(plane.size - int(np.count_nonzero(np.isfinite(plane))) for plane in volume.data)


def _step(total: int, size: int) -> int:
    """Return the distance of sampled values; no divisor of the size, so that all columns are met alike."""
    step = -(-total // ENOUGH)
    while step > 1 and math.gcd(step, size) > 1:
        step += 1
    return step
