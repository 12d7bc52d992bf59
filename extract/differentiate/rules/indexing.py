"""Operators that pick values by index, or put them there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..registry import rule
from ..step import Gradient, Step
from .movement import only, reshaped_like

_INT64 = 7  # onnx.TensorProto.INT64


@dataclass(frozen=True)
class _Place:
    """Where an operator reads or writes.

    Parameters
    ----------
    gather : callable
        Reads a tensor there.
    scatter : callable
        Returns a tensor with values written there; takes a tensor, values and a reduction.
    """

    gather: Callable[[str], str]
    scatter: Callable[[str, str, str], str]


@rule("Gather", per_image=True)
def gather(step: Step) -> Sequence[Gradient]:
    """Zeros of the input's shape, with G added where it was read, as often as it was read.

    A table that all images share, such as that of an embedding, gets the sum for each image apart.
    """
    data, indices = step.inputs
    axis, rank = step.attribute("axis", 0) % step.rank(data), step.rank(data)
    count = step.rank(indices)
    if step.shared[0]:
        return [_gathered_apart(step, axis), None]
    picked = list(range(axis, axis + count))
    others = [i for i in range(rank + count - 1) if i not in picked]
    g = _transposed(step, only(step), picked + others)
    order = [axis, *(i for i in range(rank) if i != axis)]
    shape = step.add("Gather", step.shape_of(data), step.integers(order)) if axis else step.shape_of(data)
    places = step.add("Unsqueeze", _int64(step, indices), step.integers([-1]))
    summed = step.add("ScatterND", _zeros(step, shape), places, g, reduction="add")
    return [_transposed(step, summed, [order.index(i) for i in range(rank)]), None]


@rule("GatherElements")
def gather_elements(step: Step) -> Sequence[Gradient]:
    """Zeros of the input's shape, with G added where it was read."""
    data = step.inputs[0]
    return [_element_place(step).scatter(step.zeros_like(data), only(step), "add"), None]


@rule("GatherND")
def gather_nd(step: Step) -> Sequence[Gradient]:
    """Zeros of the input's shape, with G added where it was read."""
    data, indices = step.inputs
    indices = _int64(step, indices)
    batch = step.attribute("batch_dims", 0)
    if batch:
        indices = _with_positions(step, indices, list(range(batch)), step.rank(step.inputs[1]))
    return [step.add("ScatterND", step.zeros_like(data), indices, only(step), reduction="add"), None]


@rule("ScatterElements")
def scatter_elements(step: Step) -> Sequence[Gradient]:
    """See `_scattered`."""
    return _scattered(step, _element_place(step))


@rule("ScatterND")
def scatter_nd(step: Step) -> Sequence[Gradient]:
    """See `_scattered`."""
    indices = step.inputs[1]
    return _scattered(
        step,
        _Place(
            lambda tensor: step.add("GatherND", tensor, indices),
            lambda tensor, values, how: step.add("ScatterND", tensor, indices, values, reduction=how),
        ),
    )


@rule("TensorScatter")
def tensor_scatter(step: Step) -> Sequence[Gradient]:
    """G with zeros where the update was written; and G there."""
    (cache, update), g = step.inputs[:2], only(step)
    options = {"axis": step.attribute("axis"), "mode": step.attribute("mode")}
    return [
        step.add("TensorScatter", g, step.zeros_like(update), *step.inputs[2:], **options)
        if step.wants(0)
        else None,
        _read_cache(step, g, cache, update) if step.wants(1) else None,
        *([None] * (len(step.inputs) - 2)),
    ]


@rule("Compress")
def compress(step: Step) -> Sequence[Gradient]:
    """Zeros of the input's shape, with G where the condition holds."""
    (data, condition), g, axis = step.inputs, only(step), step.attribute("axis")
    places = step.add("Transpose", step.add("NonZero", condition))
    if axis is None:
        size = step.add("Reshape", step.add("ReduceProd", step.shape_of(data)), step.integers([1]))
        flat = step.add("ScatterND", _zeros(step, size), places, g)
        return [reshaped_like(step, flat, data), None]
    rank = step.rank(data)
    axis %= rank
    order = [axis, *(i for i in range(rank) if i != axis)]
    shape = step.add("Gather", step.shape_of(data), step.integers(order)) if axis else step.shape_of(data)
    put = step.add("ScatterND", _zeros(step, shape), places, _transposed(step, g, order))
    return [_transposed(step, put, [order.index(i) for i in range(rank)]), None]


@rule("ReverseSequence")
def reverse_sequence(step: Step) -> Sequence[Gradient]:
    """G reversed likewise."""
    axes = {name: step.attribute(name) for name in ("batch_axis", "time_axis")}
    return [step.add("ReverseSequence", only(step), step.inputs[1], **axes), None]


def _gathered_apart(step: Step, axis: int) -> str:
    """Return a table's gradient for each image apart."""
    data, indices = step.inputs
    count = step.rank(indices)
    if axis or not count:
        raise step.apart("its indices have no axis of images in front")
    pairs = _with_positions(
        step, step.add("Unsqueeze", _int64(step, indices), step.integers([-1])), [0], count + 1
    )
    images = step.add("Gather", step.shape_of(indices), step.integers([0]))
    shape = step.add("Concat", images, step.shape_of(data), axis=0)
    return step.add("ScatterND", _zeros(step, shape), pairs, only(step), reduction="add")


def _with_positions(step: Step, indices: str, axes: Sequence[int], rank: int) -> str:
    """Put the position along some axes of the indices in front of each index, which lies on the last axis."""
    shape = step.add("Shape", indices)
    one = step.add(
        "Concat",
        step.add("Slice", shape, step.integers([0]), step.integers([-1])),
        step.integers([1]),
        axis=0,
    )
    positions = []
    for axis in axes:
        length = step.add("Gather", shape, step.integers(axis))
        along = step.add("Range", step.integers(0), length, step.integers(1))
        others = step.integers([i for i in range(rank) if i != axis])
        positions.append(step.add("Expand", step.add("Unsqueeze", along, others), one))
    return step.add("Concat", *positions, indices, axis=-1)


def _element_place(step: Step) -> _Place:
    indices, axis = step.inputs[1], step.attribute("axis", 0) % step.rank(step.inputs[0])
    return _Place(
        lambda tensor: step.add("GatherElements", tensor, indices, axis=axis),
        lambda tensor, values, how: step.add(
            "ScatterElements", tensor, indices, values, axis=axis, reduction=how
        ),
    )


def _scattered(step: Step, place: _Place) -> Sequence[Gradient]:
    """Return the gradients of an operator that writes updates into data.

    Without a reduction data get G with zeros where they were overwritten, updates get G there. Sums pass G
    on; products pass it on times all other factors; of a minimum or maximum, values that are equal share G
    evenly, as in torch's scatter_reduce.
    """
    made = _REDUCTIONS[step.attribute("reduction", "none")](step, place)
    return [made[0]() if step.wants(0) else None, None, made[1]() if step.wants(2) else None]


_Makers = tuple[Callable[[], str], Callable[[], str]]


def _replaced(step: Step, place: _Place) -> _Makers:
    g = only(step)
    return (
        lambda: place.scatter(g, step.zeros_like(step.inputs[2]), "none"),
        lambda: place.gather(g),
    )


def _added(step: Step, place: _Place) -> _Makers:
    g = only(step)
    return lambda: step.add("Identity", g), lambda: place.gather(g)


def _multiplied(step: Step, place: _Place) -> _Makers:
    """Products without one factor: those of all factors but zeros, where no other factor is zero."""
    g, (data, _, updates) = only(step), step.inputs
    one, zero = step.constant(1, data), step.constant(0, data)

    def without(factor: str) -> tuple[str, str]:
        """Return a factor with zeros made ones, and 1 where it was zero."""
        is_zero = step.add("Equal", factor, zero)
        return step.add("Where", is_zero, one, factor), step.add("Where", is_zero, one, zero)

    filled, empty = without(updates)
    own, own_empty = without(data)
    product = place.scatter(own, filled, "mul")
    zeros = place.scatter(own_empty, empty, "add")

    def others(factor: str, is_empty: str, product: str, zeros: str) -> str:
        alone = step.add("Equal", zeros, is_empty)
        return step.add("Where", alone, step.add("Div", product, factor), zero)

    return (
        lambda: step.add("Mul", g, others(own, own_empty, product, zeros)),
        lambda: step.add(
            "Mul", place.gather(g), others(filled, empty, place.gather(product), place.gather(zeros))
        ),
    )


def _extreme(step: Step, place: _Place) -> _Makers:
    g, (data, _, updates) = only(step), step.inputs
    y, one, zero = step.outputs[0], step.constant(1, data), step.constant(0, data)
    kept = step.add("Where", step.add("Equal", data, y), one, zero)
    taken = step.add("Where", step.add("Equal", updates, place.gather(y)), one, zero)
    share = step.add("Div", g, place.scatter(kept, taken, "add"))
    return (
        lambda: step.add("Mul", share, kept),
        lambda: step.add("Mul", place.gather(share), taken),
    )


_REDUCTIONS: dict[str, Callable[[Step, _Place], _Makers]] = {
    "none": _replaced,
    "add": _added,
    "mul": _multiplied,
    "min": _extreme,
    "max": _extreme,
}


def _read_cache(step: Step, g: str, cache: str, update: str) -> str:
    """Return what lies where a TensorScatter wrote."""
    rank = step.rank(cache)
    axis = step.attribute("axis", -2) % rank
    length = step.add("Gather", step.shape_of(update), step.integers(axis))
    along = step.add("Range", step.integers(0), length, step.integers(1))
    places = step.add("Unsqueeze", along, step.integers([i for i in range(rank) if i != axis]))
    if step.has(2):
        first = step.add("Unsqueeze", _int64(step, step.inputs[2]), step.integers(list(range(1, rank))))
        places = step.add("Add", places, first)
    if step.attribute("mode", "linear") == "circular":
        places = step.add("Mod", places, step.add("Gather", step.shape_of(cache), step.integers(axis)))
    return step.add("GatherElements", g, step.add("Expand", places, step.shape_of(update)), axis=axis)


def _zeros(step: Step, shape: str) -> str:
    return step.add("Expand", step.constant(0, step.inputs[0]), shape)


def _transposed(step: Step, tensor: str, order: Sequence[int]) -> str:
    return tensor if list(order) == sorted(order) else step.add("Transpose", tensor, perm=list(order))


def _int64(step: Step, indices: str) -> str:
    return indices if step.dtype(indices) == np.int64 else step.add("Cast", indices, to=_INT64)
