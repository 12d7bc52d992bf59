"""Operators that move values about: reshaping, joining, cutting, padding, repeating."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..registry import rule
from ..step import Gradient, Step


@rule("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def reshape(step: Step) -> Sequence[Gradient]:
    """G in the shape of the input."""
    if any(step.shared):
        raise step.apart("its shape depends on the images")
    return [reshaped_like(step, only(step), step.inputs[0])]


@rule("Transpose")
def transpose(step: Step) -> Sequence[Gradient]:
    """G with its axes moved back."""
    g = only(step)
    order = step.attribute("perm")
    return [step.add("Transpose", g, perm=None if order is None else np.argsort(order).tolist())]


@rule("Concat", per_image=True)
def concat(step: Step) -> Sequence[Gradient]:
    """Each input gets its own part of G."""
    axis = step.attribute("axis")
    parts = [only(step)]
    if len(step.inputs) > 1:
        parts = step.many("Split", [parts[0], _sizes_along(step, axis)], len(step.inputs), axis=axis)
    return [
        _apart(step, part, name, axis) if step.is_shared(name) else part if wanted else None
        for part, name, wanted in zip(parts, step.inputs, step.wanted, strict=True)
    ]


@rule("Split")
def split(step: Step) -> Sequence[Gradient]:
    """The outputs' gradients joined."""
    parts = [
        step.zeros_like(name) if g is None else g
        for name, g in zip(step.outputs, step.gradients, strict=True)
        if name
    ]
    return [step.add("Concat", *parts, axis=step.attribute("axis", 0))]


@rule("Tile", per_image=True)
def tile(step: Step) -> Sequence[Gradient]:
    """The sum of G over the repeats."""
    g, (data, repeats) = only(step), step.inputs
    rank = step.rank(data)
    taken_apart = step.add("Reshape", g, _repeated_shape(step, data, repeats))
    if not step.shared[0]:
        axes = list(range(0, 2 * rank, 2))
        return [step.add("ReduceSum", taken_apart, step.integers(axes), keepdims=0)]
    known = step.shape(data)
    if not known or known[0] != 1:
        raise step.apart(f"{data!r} has a batch axis of its own")
    axes = list(range(2, 2 * rank, 2))
    return [step.add("ReduceSum", taken_apart, step.integers(axes), keepdims=0)]


@rule("Expand", per_image=True)
def expand(step: Step) -> Sequence[Gradient]:
    """The sum of G over the repeats."""
    return [step.sum_to(only(step), step.inputs[0])]


@rule("Where", per_image=True)
def where(step: Step) -> Sequence[Gradient]:
    """G where the condition picks the input, else 0."""
    g, (condition, a, b) = only(step), step.inputs
    zero = step.constant(0, step.outputs[0])
    return [
        None,
        step.sum_to(step.add("Where", condition, g, zero), a) if step.wants(1) else None,
        step.sum_to(step.add("Where", condition, zero, g), b) if step.wants(2) else None,
    ]


@rule("Trilu")
def trilu(step: Step) -> Sequence[Gradient]:
    """The same triangle of G."""
    return [step.add("Trilu", only(step), *step.inputs[1:], upper=step.attribute("upper"))]


@rule("DepthToSpace")
def depth_to_space(step: Step) -> Sequence[Gradient]:
    """G moved back from space to depth."""
    g, size = only(step), step.attribute("blocksize")
    if step.attribute("mode", "DCR") == "DCR":
        return [step.add("SpaceToDepth", g, blocksize=size)]
    return [_to_depth(step, g, size)]


@rule("SpaceToDepth")
def space_to_depth(step: Step) -> Sequence[Gradient]:
    """G moved back from depth to space."""
    mode = step.attribute("mode")
    return [step.add("DepthToSpace", only(step), blocksize=step.attribute("blocksize"), mode=mode)]


def reshaped_like(step: Step, gradient: str, tensor: str) -> str:
    """Return a gradient in the shape of a tensor of the forward graph."""
    shape = step.shape(tensor)
    if shape is not None and shape.count(None) == 1 and 0 not in shape:
        target = step.integers([-1 if size is None else size for size in shape])
    else:
        target = step.shape_of(tensor)
    return step.add("Reshape", gradient, target, allowzero=1 if shape is not None and 0 in shape else None)


def interleaved(step: Step, tensor: str, factors: Sequence[int]) -> str:
    """Return a shape, as a tensor: each size of a tensor of the forward graph and a number after it."""
    shape = step.shape(tensor)
    if shape is not None and shape.count(None) <= 1 and 0 not in shape:
        pairs = zip((-1 if size is None else size for size in shape), factors, strict=True)
        return step.integers([number for pair in pairs for number in pair])
    columns = [
        step.add("Unsqueeze", step.shape_of(tensor), step.integers([1])),
        step.integers([[f] for f in factors]),
    ]
    return step.add("Reshape", step.add("Concat", *columns, axis=1), step.integers([-1]))


def only(step: Step) -> str:
    """Return the gradient of the first output."""
    g = step.gradients[0]
    assert g is not None
    return g


def _sizes_along(step: Step, axis: int) -> str:
    """Return the sizes of all inputs along an axis, as a tensor."""
    shapes = [step.shape(name) for name in step.inputs]
    sizes = [shape[axis] for shape in shapes if shape is not None]
    known = [size for size in sizes if size is not None]
    if len(known) == len(step.inputs):
        return step.integers(known)
    where = step.integers([axis])
    return step.add("Concat", *(step.add("Gather", step.shape_of(n), where) for n in step.inputs), axis=0)


def _apart(step: Step, part: str, name: str, axis: int) -> str:
    """Return the gradient of an input that is the whole batch, of one image, with an axis in front."""
    shape = step.shape(name)
    if shape is None or shape[0] != 1 or axis in (0, -len(shape)):
        raise step.apart(f"{name!r} has a batch axis of its own")
    return step.add("Unsqueeze", part, step.integers([0]))


def _to_depth(step: Step, g: str, size: int) -> str:
    """Move blocks of space to depth, in column-row-depth order, which older sets have no operator for."""
    shape = step.shape(step.outputs[0])
    if shape is None or shape[1] is None:
        raise step.unsupported("the number of channels must be known")
    blocks = step.add("SpaceToDepth", g, blocksize=size)
    apart = step.add("Reshape", blocks, step.integers([0, size * size, shape[1], -1]))
    return reshaped_like(step, step.add("Transpose", apart, perm=[0, 2, 1, 3]), step.inputs[0])


def _repeated_shape(step: Step, data: str, repeats: str) -> str:
    """Return a shape, as a tensor: each size of the data, and before it how often it is repeated."""
    columns = [step.add("Unsqueeze", name, step.integers([1])) for name in (repeats, step.shape_of(data))]
    return step.add("Reshape", step.add("Concat", *columns, axis=1), step.integers([-1]))
