"""Groups of maps that have nothing in common, ordered one by one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..distances import Matrix, starts_typical

# of the largest distance: what rounding leaves between maps that have nothing in common
_ROUNDING = 1e-9


def in_components(distances: Matrix, ordered: Callable[[Matrix], NDArray[np.intp]]) -> NDArray[np.intp]:
    """Order each connected component of the likeness max(d) - d for itself, and put them side by side.

    All orders of a component are as good for what the other ones show: the Fiedler vector is the same for all
    of its maps (Atkins, Boman and Hendrickson 1998). A component, whose largest distance is
    smaller, may have components of its own.

    Parameters
    ----------
    distances : ndarray
        Shape (map, map).
    ordered : callable
        From the distances of maps with one component to their order.

    Returns
    -------
    ndarray of int
        Shape (map,). The component of the first map is first; each starts with its more typical half.
    """
    waiting, found = [np.arange(len(distances))], []
    while waiting:
        group = waiting.pop()
        within = distances[np.ix_(group, group)]
        parts = _components(within)
        if len(parts) > 1:
            waiting += [group[part] for part in reversed(parts)]
        else:
            order = ordered(within)
            found.append(group[order if starts_typical(within, order[:, np.newaxis]) else order[::-1]])
    return np.concatenate(found)


def _components(distances: Matrix) -> list[NDArray[np.intp]]:
    """Return the maps of each component, that of the first map first."""
    from scipy.sparse.csgraph import connected_components

    if len(distances) < 2:
        return [np.arange(len(distances))]
    largest = distances.max()
    labels = connected_components(distances < (1 - _ROUNDING) * largest, directed=False)[1]
    parts = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return sorted(parts, key=lambda part: int(part[0]))
