"""Orders by an embedding on a line."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..errors import OrderError
from ..maps import Maps
from ..numerics import one_thread
from ..settings import is_number
from .components import in_components
from .spectral import fiedler_vector

_EXACT = 500


def tsne_1d(maps: Maps, perplexity: float = 10, seed: int = 0) -> NDArray[np.intp]:
    """By scikit-learn's t-SNE in one dimension, which starts from the Fiedler vector.

    Of few maps, the perplexity is at most a third of their number: three times as many neighbours are looked
    at (van der Maaten, "Accelerating t-SNE using tree-based algorithms", Journal of Machine Learning Research
    15, 2014). Groups of maps without any likeness to each other are ordered one by one.
    """
    if not (is_number(perplexity) and 0 < perplexity < math.inf):
        raise OrderError(f"ordering method 'tsne-1d': perplexity is positive and finite, not {perplexity!r}")
    return in_components(maps.distances, lambda within: _embedded(within, perplexity, seed))


def _embedded(distances: NDArray[np.float64], perplexity: float, seed: int) -> NDArray[np.intp]:
    vector = fiedler_vector(distances)
    if len(distances) < 4 or not vector.std():
        return np.argsort(vector, kind="stable")

    from sklearn.manifold import TSNE

    # the spread that TSNE gives its own starts
    start = (vector / vector.std() * 1e-4).astype(np.float32)[:, np.newaxis]
    model = TSNE(
        1,
        perplexity=min(perplexity, (len(distances) - 1) / 3),
        metric="precomputed",
        init=start,
        random_state=seed,
        method="exact" if len(distances) <= _EXACT else "barnes_hut",
    )
    with one_thread():
        # a copy: TSNE squares the distances in place
        return np.argsort(model.fit_transform(distances.copy())[:, 0], kind="stable")
