"""How unlike the maps of a layer are: one function a distance, each from a map's values to a matrix."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converters.volume import Volume

from .errors import OrderError

Matrix = NDArray[np.float64]
Distance = Callable[[NDArray[np.float32]], Matrix]

LARGEST = 20_000
"""So many maps have distances that fill 3 GB."""

# values are widened to float64 piece by piece, so that large volumes are not held twice more
_PIECE = 1 << 22
# float32 sums of equal numbers differ by a few units in the last place
_ROUNDING = 1e-6
_EVEN = 1e-9
_SHIFT = 2
# across less than three quarters of a side, maps correlate by chance
_LEAST_OVERLAP = 4


def correlation(maps: NDArray[np.float32]) -> Matrix:
    """Return 1 - r, from 0 to 2, where r is Pearson's correlation; 1 beside a constant map.

    Parameters
    ----------
    maps : ndarray
        Shape (map, ...), as for all distances here.

    Returns
    -------
    ndarray
        Shape (map, map), as of all distances here.
    """
    return 1 - correlations(maps)


def absolute_correlation(maps: NDArray[np.float32]) -> Matrix:
    """Return 1 - |r|, from 0 to 1: maps of opposite sign are alike, as befits filters and gradients."""
    return 1 - np.abs(correlations(maps))


def cosine(maps: NDArray[np.float32]) -> Matrix:
    """Return 1 - cos of the angle between maps, from 0 to 2; 1 beside a map of zeros."""
    return 1 - _cosines(maps)


def euclidean(maps: NDArray[np.float32]) -> Matrix:
    """Return the Euclidean distance, in the units of the values."""
    scalar = products(maps)
    squares = np.diag(scalar)
    return np.sqrt(np.maximum(squares[:, np.newaxis] + squares - 2 * scalar, 0))


def shift(maps: NDArray[np.float32]) -> Matrix:
    """Return 1 - the best correlation of what overlaps when one map is moved a little along each axis.

    By up to two places, and no more than a quarter of a side. Filters of one kind that differ in phase give
    maps that are alike but for such a move.
    """
    best = correlations(maps)
    reaches = [
        range(-min(_SHIFT, n // _LEAST_OVERLAP), min(_SHIFT, n // _LEAST_OVERLAP) + 1) for n in maps.shape[1:]
    ]
    for move in itertools.product(*reaches):
        # the opposite moves are the same with the maps exchanged
        if move > (0,) * len(move):
            moved = _correlations_between(maps[_part(move)], maps[_part([-m for m in move])])
            np.maximum(best, np.maximum(moved, moved.T), out=best)
    return 1 - best


DISTANCES: dict[str, Distance] = {
    "correlation": correlation,
    "absolute-correlation": absolute_correlation,
    "cosine": cosine,
    "euclidean": euclidean,
    "shift": shift,
}


def find(distance: str) -> Distance:
    """Return the function of a distance.

    Raises
    ------
    OrderError
        If there is no such distance.
    """
    if distance not in DISTANCES:
        raise OrderError(f"unknown distance {distance!r}: choose one of {', '.join(DISTANCES)}")
    return DISTANCES[distance]


def mean_distances(volumes: Sequence[Volume], chosen: NDArray[np.intp], distance: str) -> Matrix:
    """Return the distances between some maps of a layer, averaged over its volumes.

    Parameters
    ----------
    volumes : sequence of Volume
        One an image, read one after another.
    chosen : ndarray of int
        The maps to compare, in the order that the matrix is to have.
    distance : str
        A key of `DISTANCES`.

    Returns
    -------
    ndarray
        Shape (len(chosen), len(chosen)): symmetric, not negative, zeros on the diagonal.

    Raises
    ------
    OrderError
        If there are more than 20,000 maps, or no such distance.
    """
    if len(chosen) > LARGEST:
        raise OrderError(f"{len(chosen)} maps are too many to compare each with each: at most {LARGEST}")
    measure = find(distance)
    total: Matrix = np.zeros((len(chosen), len(chosen)))
    for volume in volumes:
        total += measure(volume.data[chosen])
    total /= len(volumes)
    total += total.T.copy()
    total /= 2
    np.maximum(total, 0, out=total)
    np.fill_diagonal(total, 0)
    return total


def starts_typical(distances: Matrix, groups: Sequence[NDArray[np.intp]] | NDArray[np.intp]) -> bool:
    """Return whether the more typical half of an order comes first, or if it is even, the lower number.

    Typical maps have a small sum of distances. As all maps have a say, a small change of the values, or of a
    few places, keeps the direction. Of an order of groups, or of single maps, shape (map, 1), each counts
    at its middle: the reverse of what starts so does not.
    """
    sizes = np.array([len(group) for group in groups])
    middles = np.cumsum(sizes) - (sizes + sizes.sum()) / 2
    totals = distances.sum(axis=1)
    lean = float(middles @ np.array([totals[group].sum() for group in groups]))
    if abs(lean) <= _EVEN * float(totals.sum()):
        return len(groups) < 2 or bool(groups[0][0] < groups[-1][0])
    return lean > 0


def alive(volumes: Sequence[Volume]) -> NDArray[np.bool_]:
    """Return which maps vary in at least one volume, and are finite in all: those that can be compared."""
    count = len(volumes[0].data)
    varies, finite = np.zeros(count, bool), np.ones(count, bool)
    for volume in volumes:
        flat = _flat(volume.data)
        low, high = flat.min(axis=1), flat.max(axis=1)
        finite &= np.isfinite(low) & np.isfinite(high)
        with np.errstate(invalid="ignore"):
            varies |= ~_constant(low, high)
    return varies & finite


def products(maps: NDArray[np.float32]) -> Matrix:
    """Return the scalar product of each map with each."""
    flat = _flat(maps)
    return _products(_Scaled(flat, np.zeros(len(flat)), np.ones(len(flat))))


def correlations(maps: NDArray[np.float32]) -> Matrix:
    """Return Pearson's correlation of each map with each; 0 beside a constant one."""
    return _products(_standard(_flat(maps))).clip(-1, 1)


def adjacent_correlations(maps: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the correlation of each map with the next: shape (map - 1,); 0 beside a constant one."""
    standard = _standard(_flat(maps))
    units = (standard.piece(slice(None), slice(i, i + 1))[0] for i in range(len(maps)))
    return np.array([a @ b for a, b in itertools.pairwise(units)])


@dataclass(frozen=True, eq=False)
class _Scaled:
    """Maps, shape (map, value), of which a mean is to be subtracted before a factor is applied."""

    flat: NDArray[np.float32]
    means: NDArray[np.float64]
    factors: NDArray[np.float64]

    def piece(self, values: slice, maps: slice = slice(None)) -> NDArray[np.float64]:
        """Return some values of some maps, so centred and scaled."""
        centred = self.flat[maps, values] - self.means[maps, np.newaxis]
        centred *= self.factors[maps, np.newaxis]
        return centred


def _cosines(maps: NDArray[np.float32]) -> Matrix:
    flat = _flat(maps)
    norms = _norms(flat, np.zeros(len(flat)))
    factors = np.divide(1, norms, out=np.zeros(len(flat)), where=norms > 0)
    return _products(_Scaled(flat, np.zeros(len(flat)), factors)).clip(-1, 1)


def _correlations_between(left: NDArray[np.float32], right: NDArray[np.float32]) -> Matrix:
    return _products(_standard(_flat(left)), _standard(_flat(right))).clip(-1, 1)


def _standard(flat: NDArray[np.float32]) -> _Scaled:
    """Make unit vectors of centred maps, zeros of constant ones."""
    means = flat.mean(axis=1, dtype=np.float64)
    norms = _norms(flat, means)
    varies = ~_constant(flat.min(axis=1), flat.max(axis=1)) & (norms > 0)
    return _Scaled(flat, means, np.divide(1, norms, out=np.zeros(len(flat)), where=varies))


def _norms(flat: NDArray[np.float32], means: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = (row - mean for row, mean in zip(flat, means, strict=True))
    return np.sqrt([np.dot(row, row) for row in centred])


def _products(left: _Scaled, right: _Scaled | None = None) -> Matrix:
    """Return the scalar product of each map with each, or with each of others."""
    count, length = left.flat.shape
    total: Matrix = np.zeros((count, count))
    step = max(1, _PIECE // max(1, count))
    for start in range(0, length, step):
        piece = left.piece(slice(start, start + step))
        other = piece if right is None else right.piece(slice(start, start + step))
        total += piece @ other.T
    return total


def _constant(low: NDArray[np.floating], high: NDArray[np.floating]) -> NDArray[np.bool_]:
    spread = high.astype(np.float64) - low
    constant: NDArray[np.bool_] = spread <= _ROUNDING * np.maximum(np.abs(low), np.abs(high))
    return constant


def _part(move: Sequence[int]) -> tuple[slice, ...]:
    """Return the part of maps that another map covers when it is moved so."""
    return (slice(None), *(slice(max(m, 0), min(m, 0) or None) for m in move))


def _flat(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    return maps.reshape(len(maps), math.prod(maps.shape[1:]))
