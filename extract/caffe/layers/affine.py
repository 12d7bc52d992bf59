"""Layers that multiply and add values of one blob along axes of another."""

from __future__ import annotations

from typing import Any

from ..call import Blob, Call
from ..rules import rule
from .broadcast import lined_up
from .checks import bottoms, canonical_axis


@rule("Scale")
def scale(call: Call) -> list[Blob]:
    """Return the first bottom times the second one or a learned blob, perhaps with a learned bias."""
    param = call.layer.scale_param
    x, *second = bottoms(call, 1, 2)
    factor = (
        second[0] if second else _learned(call, 0, param, param.filler if param.HasField("filler") else 1.0)
    )
    y = _along(call, "Mul", x, factor, param.axis)
    if not param.bias_term:
        return [y]
    shape = _met(call, x, param.axis, factor.rank)
    bias = Blob(call.parameter(1 - len(second), shape, param.bias_filler), shape)
    return [_along(call, "Add", y, bias, param.axis)]


@rule("Bias")
def bias(call: Call) -> list[Blob]:
    """Return the first bottom plus the second one or a learned blob."""
    param = call.layer.bias_param
    x, *second = bottoms(call, 1, 2)
    return [
        _along(call, "Add", x, second[0] if second else _learned(call, 0, param, param.filler), param.axis)
    ]


def _learned(call: Call, index: int, param: Any, filler: Any) -> Blob:
    """Return a parameter with the sizes of `num_axes` axes of the first bottom, or of all from `axis` on."""
    x = call.bottoms[0]
    if param.num_axes < -1:
        raise call.error(f"num_axes must be -1 or more, not {param.num_axes}")
    axis = canonical_axis(call, param.axis, x)
    axes = x.rank - axis if param.num_axes == -1 else param.num_axes
    shape = _met(call, x, axis, axes)
    return Blob(call.parameter(index, shape, filler), shape)


def _met(call: Call, x: Blob, axis: int, axes: int) -> tuple[int, ...]:
    """Return the sizes of some axes of a blob, from one on."""
    axis = canonical_axis(call, axis, x)
    if axis + axes > x.rank:
        raise call.error(f"{axes} axes from axis {axis} on are more than the {x.rank} of its bottom")
    return x.shape[axis : axis + axes]


def _along(call: Call, operator: str, x: Blob, other: Blob, axis: int) -> Blob:
    """Return a blob put together with another one that meets its axes from `axis` on."""
    if other.rank and other.shape != _met(call, x, axis, other.rank):
        shapes = ["x".join(map(str, blob.shape)) for blob in (other, x)]
        raise call.error(f"{shapes[0]} does not fit {shapes[1]} from axis {axis} on")
    first = canonical_axis(call, axis, x) if other.rank else 0
    line = lined_up(call, other.tensor, other.rank, first, x)
    return Blob(call.node(operator, [x.tensor, line]), x.shape)
