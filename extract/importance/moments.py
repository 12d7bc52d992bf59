"""Means over pictures, as they stream by: with standard errors, and intervals by bootstrap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Percentiles between which the mean lies in 95 of 100 replicates.
_INTERVAL = (2.5, 97.5)
# Columns that are worked on together: their replicates are copied for it.
_TOGETHER = 4096
# Poisson(1) is at most 18 with all but 1e-16 of the probability: what a float64 in 0..1 can tell.
_MOST = 18


@dataclass(frozen=True, eq=False)
class Estimate:
    """Means over pictures.

    Parameters
    ----------
    count : int
        How many pictures; 0 for values that depend on none.
    mean : ndarray of float64
        Shape (M,), a value a column.
    error : ndarray or None
        The standard error of each mean: the sample's standard deviation / sqrt(count). None for fewer than
        two pictures, of which it is undefined.
    low, high : ndarray or None
        The 95 % interval by bootstrap; None for fewer than two pictures, or if none was asked for.
    """

    count: int
    mean: Floats
    error: Floats | None = None
    low: Floats | None = None
    high: Floats | None = None

    def part(self, columns: slice) -> Estimate:
        """Return some of the columns."""
        cut = [None if values is None else values[columns] for values in (self.error, self.low, self.high)]
        return Estimate(self.count, self.mean[columns], *cut)


class Moments:
    """Running mean, spread and bootstrap replicates of the rows of a table that is never held as a whole.

    Means and sums of squares are merged as in T. Chan, G. Golub, R. LeVeque, *Algorithms for Computing the
    Sample Variance*, The American Statistician 37(3), 1983, eq. 2.1. Each replicate of the bootstrap counts a
    row as often as a Poisson variable of mean 1 says: N. Chamandy et al., *Estimating Uncertainty for Massive
    Data Streams*, Google, 2012; rows need not be kept for it.

    Parameters
    ----------
    columns : int
        How many values a row has: M.
    replicates : int
        How many replicates of the bootstrap there are; 0 for none. They take 8 * replicates * M bytes.
    """

    def __init__(self, columns: int, replicates: int) -> None:
        self.count = 0
        self._mean = np.zeros(columns)
        self._squares = np.zeros(columns)
        self._sums = np.zeros((replicates, columns))
        self._weights = np.zeros(replicates)

    @property
    def columns(self) -> int:
        """How many values a row has."""
        return len(self._mean)

    def add(self, rows: Floats, weights: Floats) -> None:
        """Add rows, shape (n, M), with what each counts in each replicate, shape (n, replicates)."""
        new = len(rows)
        if not new:
            return
        mean = rows.mean(axis=0)
        apart = mean - self._mean
        total = self.count + new
        self._squares += np.square(rows - mean).sum(axis=0) + apart**2 * (self.count * new / total)
        self._mean += apart * (new / total)
        self.count = total
        for start in range(0, self.columns, _TOGETHER):
            some = slice(start, start + _TOGETHER)
            self._sums[:, some] += weights.T @ rows[:, some]
        self._weights += weights.sum(axis=0)

    def estimate(self) -> Estimate:
        """Return what the rows so far tell.

        Of few rows some replicates hold none; the interval is that of the others.
        """
        if self.count < 2:
            return Estimate(self.count, self._mean.copy())
        error = np.sqrt(self._squares / (self.count - 1) / self.count)
        drawn = self._weights > 0
        if not drawn.any():
            return Estimate(self.count, self._mean.copy(), error)
        weights = self._weights[drawn, np.newaxis]
        low, high = np.concatenate(
            [
                np.percentile(self._sums[drawn, start : start + _TOGETHER] / weights, _INTERVAL, axis=0)
                for start in range(0, self.columns, _TOGETHER)
            ],
            axis=1,
        )
        return Estimate(self.count, self._mean.copy(), error, low, high)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all there is to keep, for `restored`."""
        return {
            "count": np.array(self.count),
            "mean": self._mean,
            "squares": self._squares,
            "sums": self._sums,
            "weights": self._weights,
        }

    @classmethod
    def restored(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return what `arrays` was taken of."""
        result = cls(len(arrays["mean"]), 0)
        result.count = int(arrays["count"])
        result._mean, result._squares = arrays["mean"], arrays["squares"]
        result._sums, result._weights = arrays["sums"], arrays["weights"]
        return result


def poisson_weights(numbers: Sequence[int], replicates: int, seed: int) -> Floats:
    """Return how often each picture counts in each replicate of a bootstrap.

    They depend on the picture's number and the seed alone, so that batches may be cut anywhere: the numbers
    of a counter-based generator, Philox (J. Salmon et al., *Parallel Random Numbers: As Easy as 1, 2, 3*, SC
    2011), whose counter starts at the picture's number, turned into Poisson variables by inversion. numpy
    keeps Philox's numbers the same in all versions, and those of `Generator.poisson` not.

    Parameters
    ----------
    numbers : sequence of int
        The pictures' numbers in their set.
    replicates : int
        How many replicates.
    seed : int
        Other seeds give other replicates.

    Returns
    -------
    ndarray of float64
        Whole numbers, shape (n, replicates).
    """
    steps = np.cumsum([1.0, *(1 / np.arange(1, _MOST)).cumprod()]) / np.e
    uniform = [philox(replicates, seed, number) for number in numbers]
    return np.searchsorted(steps, np.reshape(uniform, (len(numbers), replicates))).astype(np.float64)


def philox(count: int, seed: int, counter: int) -> Floats:
    """Return numbers of 0..1, uniformly distributed, the same in all versions of numpy."""
    # the last word counts blocks of numbers last of all
    source = np.random.Philox(key=seed, counter=[0, 0, 0, counter])
    return np.asarray(source.random_raw(count) >> np.uint64(11), np.float64) * 2.0**-53
