"""Elementary functions of one variable."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from ..registry import rule
from ..step import Gradient, Step
from .expression import Expression, tensors

Formula = Callable[[Expression, Expression, Expression], Expression]

# The gradient with respect to x, of the output's gradient g, x, and y = f(x).
_GRADIENTS: Mapping[str, Formula] = {
    "Neg": lambda g, x, y: -g,
    "Abs": lambda g, x, y: g * x.do("Sign"),
    "Reciprocal": lambda g, x, y: -(g * y * y),
    "Sqrt": lambda g, x, y: g / (y + y + (1 - y.do("Sign"))),
    "Exp": lambda g, x, y: g * y,
    "Log": lambda g, x, y: g / x,
    "Sin": lambda g, x, y: g * x.do("Cos"),
    "Cos": lambda g, x, y: -(g * x.do("Sin")),
    "Tan": lambda g, x, y: g * (y * y + 1),
    "Asin": lambda g, x, y: g / ((1 - x) * (1 + x)).do("Sqrt"),
    "Acos": lambda g, x, y: -(g / ((1 - x) * (1 + x)).do("Sqrt")),
    "Atan": lambda g, x, y: g / (x * x + 1),
    "Sinh": lambda g, x, y: g * x.do("Cosh"),
    "Cosh": lambda g, x, y: g * x.do("Sinh"),
    "Tanh": lambda g, x, y: g * (1 - y * y),
    "Asinh": lambda g, x, y: g / (x * x + 1).do("Sqrt"),
    "Acosh": lambda g, x, y: g / ((x - 1) * (x + 1)).do("Sqrt"),
    "Atanh": lambda g, x, y: g / ((1 - x) * (1 + x)),
    "Erf": lambda g, x, y: g * (2 / math.sqrt(math.pi)) * (-(x * x)).do("Exp"),
}


@rule(*_GRADIENTS)
def elementary(step: Step) -> Sequence[Gradient]:
    """By x: g f'(x), by the table of this module.

    Abs has slope 0 at 0, as in torch and Caffe. The slope of Sqrt at 0, infinite in torch, is 1 here, so that
    the deviation of a constant map has the gradient 0 and not NaN. Other functions are infinite or not a
    number where their slope is.
    """
    return [_GRADIENTS[step.node.op_type](*tensors(step)).name]
