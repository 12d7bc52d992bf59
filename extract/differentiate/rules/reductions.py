"""Reductions along axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from ..registry import rule
from ..step import Gradient, Step
from .expression import Expression, first, tensors, where

Axes = list[int] | str
Formula = Callable[[Expression, Expression, Expression, Axes], Expression]


@rule("ReduceSum")
def reduce_sum(step: Step) -> Sequence[Gradient]:
    """By x: g, repeated along the axes."""
    g, x, _ = tensors(step)
    return first(step, _kept(step, g).expanded(x.name))


@rule("ReduceMean")
def reduce_mean(step: Step) -> Sequence[Gradient]:
    """By x: g / n, repeated along the axes of n values."""
    g, x, _ = tensors(step)
    return first(step, (_kept(step, g) / _count(step)).expanded(x.name))


def _extreme(g: Expression, x: Expression, y: Expression, axes: Axes) -> Expression:
    chosen = x.equals(y).cast()
    return g / chosen.over("ReduceSum", axes, noop_with_empty_axes=1) * chosen


def _product(g: Expression, x: Expression, y: Expression, axes: Axes) -> Expression:
    zero = x.equals(0)
    count = zero.cast().over("ReduceSum", axes, noop_with_empty_axes=1)
    other = where(zero, 1, x)
    product = other.over("ReduceProd", axes, noop_with_empty_axes=1)
    return g * where(count.equals(zero.cast()), product / other, 0)


# The gradient with respect to x, of the output's gradient g, x, y = f(x) and the axes; g and y have all axes.
_GRADIENTS: Mapping[str, Formula] = {
    "ReduceMax": _extreme,
    "ReduceMin": _extreme,
    "ReduceProd": _product,
    "ReduceL1": lambda g, x, y, axes: g * x.do("Sign"),
    "ReduceL2": lambda g, x, y, axes: g * x / where(y.equals(0), 1, y),
    "ReduceLogSum": lambda g, x, y, axes: (g / y.do("Exp")).expanded(x.name),
    "ReduceLogSumExp": lambda g, x, y, axes: g * (x - y).do("Exp"),
    "ReduceSumSquare": lambda g, x, y, axes: g * (x + x),
}


@rule(*_GRADIENTS)
def reduction(step: Step) -> Sequence[Gradient]:
    """By x: g dy/dx, by the table of this module.

    Values that tie for the maximum or minimum share the gradient evenly, as in torch.amax (torch.max along an
    axis gives all to one of them); the slope of a product with zeros is the product of the other factors;
    that of both norms at 0 is 0, as in torch.
    """
    g, x, y = tensors(step)
    formula = _GRADIENTS[step.node.op_type]
    return first(step, formula(_kept(step, g), x, _kept(step, y), _axes(step)))


def _axes(step: Step) -> Axes:
    """Return the reduced axes, or the tensor that tells them."""
    known = step.value(step.inputs[1]) if step.has(1) else None
    if known is None and step.has(1):
        return step.inputs[1]
    if known is not None and known.size:
        return [int(axis) for axis in known.reshape(-1)]
    return [] if step.attribute("noop_with_empty_axes", 0) else list(range(step.rank(step.inputs[0])))


def _kept(step: Step, value: Expression) -> Expression:
    """Return a tensor of the output's shape with the reduced axes, of size 1, put back."""
    axes = [] if step.attribute("keepdims", 1) else _axes(step)
    return value.over("Unsqueeze", axes) if axes else value


def _count(step: Step) -> Expression | float:
    """Return how many values become one."""
    x, y = step.inputs[0], step.outputs[0]
    axes, shape = _axes(step), step.shape(x)
    sizes = [shape[axis] for axis in axes] if shape is not None and not isinstance(axes, str) else [None]
    known = [size for size in sizes if size is not None]
    if len(known) == len(sizes):
        return math.prod(known)
    before, after = (Expression(step, step.add("Size", tensor), x).cast() for tensor in (x, y))
    return before / after
