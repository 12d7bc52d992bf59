"""Layers that give the same values another shape or order of axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..call import Blob, Call
from ..rules import rule
from .checks import bottoms, canonical_axis, refuse_in_place


@rule("Flatten")
def flatten(call: Call) -> list[Blob]:
    """Return the values with several axes made one; with none, an axis of size 1 comes in."""
    (x,) = bottoms(call, 1)
    refuse_in_place(call)
    param = call.layer.flatten_param
    start, end = (canonical_axis(call, axis, x) for axis in (param.axis, param.end_axis))
    if start > end + 1:
        raise call.error(f"its axis {start} is behind its end_axis {end}")
    rest = x.shape[end + 1 :]
    shape = (*x.shape[:start], math.prod(x.shape[start : end + 1]), *rest)
    if start == 1 and end == x.rank - 1:
        return [Blob(call.node("Flatten", [x.tensor], axis=1), shape)]
    return [_reshaped(call, x, [0] * start + [-1, *rest], shape)]


@rule("Reshape")
def reshape(call: Call) -> list[Blob]:
    """Return the values with some axes replaced by others: 0 copies a size, -1 stands for what is left."""
    (x,) = bottoms(call, 1)
    refuse_in_place(call)
    start, end = _replaced(call, x)
    sizes = list(call.layer.reshape_param.shape.dim)
    if sizes.count(-1) > 1 or min(sizes, default=0) < -1:
        raise call.error(f"its shape {sizes} is none: one size may be -1, the others are 0 or more")
    if any(size == 0 and start + i >= x.rank for i, size in enumerate(sizes)):
        raise call.error(f"its shape {sizes} copies an axis that its bottom, of {x.rank} axes, does not have")
    copied = [x.shape[start + i] if size == 0 else size for i, size in enumerate(sizes)]
    shape = [*x.shape[:start], *copied, *x.shape[end:]]
    if -1 in copied:
        known = -math.prod(shape)
        if not known or math.prod(x.shape) % known:
            raise call.error(f"cannot make its bottom, {_show(x.shape)}, {_show(shape)}")
        shape[start + copied.index(-1)] = math.prod(x.shape) // known
    if math.prod(shape) != math.prod(x.shape):
        raise call.error(f"cannot make its bottom, {_show(x.shape)}, {_show(shape)}")
    # ONNX copies the axis of the same number too
    target = [0] * start + sizes + list(x.shape[end:])
    if end == 0 and sizes and -1 not in sizes and x.rank:
        target[len(sizes)] = -1
    return [_reshaped(call, x, target, tuple(shape))]


@rule("Permute")
def permute(call: Call) -> list[Blob]:
    """Return the values with their axes in another order; axes that are not named follow in theirs."""
    (x,) = bottoms(call, 1)
    order = list(call.layer.permute_param.order)
    if any(axis >= x.rank for axis in order) or len(set(order)) < len(order):
        raise call.error(f"its order {order} must name different axes of its bottom, which has {x.rank}")
    order += [axis for axis in range(x.rank) if axis not in order]
    y = call.node("Transpose", [x.tensor], perm=order)
    return [Blob(y, tuple(x.shape[axis] for axis in order))]


def _replaced(call: Call, x: Blob) -> tuple[int, int]:
    """Return the first axis that a Reshape replaces, and the first behind them."""
    param = call.layer.reshape_param
    start = param.axis if param.axis >= 0 else x.rank + param.axis + 1
    end = x.rank if param.num_axes == -1 else start + param.num_axes
    if not 0 <= start <= end <= x.rank:
        raise call.error(
            f"axis {param.axis} and num_axes {param.num_axes} do not fit its bottom, which has {x.rank} axes"
        )
    return start, end


def _reshaped(call: Call, x: Blob, target: Sequence[int], shape: tuple[int, ...]) -> Blob:
    return Blob(call.node("Reshape", [x.tensor, call.constant(target, np.int64)]), shape)


def _show(shape: Sequence[int]) -> str:
    return "x".join("?" if size == -1 else str(size) for size in shape) or "a single value"
