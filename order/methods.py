"""The ordering methods: from a volume to the permutation of its slices."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from converters.volume import Volume

from .errors import OrderError
from .ordering import Ordering

Method = Callable[..., NDArray[np.intp]]


def identity(volume: Volume) -> NDArray[np.intp]:
    """Channel order, as the network has it."""
    return np.arange(len(volume.data))


def mean(volume: Volume) -> NDArray[np.intp]:
    """By descending mean value; equal ones keep their order."""
    return np.argsort(-_slices(volume).mean(axis=1, dtype=np.float64), kind="stable")


def sparsity(volume: Volume) -> NDArray[np.intp]:
    """By ascending share of zeros, so that dead maps come last; equal ones keep their order."""
    return np.argsort((_slices(volume) == 0).mean(axis=1), kind="stable")


def random(volume: Volume, seed: int = 0) -> NDArray[np.intp]:
    """A random order, the same for the same seed: the baseline that others must beat."""
    if not isinstance(seed, int) or seed < 0:
        raise OrderError(f"ordering method 'random': seed takes a whole number from 0 on, not {seed!r}")
    return np.random.default_rng(seed).permutation(len(volume.data))


def find(method: str) -> Method:
    """Return the function of an ordering method.

    Raises
    ------
    OrderError
        If there is no such method.
    """
    if method not in METHODS:
        raise OrderError(f"unknown ordering method {method!r}: choose one of {', '.join(METHODS)}")
    return METHODS[method]


def by(method: str, volume: Volume, **parameters: object) -> Ordering:
    """Order the slices of a volume.

    Parameters
    ----------
    method : str
        A key of `METHODS`.
    volume : Volume
        Its slices along z are ordered; of a 4-D volume, its frames.
    **parameters
        Settings of the method.

    Returns
    -------
    Ordering
        To be applied to this volume or to another one of the same layer.

    Raises
    ------
    OrderError
        If the method or a setting is unknown, or a setting is out of its range.
    """
    function = find(method)
    try:
        inspect.signature(function).bind(volume, **parameters)
    except TypeError as error:
        raise OrderError(f"ordering method {method!r}: {error}") from error
    return Ordering(function(volume, **parameters), method, parameters)


def _slices(volume: Volume) -> NDArray[np.float32]:
    return volume.data.reshape(len(volume.data), -1)


METHODS: dict[str, Method] = {"identity": identity, "mean": mean, "sparsity": sparsity, "random": random}
