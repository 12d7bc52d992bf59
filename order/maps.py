"""What ordering methods see: the maps of a layer, over one image or several."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.volume import Volume

from . import distances
from .errors import OrderError
from .separators import joined
from .settings import is_whole

_ROW = 15


@dataclass(frozen=True, eq=False)
class Maps:
    """Some maps of a layer, numbered from 0 in the order of `chosen`.

    Parameters
    ----------
    volumes : sequence of Volume
        One an image, with the same number of slices (of 4-D volumes: frames). They are read one after
        another, and may be read several times.
    chosen : ndarray of int
        Which slices these maps are.
    distance : str
        A key of `distances.DISTANCES`.
    measured : ndarray, optional
        The distances, where they are known already.
    """

    volumes: Sequence[Volume]
    chosen: NDArray[np.intp]
    distance: str
    measured: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.chosen)

    @cached_property
    def distances(self) -> NDArray[np.float64]:
        """Mean distances over all images: shape (map, map)."""
        if self.measured is not None:
            return self.measured
        return distances.mean_distances(self.volumes, self.chosen, self.distance)

    def order_of(self, permutation: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the numbers of these maps in the order that a permutation of all slices gives them."""
        number = np.full(len(permutation), -1, np.intp)
        number[self.chosen] = np.arange(len(self))
        order = number[permutation]
        return order[order >= 0]

    def arrays(self) -> Iterator[NDArray[np.float32]]:
        """Yield the maps of each image: shape (map, y, x), or (map, z, y, x)."""
        return (volume.data[self.chosen] for volume in self.volumes)

    def adjacent_correlations(self, order: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the correlation of each map with the next in an order, averaged over the images."""
        each = [distances.adjacent_correlations(array[order]) for array in self.arrays()]
        mean: NDArray[np.float64] = np.mean(each, axis=0)
        return mean

    def rows(self, row: int | None = None) -> NDArray[np.float64]:
        """Return one row of every map, those of several images (and planes) end to end: shape (map, column).

        Without a number it is row 15, as in the first CNN-VIS, or the middle one of maps that have no such.

        Raises
        ------
        OrderError
            If the maps have no such row.
        """
        parts = []
        for array in self.arrays():
            height = array.shape[-2]
            at = usual_row(height) if row is None else row
            if not (is_whole(at) and 0 <= at < height):
                raise OrderError(
                    f"row takes a whole number from 0 to {height - 1} for these maps, not {row!r}"
                )
            rows = array[..., at, :]
            parts.append(rows.reshape(len(self), math.prod(rows.shape[1:])))
        return np.concatenate(parts, axis=1).astype(np.float64)


class Layer(Sequence[Volume]):
    """The volumes of a layer without blank slices, which go when a volume is read.

    Raises
    ------
    OrderError
        If there are none, they do not have the same number of slices, or the places of the blank ones are
        damaged.
    """

    def __init__(self, volumes: Sequence[Volume]) -> None:
        self._volumes = volumes
        counts = [len(volume.data) for volume in self]
        if not counts:
            raise OrderError("an order is fitted to one volume or more")
        if len(set(counts)) > 1:
            other = next(count for count in counts if count != counts[0])
            raise OrderError(f"volumes of {counts[0]} and of {other} slices have no order in common")

    def __len__(self) -> int:
        return len(self._volumes)

    def __getitem__(self, index: Any) -> Any:
        return joined(self._volumes[index])


def usual_row(height: int) -> int:
    """Return the row that is taken of maps of so many rows, if none is given."""
    return _ROW if height > _ROW else height // 2


def comparable(volumes: Sequence[Volume], distance: str) -> tuple[Maps, NDArray[np.intp]]:
    """Return the maps that can be compared, the most typical first, and the numbers of the others.

    Maps that are constant in all images, or not finite in one, have no distances. The most typical map has
    the least sum of distances: so the numbers of the maps depend on what they show, not on their channels.

    Raises
    ------
    OrderError
        If there is no such distance, or there are too many maps.
    """
    alive = distances.alive(volumes)
    maps = Maps(volumes, np.flatnonzero(alive), distance)
    # sums that differ by rounding only count as equal
    totals = maps.distances.sum(axis=1)
    by_typicality = np.argsort((totals / (totals.max(initial=0) or 1)).round(9), kind="stable")
    measured = maps.distances[np.ix_(by_typicality, by_typicality)]
    ordered = Maps(volumes, maps.chosen[by_typicality], distance, measured)
    return ordered, np.flatnonzero(~alive)
