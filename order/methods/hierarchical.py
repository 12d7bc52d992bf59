"""Orders of the leaves of a cluster tree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import OrderError
from ..leaf_order import optimal_leaf_order
from ..maps import Maps

LINKAGES = ("average", "complete", "single", "ward")


def hierarchical(maps: Maps, linkage: str = "average") -> NDArray[np.intp]:
    """The leaves of scipy's cluster tree, its branches turned so that the path along the leaves is shortest.

    scipy's own ``optimal_leaf_ordering`` does not always find that (scipy issue 11227).
    """
    from scipy.cluster.hierarchy import linkage as cluster
    from scipy.spatial.distance import squareform

    if linkage not in LINKAGES:
        raise OrderError(f"ordering method 'hierarchical': linkage is one of {', '.join(LINKAGES)}")
    if len(maps) < 3:
        return np.arange(len(maps))
    tree = cluster(squareform(maps.distances, checks=False), linkage)
    return optimal_leaf_order(tree, maps.distances)
