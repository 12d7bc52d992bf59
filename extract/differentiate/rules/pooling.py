"""Pooling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

import numpy as np

from ..registry import rule
from ..step import Gradient, Step
from .windows import Windows, known_places, spatial_sizes, spread, windows_of


@rule("MaxPool")
def max_pool(step: Step) -> Sequence[Gradient]:
    """G goes to where the maximum came from; overlapping windows add. Of equal values the first gets all.

    As in Caffe and torch.
    """
    g = step.gradients[0]
    if g is None:
        return [None]
    x = step.inputs[0]
    shape = step.shape_of(x)
    where = step.add("Reshape", _indices(step), step.integers([-1]))
    zeros = step.add("Expand", step.constant(0, x), step.add("ReduceProd", shape, keepdims=1))
    flat = step.add("Reshape", g, step.integers([-1]))
    found = step.add("ScatterElements", zeros, where, flat, axis=0, reduction="add")
    return [step.add("Reshape", found, shape)]


def _indices(step: Step) -> str:
    """Return, for each window, where in all of x its maximum is."""
    if len(step.outputs) > 1 and step.outputs[1] and not step.attribute("storage_order", 0):
        return step.outputs[1]
    names = ("auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "strides")
    return step.many("MaxPool", step.inputs, 2, **{name: step.attribute(name) for name in names})[1]


@rule("AveragePool")
def average_pool(step: Step) -> Sequence[Gradient]:
    """d/dx = sum over the windows that hold x of g / how many values the window counts."""
    (g,) = step.gradients
    assert g is not None
    windows = windows_of(step, step.inputs[0], step.attribute("kernel_shape"))
    return [_sum_back(step, _per_value(step, g, windows), windows)]


def _per_value(step: Step, g: str, windows: Windows) -> str:
    """Divide by the number of values that each window counts."""
    x, whole = step.inputs[0], math.prod(windows.kernel)
    with_pads = step.attribute("count_include_pad", 0)
    if not step.attribute("ceil_mode", 0) and (with_pads or not windows.is_padded):
        return step.add("Div", g, step.constant(whole, x))
    counts = [_counts(step, windows, axis, with_pads) for axis in range(windows.rank)]
    product = reduce(lambda a, b: step.add("Mul", a, b), counts)
    return step.add("Div", g, step.add("CastLike", product, step.constant(0, x)))


def _counts(step: Step, windows: Windows, axis: int, with_pads: bool) -> str:
    """Return how many positions along an axis each window counts: (places, 1, ...), int64.

    Source: ONNX, AveragePool: what ceil_mode adds behind the padding never counts.
    """

    def pick(tensor: str, index: int) -> str:
        return step.add("Gather", tensor, step.integers(index))

    size = pick(step.shape_of(step.inputs[0]), axis + 2)
    places = pick(_places(step, windows), axis)
    pads = windows.pads if isinstance(windows.pads, str) else step.integers(windows.pads)
    begin, end = pick(pads, axis), pick(pads, axis + windows.rank)
    starts = step.add("Range", step.integers(0), places, step.integers(1))
    starts = step.add("Sub", step.add("Mul", starts, step.integers(windows.strides[axis])), begin)
    offsets = np.arange(windows.kernel[axis]) * windows.dilations[axis]
    seen = step.add("Add", step.add("Unsqueeze", starts, step.integers([1])), step.integers(offsets))
    low = step.add("Neg", begin) if with_pads else step.integers(0)
    high = step.add("Add", size, end) if with_pads else size
    inside = step.add("And", step.add("GreaterOrEqual", seen, low), step.add("Less", seen, high))
    ones = step.add("Where", inside, step.integers(1), step.integers(0))
    counts = step.add("ReduceSum", ones, step.integers([1]), keepdims=0)
    return step.add("Reshape", counts, step.integers((-1, *(1,) * (windows.rank - 1 - axis))))


def _sum_back(step: Step, values: str, windows: Windows) -> str:
    """Give every position of x the sum of the values of the windows that hold it."""
    x = step.inputs[0]
    ones = step.constant(np.ones((1, 1, *windows.kernel)), x)
    planes = step.add("Concat", step.integers([-1, 1]), _places(step, windows), axis=0)
    found = spread(step, step.add("Reshape", values, planes), ones, windows)
    return step.add("Reshape", found, step.shape_of(x))


def _places(step: Step, windows: Windows) -> str:
    """Return how many windows lie along each axis, as a tensor."""
    known = known_places(step, windows)
    return spatial_sizes(step, step.outputs[0]) if known is None else step.integers(known)


@rule("GlobalAveragePool")
def global_average_pool(step: Step) -> Sequence[Gradient]:
    """d/dx = g / number of places, everywhere."""
    (g,) = step.gradients
    assert g is not None
    x = step.inputs[0]
    places = step.add("ReduceProd", spatial_sizes(step, x), keepdims=0)
    each = step.add("Div", g, step.add("CastLike", places, step.constant(0, x)))
    return [step.add("Expand", each, step.shape_of(x))]


@rule("GlobalMaxPool")
def global_max_pool(step: Step) -> Sequence[Gradient]:
    """G goes to where the maximum came from. Of equal values the first gets all, as in Caffe and torch."""
    (g,) = step.gradients
    assert g is not None
    x = step.inputs[0]
    rows = step.add("Reshape", x, step.integers([0, 0, -1]))
    where = step.add("ArgMax", rows, axis=2, keepdims=1)
    zeros = step.add("Expand", step.constant(0, x), step.add("Shape", rows))
    each = step.add("Reshape", g, step.integers([0, 0, 1]))
    return [step.add("Reshape", step.add("ScatterElements", zeros, where, each, axis=2), step.shape_of(x))]


@rule("LpPool")
def lp_pool(step: Step) -> Sequence[Gradient]:
    """d/dx = sign(x) |x|^(p-1) times the sum over the windows that hold x of g y^(1-p); 0 where y is 0.

    As in torch.
    """
    (g,) = step.gradients
    assert g is not None
    windows = windows_of(step, step.inputs[0], step.attribute("kernel_shape"))
    return [_through_norm(step, _sum_back(step, _over_norm(step, g), windows))]


@rule("GlobalLpPool")
def global_lp_pool(step: Step) -> Sequence[Gradient]:
    """d/dx = g sign(x) |x|^(p-1) y^(1-p); 0 where y is 0."""
    (g,) = step.gradients
    assert g is not None
    return [_through_norm(step, _over_norm(step, g))]


def _over_norm(step: Step, g: str) -> str:
    """Return g y^(1-p), and 0 where y is 0."""
    y, order = step.outputs[0], step.attribute("p", 2)
    zero = step.constant(0, y)
    if order == 1:
        return g
    powers = step.add("Pow", y, step.constant(order - 1, y))
    return step.add("Where", step.add("Equal", y, zero), zero, step.add("Div", g, powers))


def _through_norm(step: Step, values: str) -> str:
    """Multiply by sign(x) |x|^(p-1)."""
    x, order = step.inputs[0], step.attribute("p", 2)
    if order == 2:
        return step.add("Mul", values, x)
    signed = step.add("Mul", values, step.add("Sign", x))
    if order == 1:
        return signed
    return step.add("Mul", signed, step.add("Pow", step.add("Abs", x), step.constant(order - 1, x)))
