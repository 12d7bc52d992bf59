"""Running sums and products, and choice along an axis."""

from __future__ import annotations

from collections.abc import Sequence

from ..registry import rule
from ..step import Gradient, Step
from .expression import Expression, first, tensors, where


@rule("CumSum")
def running_sum(step: Step) -> Sequence[Gradient]:
    """The running sum of g from the other end."""
    g, _, _ = tensors(step)
    return first(step, _sum_back(step, g))


@rule("CumProd")
def running_product(step: Step) -> Sequence[Gradient]:
    """dy_i/dx_k = the product of the x_j, j <= i, j != k: y_i / x_k before the first zero.

    At the first zero it is the running product without that zero, and behind it 0.
    """
    g, x, y = tensors(step)
    zero = x.equals(0)
    passed = zero.cast().do("CumSum", _tensor(step, 1), reverse=step.attribute("reverse", 0))
    first_zero = zero & passed.equals(1)
    ways = {name: step.attribute(name, 0) for name in ("reverse", "exclusive")}
    without = where(first_zero, 1, x).do("CumProd", _tensor(step, 1), **ways)
    before = where(passed.equals(0), _sum_back(step, g * y) / where(zero, 1, x), 0)
    return first(step, where(first_zero, _sum_back(step, g * without), before))


def _sum_back(step: Step, value: Expression) -> Expression:
    """Return the running sum from the other end than the node's."""
    reverse, exclusive = 1 - step.attribute("reverse", 0), step.attribute("exclusive", 0)
    return value.do("CumSum", _tensor(step, 1), reverse=reverse, exclusive=exclusive)


@rule("TopK")
def largest(step: Step) -> Sequence[Gradient]:
    """By x: g at the places that the values came from, 0 elsewhere.

    Of values that tie the one that the forward pass took: the first, by the standard. torch takes any.
    """
    g, x, _ = tensors(step)
    zeros = Expression(step, step.zeros_like(x.name), x.name)
    places = Expression(step, step.outputs[1], x.name)
    return first(step, zeros.do("ScatterElements", places, g, axis=step.attribute("axis", -1)))


def _tensor(step: Step, index: int) -> Expression:
    return Expression(step, step.inputs[index], step.inputs[0])
