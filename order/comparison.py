"""Methods side by side, on the same maps."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.volume import Volume

from .fitting import by, criteria_of
from .maps import Layer, comparable
from .numerics import one_thread
from .ordering import Ordering


@dataclass(frozen=True, eq=False)
class Compared:
    """What a method did: its ordering, all criteria, how long it took, and the distances in its order.

    The distances, shape (place, place), are those of the maps that can be compared.
    """

    ordering: Ordering
    criteria: Mapping[str, float]
    seconds: float
    distances: NDArray[np.float64]


def compare(
    volumes: Sequence[Volume],
    methods: Mapping[str, Mapping[str, Any]],
    distance: str = "correlation",
    done: Callable[[], object] = lambda: None,
) -> list[Compared]:
    """Order the slices of volumes by several methods.

    Parameters
    ----------
    volumes : sequence of Volume
        As `by` takes them.
    methods : mapping
        From keys of `METHODS` to the settings of each.
    distance : str
        By what maps are compared, and orders are judged.
    done : callable
        Called when a method has finished.

    Returns
    -------
    list of Compared
        In the order of `methods`. The time of each holds that of the distances.

    Raises
    ------
    OrderError
        As by `by`.
    """
    layer = Layer(volumes)
    with one_thread():
        maps = comparable(layer, distance)[0]
    results = []
    for method, settings in methods.items():
        start = time.perf_counter()
        ordering = by(method, layer, distance=distance, **settings)
        seconds = time.perf_counter() - start
        order = maps.order_of(ordering.permutation)
        with one_thread():
            criteria = criteria_of(ordering.permutation, maps, all_of_them=True)
        results.append(Compared(ordering, criteria, seconds, maps.distances[np.ix_(order, order)]))
        done()
    return results
