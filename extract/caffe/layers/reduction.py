"""Layers that take many values together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..call import Blob, Call
from ..rules import rule
from .checks import bottoms, canonical_axis

Axes = Sequence[int]


def _sum(call: Call, x: Blob, axes: Axes) -> str:
    return call.node("ReduceSum", [x.tensor, call.constant(axes, np.int64)], keepdims=0)


def _reduced_by(operator: str) -> Callable[[Call, Blob, Axes], str]:
    """Return a reduction by an operator whose axes are an attribute."""
    return lambda call, x, axes: call.node(operator, [x.tensor], axes=list(axes), keepdims=0)


_REDUCTIONS: Mapping[str, Callable[[Call, Blob, Axes], str]] = {
    "SUM": _sum,
    "ASUM": _reduced_by("ReduceL1"),
    "SUMSQ": _reduced_by("ReduceSumSquare"),
    "MEAN": _reduced_by("ReduceMean"),
}


@rule("Reduction")
def reduction(call: Call) -> list[Blob]:
    """Return coeff times the sum, sum of magnitudes or squares, or mean, over an axis and all behind it."""
    (x,) = bottoms(call, 1)
    param = call.layer.reduction_param
    axis = canonical_axis(call, param.axis, x)
    reduce = _REDUCTIONS[param.ReductionOp.Name(param.operation)]
    y = reduce(call, x, range(axis, x.rank))
    if param.coeff != 1:
        y = call.node("Mul", [y, call.constant(param.coeff)])
    return [Blob(y, x.shape[:axis])]


@rule("ArgMax")
def argmax(call: Call) -> list[Blob]:
    """Return the places of the largest values, the largest first; among equal values, the last one's.

    Along an axis, with ``out_max_val``, it is the values. Without an axis each image is a single list, and
    ``out_max_val`` puts the values behind the places, in a second channel.
    """
    (x,) = bottoms(call, 1)
    param = call.layer.argmax_param
    axis = canonical_axis(call, param.axis, x) if param.HasField("axis") else None
    if axis is None and not x.rank:
        raise call.error("its bottom is a single value")
    size = math.prod(x.shape[1:]) if axis is None else x.shape[axis]
    if not 1 <= param.top_k <= size:
        raise call.error(f"cannot give the {param.top_k} largest of {size} values")
    if axis is None:
        return [_of_images(call, x, size)]
    make = _values if param.out_max_val else _places
    y = make(call, x.tensor, axis, size)
    return [Blob(y, (*x.shape[:axis], param.top_k, *x.shape[axis + 1 :]))]


def _of_images(call: Call, x: Blob, size: int) -> Blob:
    """Return the places, and perhaps the values, of the largest values of each image: N x 1 or 2 x k x 1."""
    param = call.layer.argmax_param
    flat = call.node("Flatten", [x.tensor], axis=1)
    y = _places(call, flat, 1, size)
    if param.out_max_val:
        y = call.node("Concat", [y, _values(call, flat, 1, size)], axis=1)
    shape = (1 + param.out_max_val, param.top_k, *(1,) * (x.rank - 3))
    y = call.node("Reshape", [y, call.constant([0, *shape], np.int64)])
    return Blob(y, (x.shape[0], *shape))


def _places(call: Call, tensor: str, axis: int, size: int) -> str:
    """Return the places of the largest values along an axis, as numbers of type float."""
    import onnx

    top_k = call.layer.argmax_param.top_k
    if top_k == 1:
        place = call.node("ArgMax", [tensor], axis=axis, keepdims=1, select_last_index=1)
    else:
        # TopK takes the first of equal values, so it must see them from the end
        ends = ([-1], [np.iinfo(np.int64).min], [axis], [-1])
        turned = call.node("Slice", [tensor, *(call.constant(end, np.int64) for end in ends)])
        _, from_end = _largest(call, turned, axis)
        place = call.node("Sub", [call.constant(size - 1, np.int64), from_end])
    return call.node("Cast", [place], to=onnx.TensorProto.FLOAT)


def _values(call: Call, tensor: str, axis: int, size: int) -> str:
    """Return the largest values along an axis."""
    return _largest(call, tensor, axis)[0]


def _largest(call: Call, tensor: str, axis: int) -> list[str]:
    top_k = call.constant([call.layer.argmax_param.top_k], np.int64)
    return call.many("TopK", [tensor, top_k], 2, axis=axis)
