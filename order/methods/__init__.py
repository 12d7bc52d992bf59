"""The ordering methods: each a function from maps to their order.

A method returns the numbers of the maps, as an array, or as one array for each group where it makes groups.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import OrderError
from .clusters import kmeans
from .embedding import tsne_1d
from .hierarchical import hierarchical
from .principal import pca_map, pca_row
from .rankings import given, identity, importance, mean, random, sparsity
from .smooth import smooth
from .spectral import spectral

Found = NDArray[np.intp] | list[NDArray[np.intp]]


@dataclass(frozen=True)
class Method:
    """An ordering method.

    Parameters
    ----------
    function : callable
        From `Maps`, and settings by name, to their order.
    by_likeness : bool
        Whether it puts like maps together. Then it gets only those maps that can be compared, the most
        typical first, and either direction of what it finds is as good.
    makes_groups : bool
        Whether it returns an array for each of several groups.
    """

    function: Callable[..., Found]
    by_likeness: bool = True
    makes_groups: bool = False


METHODS: dict[str, Method] = {
    "identity": Method(identity, by_likeness=False),
    "smooth": Method(smooth),
    "spectral": Method(spectral),
    "hierarchical": Method(hierarchical),
    "tsne-1d": Method(tsne_1d),
    "kmeans": Method(kmeans, makes_groups=True),
    "pca-row": Method(pca_row),
    "pca-map": Method(pca_map),
    "mean": Method(mean, by_likeness=False),
    "sparsity": Method(sparsity, by_likeness=False),
    "importance": Method(importance, by_likeness=False),
    "list": Method(given, by_likeness=False),
    "random": Method(random, by_likeness=False),
}


def find(method: str) -> Method:
    """Return an ordering method.

    Raises
    ------
    OrderError
        If there is no such method.
    """
    if method not in METHODS:
        raise OrderError(f"unknown ordering method {method!r}: choose one of {', '.join(METHODS)}")
    return METHODS[method]
