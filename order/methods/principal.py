"""Orders by the first principal component, of one row of every map or of whole maps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..distances import products
from ..maps import Maps
from ..numerics import eigenvector


def pca_row(maps: Maps, row: int | None = None) -> NDArray[np.intp]:
    """By ascending projection of one row of every map on their first principal component.

    Without a number: see `Maps.rows`.
    """
    rows = maps.rows(row)
    return _by_first_component(rows @ rows.T)


def pca_map(maps: Maps) -> NDArray[np.intp]:
    """By ascending projection of whole maps on their first principal component."""
    return _by_first_component(sum(map(products, maps.arrays()), np.zeros((len(maps), len(maps)))))


def _by_first_component(gram: NDArray[np.float64]) -> NDArray[np.intp]:
    """Order points, of which the scalar products are given, by their projection.

    The projections of centred points are the first eigenvector of their scalar products, but for its length.
    """
    if len(gram) < 2:
        return np.arange(len(gram))
    centred = gram - gram.mean(axis=0) - gram.mean(axis=1, keepdims=True) + gram.mean()
    return np.argsort(eigenvector(centred, len(gram) - 1), kind="stable")
