"""Orders that follow one number a map, or nothing of what the maps show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .. import distances
from ..errors import OrderError
from ..maps import Maps
from ..settings import is_list, is_number, is_whole


def identity(maps: Maps) -> NDArray[np.intp]:
    """Channel order, as the network has it."""
    return np.arange(len(maps))


def random(maps: Maps, seed: int = 0) -> NDArray[np.intp]:
    """A random order, the same for the same seed: the baseline that others must beat."""
    return np.random.default_rng(seed).permutation(len(maps))


def given(maps: Maps, numbers: Sequence[int]) -> NDArray[np.intp]:
    """The order of a list of channel numbers, each once."""
    if not is_list(numbers, is_whole) or sorted(numbers) != list(range(len(maps))):
        raise OrderError(f"a list for {len(maps)} maps holds the numbers 0 to {len(maps) - 1}, each once")
    return np.array(numbers, np.intp)


def mean(maps: Maps) -> NDArray[np.intp]:
    """By descending mean value; equal ones keep their order, constant and not finite ones come last."""
    with np.errstate(invalid="ignore"):
        values = [array.reshape(len(maps), -1).mean(axis=1, dtype=np.float64) for array in maps.arrays()]
        return _ascending(-np.mean(values, axis=0), maps)


def sparsity(maps: Maps) -> NDArray[np.intp]:
    """By ascending share of zeros; equal ones keep their order, constant and not finite ones come last."""
    shares = [(array.reshape(len(maps), -1) == 0).mean(axis=1) for array in maps.arrays()]
    return _ascending(np.mean(shares, axis=0), maps)


def importance(maps: Maps, scores: Sequence[float]) -> NDArray[np.intp]:
    """By descending score, one a channel; equal ones keep their order."""
    if not is_list(scores, is_number) or len(scores) != len(maps):
        raise OrderError(f"scores for {len(maps)} maps are as many finite numbers")
    return np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")


def _ascending(values: NDArray[np.float64], maps: Maps) -> NDArray[np.intp]:
    """Order maps by a value, then those that show nothing to compare, in channel order."""
    alive = distances.alive(maps.volumes)[maps.chosen]
    return np.lexsort((np.where(alive, values, 0), ~alive))
