"""Orders that follow one number a map, or nothing of what the maps show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import OrderError
from ..maps import Maps


def identity(maps: Maps) -> NDArray[np.intp]:
    """Channel order, as the network has it."""
    return np.arange(len(maps))


def random(maps: Maps, seed: int = 0) -> NDArray[np.intp]:
    """A random order, the same for the same seed: the baseline that others must beat."""
    return np.random.default_rng(seed).permutation(len(maps))


def given(maps: Maps, numbers: Sequence[int]) -> NDArray[np.intp]:
    """The order of a list of channel numbers, each once."""
    numbers = list(numbers)
    if sorted(numbers) != list(range(len(maps))):
        raise OrderError(f"a list for {len(maps)} maps holds the numbers 0 to {len(maps) - 1}, each once")
    return np.array(numbers, np.intp)


def mean(maps: Maps) -> NDArray[np.intp]:
    """By descending mean value; equal ones keep their order."""
    values = [array.reshape(len(maps), -1).mean(axis=1, dtype=np.float64) for array in maps.arrays()]
    return np.argsort(-np.mean(values, axis=0), kind="stable")


def sparsity(maps: Maps) -> NDArray[np.intp]:
    """By ascending share of zeros, so that dead maps come last; equal ones keep their order."""
    shares = [(array.reshape(len(maps), -1) == 0).mean(axis=1) for array in maps.arrays()]
    return np.argsort(np.mean(shares, axis=0), kind="stable")


def importance(maps: Maps, scores: Sequence[float]) -> NDArray[np.intp]:
    """By descending score, one a channel; equal ones keep their order."""
    values = np.asarray(scores, dtype=np.float64)
    if values.shape != (len(maps),) or not np.isfinite(values).all():
        raise OrderError(f"scores for {len(maps)} maps are as many finite numbers")
    return np.argsort(-values, kind="stable")
