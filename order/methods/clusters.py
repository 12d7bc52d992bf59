"""k-means clusters of one row of every map, in order."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import OrderError
from ..maps import Maps
from ..numerics import one_thread
from ..path_search import shortest_path
from ..settings import is_list, is_whole

_CLUSTERS = 7


def kmeans(
    maps: Maps, k: int | Sequence[int] | None = None, row: int | None = None, seed: int = 0
) -> list[NDArray[np.intp]]:
    """Clusters of like rows, those with like centroids side by side.

    ``k`` is the number of clusters, 7 unless given, or two such as 20 and 5: then each of 20 clusters is
    split into 5, or into single maps if it has fewer. Inside a cluster, the most typical map comes first.
    """
    if k is None:
        k = min(_CLUSTERS, max(1, len(maps)))
    counts = [k] if is_whole(k) else k
    if not is_list(counts, lambda count: is_whole(count) and count > 0) or not counts:
        raise OrderError(f"ordering method 'kmeans': k takes whole numbers from 1 on, not {k!r}")
    rows = maps.rows(row)
    if not len(rows):
        return []
    if counts[0] > len(rows):
        raise OrderError(f"ordering method 'kmeans': k is {counts[0]} for {len(rows)} maps that vary")
    groups = [np.arange(len(rows))]
    for count in counts:
        groups = [part for group in groups for part in _split(rows, group, count, seed)]
    return groups


def _split(
    rows: NDArray[np.float64], group: NDArray[np.intp], count: int, seed: int
) -> list[NDArray[np.intp]]:
    """Return the clusters of some rows, in order."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings(), one_thread():
        # fewer different rows than clusters: some clusters stay empty
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = KMeans(min(count, len(group)), n_init=10, random_state=seed).fit(rows[group])
    parts = [group[found.labels_ == label] for label in range(len(found.cluster_centers_))]
    filled = [label for label, part in enumerate(parts) if len(part)]
    centres = found.cluster_centers_[filled]
    apart = np.sqrt(((centres[:, np.newaxis] - centres) ** 2).sum(axis=2))
    return [parts[filled[place]] for place in shortest_path(apart, seed)]
