"""Orders by an embedding on a line."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import OrderError
from ..maps import Maps
from ..numerics import one_thread
from .spectral import fiedler_vector

_EXACT = 500


def tsne_1d(maps: Maps, perplexity: float = 10, seed: int = 0) -> NDArray[np.intp]:
    """By scikit-learn's t-SNE in one dimension, which starts from the Fiedler vector.

    Of few maps, the perplexity is at most a third of their number (van der Maaten and Hinton, Journal of
    Machine Learning Research 9, 2008).
    """
    vector = fiedler_vector(maps.distances)
    if len(maps) < 4 or not vector.std():
        return np.argsort(vector, kind="stable")

    from sklearn.manifold import TSNE

    if not perplexity > 0:
        raise OrderError(f"ordering method 'tsne-1d': perplexity is positive, not {perplexity!r}")
    # the spread that TSNE gives its own starts
    start = (vector / vector.std() * 1e-4).astype(np.float32)[:, np.newaxis]
    model = TSNE(
        1,
        perplexity=min(perplexity, (len(maps) - 1) / 3),
        metric="precomputed",
        init=start,
        random_state=seed,
        method="exact" if len(maps) <= _EXACT else "barnes_hut",
    )
    with one_thread():
        # a copy: TSNE squares the distances in place
        return np.argsort(model.fit_transform(maps.distances.copy())[:, 0], kind="stable")
