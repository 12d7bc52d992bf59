"""Broadcasting arithmetic."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence

from ..registry import rule
from ..step import Gradient, Step
from .expression import Expression, tensors, where


@rule("Add", "Sub", per_image=True)
def add(step: Step) -> Sequence[Gradient]:
    """d(a ± b) = da ± db."""
    g, _, _ = tensors(step)
    return _pair(step, lambda: g, lambda: -g if step.node.op_type == "Sub" else g)


@rule("Mul", per_image=True)
def multiply(step: Step) -> Sequence[Gradient]:
    """d(a b) = b da + a db."""
    g, a, _ = tensors(step)
    b = Expression(step, step.inputs[1], a.name)
    return _pair(step, lambda: g * b, lambda: g * a)


@rule("Div", per_image=True)
def divide(step: Step) -> Sequence[Gradient]:
    """d(a / b) = da / b - y db / b, y = a / b."""
    g, a, y = tensors(step)
    b = Expression(step, step.inputs[1], a.name)
    return _pair(step, lambda: g / b, lambda: -(g * y / b))


@rule("Mod", per_image=True)
def modulo(step: Step) -> Sequence[Gradient]:
    """d(a mod b) = da - q db, where a = q b + y with a whole q; at jumps it is that of either side."""
    g, a, y = tensors(step)
    b = Expression(step, step.inputs[1], a.name)
    return _pair(step, lambda: g, lambda: -(g * ((a - y) / b).do("Round")))


@rule("Pow", per_image=True)
def power(step: Step) -> Sequence[Gradient]:
    """d(a^b) = b a^(b-1) da + y ln(a) db; as in torch 0 da where b = 0, and 0 db where y = 0."""
    g, a, y = tensors(step)
    exponent = Expression(step, step.inputs[1], step.inputs[1])
    b = exponent if step.dtype(exponent.name) == step.dtype(a.name) else exponent.cast(a.name)
    b = Expression(step, b.name, a.name)

    def by_exponent() -> Expression:
        found = g * where(y.equals(0), 0, y * a.do("Log"))
        return found if b.name == exponent.name else found.cast(exponent.name)

    return _pair(step, lambda: g * _power_slope(step, a, b), by_exponent)


def _power_slope(step: Step, a: Expression, b: Expression) -> Expression:
    """Return b a^(b-1)."""
    known = step.value(step.inputs[1])
    if known is None or known.size != 1:
        return where(b.equals(0), 0, b * a ** (b - 1))
    number = known.item()
    if number == 2:
        return a + a
    return number * a ** (number - 1) if number else a.do("Mul", 0)


@rule("Sum", "Mean", per_image=True)
def total(step: Step) -> Sequence[Gradient]:
    """d(sum of x_i) = sum of dx_i; divided by their number for Mean."""
    g, _, _ = tensors(step)
    share = g / len(step.inputs) if step.node.op_type == "Mean" else g
    return [step.sum_to(share.name, x) if step.wants(i) else None for i, x in enumerate(step.inputs)]


@rule("Max", "Min", per_image=True)
def extreme(step: Step) -> Sequence[Gradient]:
    """G goes to the operand that is the extreme; those that tie share it evenly.

    An even split is what central differences give for two operands, what torch.maximum does, and it does
    not depend on the operands' order, as Max itself does not. (Caffe's Eltwise prefers the second of two.)
    """
    g, _, y = tensors(step)
    chosen = [Expression(step, x, y.like).equals(y).cast() for x in step.inputs]
    share = g / functools.reduce(operator.add, chosen) if len(chosen) > 1 else g
    return [
        step.sum_to((share * mask).name, x) if step.wants(i) else None
        for i, (x, mask) in enumerate(zip(step.inputs, chosen, strict=True))
    ]


def _pair(
    step: Step, first: Callable[[], Expression], second: Callable[[], Expression]
) -> Sequence[Gradient]:
    """Sum the gradients of two operands to their shapes, and make only those that are wanted."""
    return [
        step.sum_to(make().name, tensor) if step.wants(i) else None
        for i, (tensor, make) in enumerate(zip(step.inputs, (first, second), strict=True))
    ]
