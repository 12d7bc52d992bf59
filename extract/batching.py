"""Batches of images: what a network is fed at a time, and which axis of each tensor runs over them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import ModelError
from .parts import Input

if TYPE_CHECKING:
    from .model import Model

# Two batch sizes that a network's own numbers are unlikely to be multiples of.
_FIRST, _SECOND = 1013, 2017


def fixed_batch(inputs: Iterable[Input]) -> int | None:
    """Return how many images a network takes at a time by what its inputs declare; None if that is open."""
    return max((i.shape[0] for i in inputs if i.shape and i.shape[0] is not None), default=None)


def in_batches(
    feeds: Mapping[str, NDArray[Any]], count: int, size: int
) -> Iterator[tuple[slice, dict[str, NDArray[Any]]]]:
    """Yield which images a network is fed at a time, and the inputs for these.

    Parameters
    ----------
    feeds : mapping of str to ndarray
        The inputs: those with a row an image, and others that are the same for all images.
    count : int
        How many images there are.
    size : int
        How many images there are to be in every batch. The last one is filled up with its last image, for
        which the slice does not count.
    """
    for start in range(0, count, size):
        chosen = np.minimum(np.arange(start, start + size), count - 1)
        batch = {name: v[chosen] if v.shape[:1] == (count,) else v for name, v in feeds.items()}
        yield slice(start, min(start + size, count)), batch


def batch_axes(
    model: Model, source: str, shape: tuple[int, ...], others: dict[str, tuple[int, ...]] | None = None
) -> dict[str, int | None]:
    """Return the batch axis of each tensor, None for tensors that have none.

    It is the axis that grows as the batch grows, by shape inference for two sizes of batch. Tensors whose
    shape inference does not find, or that grow otherwise, are left out.

    Parameters
    ----------
    model : Model
        The network.
    source : str
        The input that images are fed to.
    shape : tuple of int
        Shape of that input as the model declares its axes, the batch axis first, of any size.
    others : dict of str to tuple of int, optional
        Shapes of the other inputs, which stay the same for all images.
    """
    fixed = others or {}
    try:
        one = model.shapes({**fixed, source: (_FIRST, *shape[1:])})
        two = model.shapes({**fixed, source: (_SECOND, *shape[1:])})
    except ModelError:
        # a batch size that the graph itself fixes
        return {}
    axes: dict[str, int | None] = {}
    for name, first in one.items():
        second = two.get(name)
        if second is None or len(first) != len(second) or None in first or None in second:
            continue
        growing = [axis for axis, sizes in enumerate(zip(first, second, strict=True)) if sizes[0] != sizes[1]]
        if len(growing) <= 1 and all(first[axis] == _FIRST for axis in growing):
            axes[name] = growing[0] if growing else None
    return axes
