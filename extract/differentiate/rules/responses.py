"""Normalizations by a norm: over a window of channels, or along an axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..registry import rule
from ..step import Gradient, Step
from .movement import only, reshaped_like


@rule("LRN")
def lrn(step: Step) -> Sequence[Gradient]:
    """d/dx = G s^-beta - 2 alpha beta / size x sum(G y / s), s = bias + alpha / size sum(x^2).

    The first sum goes over the channels in whose window x lies, the second over those in the window of x:
    from c - floor((size - 1) / 2) to c + ceil((size - 1) / 2).
    """
    (x,), g = step.inputs, only(step)
    size, beta = step.attribute("size"), step.attribute("beta", 0.75)
    alpha = step.attribute("alpha", 1e-4) / size
    window = _window(step, size)
    power = step.add("Mul", _over(step, window, step.add("Mul", x, x)), step.constant(alpha, x))
    scale = step.add("Add", power, step.constant(step.attribute("bias", 1.0), x))
    ratio = step.add("Div", step.add("Mul", g, step.outputs[0]), scale)
    back = step.add("Mul", _over(step, window.T, ratio), step.constant(2 * alpha * beta, x))
    return [step.add("Sub", step.add("Mul", g, _power(step, scale, beta)), step.add("Mul", x, back))]


@rule("LpNormalization")
def lp_normalization(step: Step) -> Sequence[Gradient]:
    """d/dx = (G - d sum(G y)) / norm, d = y for p = 2 and sign(x) for p = 1; 0 where the norm is 0.

    torch.nn.functional.normalize divides by 1e-12 there. The slope of an absolute value is 0 at 0.
    """
    (x,), g = step.inputs, only(step)
    axes = step.integers([step.attribute("axis", -1)])
    first = step.attribute("p", 2) == 1
    norm = step.add("ReduceL1" if first else "ReduceL2", x, axes, keepdims=1)
    direction = step.add("Sign", x) if first else step.outputs[0]
    slope = step.add("ReduceSum", step.add("Mul", g, step.outputs[0]), axes, keepdims=1)
    rest = step.add("Sub", g, step.add("Mul", direction, slope))
    nothing = step.constant(0, x)
    flat = step.add("Equal", norm, nothing)
    ratio = step.add("Div", rest, step.add("Where", flat, step.constant(1, x), norm))
    return [step.add("Where", flat, nothing, ratio)]


def _window(step: Step, size: int) -> np.ndarray:
    """Return a matrix of (channels, channels): 1 where the second lies in the window of the first."""
    shape = step.shape(step.inputs[0])
    if shape is None or shape[1] is None:
        raise step.unsupported("the number of channels must be known")
    channels = np.arange(shape[1])
    offset = channels - channels[:, None]
    return (offset >= -((size - 1) // 2)) & (offset <= size // 2)


def _over(step: Step, window: np.ndarray, tensor: str) -> str:
    """Sum over windows of channels; one multiplication by a matrix is faster than pooling or shifted sums."""
    x = step.inputs[0]
    rows = step.add("Reshape", tensor, step.integers([0, 0, -1])) if step.rank(x) != 3 else tensor
    summed = step.add("MatMul", step.constant(window, x), rows)
    return reshaped_like(step, summed, x) if step.rank(x) != 3 else summed


def _power(step: Step, base: str, beta: float) -> str:
    """Return base^-beta; square roots are faster than powers."""
    x = step.inputs[0]
    if beta != 0.75:
        return step.add("Pow", base, step.constant(-beta, x))
    root = step.add("Sqrt", base)
    return step.add("Reciprocal", step.add("Mul", root, step.add("Sqrt", root)))
