"""Batches of images: what a network is fed at a time, and which axis of each tensor runs over them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import ImageError, ModelError
from .parts import Input

if TYPE_CHECKING:
    from .activations import Feed
    from .model import Model

# Two batch sizes that a network's own numbers are unlikely to be multiples of.
_FIRST, _SECOND = 1013, 2017


def input_of_images(model: Model, needed: Sequence[Input], x: Feed) -> Input:
    """Return the input that holds the images: the only one, or the first of those that are given by name.

    Parameters
    ----------
    model : Model
        The network.
    needed : sequence of Input
        Its inputs that need values.
    x : ndarray or dict of ndarray
        What it is fed with, as `feeds_of` takes it.

    Raises
    ------
    ImageError
        If that input is a single value.
    """
    if isinstance(x, Mapping):
        first = next(iter(x))
        found = next(value for value in model.inputs if value.name == first)
    else:
        found = needed[0] if needed else model.inputs[0]
    if found.ranked and not found.shape:
        raise ImageError(f"{model.path}: input {found.name!r} takes no images: they are to be given first")
    return found


def fixed_batch(images: Input) -> int | None:
    """Return how many images an input takes at a time; None if that is open."""
    return images.shape[0] if images.shape else None


def with_rows(
    model: Model, feeds: Mapping[str, NDArray[Any]], images: Input, count: int
) -> dict[str, NDArray[Any]]:
    """Return the inputs of a network that takes a row an image of each: one that is for all gets as many.

    Parameters
    ----------
    model : Model
        The network.
    feeds : mapping of str to ndarray
        The inputs.
    images : Input
        The one that holds the images; the others are the same for all of them.
    count : int
        How many images the network is fed at a time.

    Raises
    ------
    ImageError
        If one of the others has several rows, but for a network that fixes how many.
    """
    declared = {value.name: value.shape[:1] for value in model.inputs}
    result = dict(feeds)
    for name in feeds.keys() - {images.name}:
        size = len(feeds[name])
        if size == 1:
            result[name] = feeds[name].repeat(count, axis=0)
        elif declared[name] != (size,):
            raise ImageError(
                f"{model.path}: input {name!r} has a row for each image, and is fed {size} for all of them: "
                "it takes 1"
            )
    return result


def in_batches(
    feeds: Mapping[str, NDArray[Any]], count: int, size: int, rows: Collection[str]
) -> Iterator[tuple[slice, dict[str, NDArray[Any]]]]:
    """Yield which images a network is fed at a time, and the inputs for these.

    Parameters
    ----------
    feeds : mapping of str to ndarray
        The inputs.
    count : int
        How many images there are.
    size : int
        How many images there are to be in every batch. The last one is filled up with its last image, for
        which the slice does not count.
    rows : collection of str
        The inputs with a row an image; the others are the same in all batches.
    """
    for start in range(0, count, size):
        chosen = np.minimum(np.arange(start, start + size), count - 1)
        batch = {name: v[chosen] if name in rows else v for name, v in feeds.items()}
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
