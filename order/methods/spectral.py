"""The order of a spectral relaxation: gradual change over the whole stack."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..maps import Maps
from ..numerics import eigenvector
from .components import in_components


def spectral(maps: Maps) -> NDArray[np.intp]:
    """By the Fiedler vector: the second eigenvector of the Laplacian of the likeness max(d) - d.

    It relaxes the 2-SUM problem (Atkins, Boman and Hendrickson, "A spectral algorithm for seriation and the
    consecutive ones problem", SIAM Journal on Computing 28(1), 1998). Groups of maps without any likeness to
    each other are ordered one by one.
    """
    return in_components(maps.distances, lambda within: np.argsort(fiedler_vector(within), kind="stable"))


def fiedler_vector(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Fiedler vector of one component: shape (map,); of fewer than three maps, their numbers."""
    if len(distances) < 3:
        return np.arange(len(distances), dtype=np.float64)
    likeness = distances.max() - distances
    np.fill_diagonal(likeness, 0)
    laplacian = np.diag(likeness.sum(axis=1)) - likeness
    return eigenvector(laplacian, 1)
