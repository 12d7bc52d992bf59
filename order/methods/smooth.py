"""The order in which neighbours are most alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..maps import Maps
from ..path_search import shortest_path


def smooth(maps: Maps, seed: int = 0) -> NDArray[np.intp]:
    """A short path through all maps, found by local search: see `order.path_search`."""
    return shortest_path(maps.distances, seed)
