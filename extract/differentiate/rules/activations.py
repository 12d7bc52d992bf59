"""Activations: operators that act on each value by itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from ..registry import rule
from ..step import Gradient, Step
from .expression import Expression, first, tensors, where

Formula = Callable[[Expression, Expression, Expression], Expression]

# The gradient with respect to x, of the output's gradient g, x, and y = f(x).
_SMOOTH: Mapping[str, Formula] = {
    "Sigmoid": lambda g, x, y: g * (y * (1 - y)),
    "Softplus": lambda g, x, y: g * x.sigmoid(),
}


@rule(*_SMOOTH)
def smooth(step: Step) -> Sequence[Gradient]:
    """By x: g f'(x), by the table of this module."""
    return [_SMOOTH[step.node.op_type](*tensors(step)).name]


@rule("Relu")
def relu(step: Step) -> Sequence[Gradient]:
    """By x: g where x > 0, else 0; at 0 it is 0, as in Caffe and torch."""
    g, _, y = tensors(step)
    return [(g * (y > 0).cast()).name]


@rule("LeakyRelu")
def leaky_relu(step: Step) -> Sequence[Gradient]:
    """By x: g where x > 0, else alpha g; at 0 it is alpha g, as in Caffe and torch."""
    g, x, y = tensors(step)
    alpha = step.attribute("alpha", 0.01)
    # where the output tells, tools can make one node of this one and the one before it
    positive = y > 0 if alpha >= 0 else x > 0
    return [(g * (positive.cast() * (1 - alpha) + alpha)).name]


@rule("PRelu", per_image=True)
def parametric_relu(step: Step) -> Sequence[Gradient]:
    """By x: g where x > 0, else slope g; by the slope: the sum of g min(x, 0).

    At 0 it is slope g and 0, as in Caffe and torch.
    """
    g, x, _ = tensors(step)
    slope = Expression(step, step.inputs[1], x.name)
    return [
        (g * ((x > 0).cast() * (1 - slope) + slope)).name if step.wants(0) else None,
        step.sum_to((g * x.do("Min", 0)).name, slope.name) if step.wants(1) else None,
    ]


@rule("ThresholdedRelu")
def thresholded_relu(step: Step) -> Sequence[Gradient]:
    """By x: g where x > alpha, else 0; at alpha it is 0, as in torch.nn.Threshold."""
    g, x, _ = tensors(step)
    return [(g * (x > step.attribute("alpha", 1.0)).cast()).name]


@rule("Elu", "Selu", "Celu")
def exponential_unit(step: Step) -> Sequence[Gradient]:
    """By x: g gamma where x > 0, else g (y + gamma a) / c; at 0 the latter, as in torch (and Caffe's ELU).

    y = gamma (max(0, x) + min(0, a (exp(x / c) - 1))): Elu has a = alpha, Selu gamma too, Celu a = c = alpha.
    """
    g, x, y = tensors(step)
    alpha = step.attribute("alpha", 1.67326319217681884765625 if step.node.op_type == "Selu" else 1.0)
    gamma = step.attribute("gamma", 1.05070102214813232421875)
    scale = gamma if step.node.op_type == "Selu" else 1.0
    below = y + scale * alpha
    if step.node.op_type == "Celu":
        below = below / alpha
    return [(g * where(x > 0, scale, below)).name]


@rule("Gelu")
def gelu(step: Step) -> Sequence[Gradient]:
    """By x: g (P(x) + x P'(x)), P = (1 + erf(x / sqrt 2)) / 2, or its approximation by tanh.

    D. Hendrycks, K. Gimpel, *Gaussian Error Linear Units (GELUs)*, 2016, arXiv:1606.08415.
    """
    g, x, _ = tensors(step)
    if step.attribute("approximate", "none") == "tanh":
        tanh = (math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))).do("Tanh")
        inner = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * (x * x))
        return [(g * (0.5 * (1 + tanh) + 0.5 * x * (1 - tanh * tanh) * inner)).name]
    probability = 0.5 * (1 + (x * math.sqrt(0.5)).do("Erf"))
    density = (-0.5 * (x * x)).do("Exp") * (1 / math.sqrt(2 * math.pi))
    return [(g * (probability + x * density)).name]


@rule("HardSigmoid")
def hard_sigmoid(step: Step) -> Sequence[Gradient]:
    """By x: alpha g where 0 < y < 1, else 0; at the kinks it is 0, as in torch."""
    g, _, y = tensors(step)
    return [(g * step.attribute("alpha", 0.2) * ((y > 0) & (y < 1)).cast()).name]


@rule("HardSwish")
def hard_swish(step: Step) -> Sequence[Gradient]:
    """By x: 0 where x <= -3, g where x >= 3, g (x / 3 + 1/2) between: at the kinks 0 and g.

    As in torch 2.13; in older ones it is -g / 2 and 3 g / 2.
    """
    g, x, _ = tensors(step)
    inside = (x < 3).cast()
    return [(g * (x > -3).cast() * (inside * (x / 3 - 0.5) + 1)).name]


@rule("Softsign")
def softsign(step: Step) -> Sequence[Gradient]:
    """By x: g / (1 + |x|)^2."""
    g, x, _ = tensors(step)
    denominator = abs(x) + 1
    return [(g / (denominator * denominator)).name]


@rule("Mish")
def mish(step: Step) -> Sequence[Gradient]:
    """By x: g (t + x s (1 - t^2)), t = tanh(softplus(x)), s = sigmoid(x)."""
    g, x, _ = tensors(step)
    tanh = x.do("Softplus").do("Tanh")
    return [(g * (tanh + x * x.sigmoid() * (1 - tanh * tanh))).name]


@rule("Swish")
def swish(step: Step) -> Sequence[Gradient]:
    """By x: g (s + alpha y (1 - s)), s = sigmoid(alpha x)."""
    g, x, y = tensors(step)
    alpha = step.attribute("alpha", 1.0)
    return [(g * _swish_slope(x, y, alpha)).name]


@rule("SwiGLU")
def swiglu(step: Step) -> Sequence[Gradient]:
    """By the gate a: g b swish'(a); by the value b: g swish(a)."""
    g, a, _ = tensors(step)
    b = Expression(step, step.inputs[1], a.name)
    alpha = step.attribute("alpha", 1.0)
    swished = a * (a * alpha).sigmoid()
    return [
        (g * b * _swish_slope(a, swished, alpha)).name if step.wants(0) else None,
        (g * swished).name if step.wants(1) else None,
    ]


def _swish_slope(x: Expression, y: Expression, alpha: float) -> Expression:
    """Return the slope of y = x sigmoid(alpha x)."""
    sigmoid = (x * alpha).sigmoid()
    return sigmoid + alpha * y * (1 - sigmoid)


@rule("Shrink")
def shrink(step: Step) -> Sequence[Gradient]:
    """By x: g where |x| > lambd, else 0; at the jumps it is 0, as in torch."""
    g, x, _ = tensors(step)
    return [(g * (abs(x) > step.attribute("lambd", 0.5)).cast()).name]


@rule("Clip", per_image=True)
def clip(step: Step) -> Sequence[Gradient]:
    """By x: g where it is left as it is: min <= x <= max, bounds included, as in Caffe and torch.clamp.

    By min the sum of g where x < min < max, by max where x > max or min > max, as in torch.clamp.
    """
    g, x, y = tensors(step)
    low, high = (Expression(step, step.inputs[i], x.name) if step.has(i) else None for i in (1, 2))
    gradients: list[Gradient] = [None for _ in step.inputs]
    if step.wants(0):
        gradients[0] = (g * x.equals(y).cast()).name if low or high else g.name
    if low and step.wants(1):
        below = (x < low) & (low < high) if high else x < low
        gradients[1] = step.sum_to((g * below.cast()).name, low.name)
    if high and step.wants(2):
        above = (x > high) | (low > high) if low else x > high
        gradients[2] = step.sum_to((g * above.cast()).name, high.name)
    return gradients


@rule("Identity")
def identity(step: Step) -> Sequence[Gradient]:
    """By x: g."""
    return step.gradients


@rule("Cast", "CastLike")
def cast(step: Step) -> Sequence[Gradient]:
    """By x: g in the input's type; rounding to a narrower type has slope 1."""
    g, _, _ = tensors(step)
    return first(step, g.cast())


@rule("Dropout")
def dropout(step: Step) -> Sequence[Gradient]:
    """By x: g; in training mode mask g / (1 - ratio)."""
    g, x, _ = tensors(step)
    training = step.value(step.inputs[2]) if step.has(2) else False
    if training is not None and not training:
        return first(step, g)
    if len(step.outputs) < 2 or not step.outputs[1]:
        raise step.unsupported("in training mode its mask must be an output")
    ratio = Expression(step, step.inputs[1], step.inputs[1]).cast(x.name) if step.has(1) else None
    scaled = where(Expression(step, step.inputs[2], x.name), g / (1 - ratio if ratio else 0.5), g)
    return first(step, where(Expression(step, step.outputs[1], x.name), scaled, 0))
