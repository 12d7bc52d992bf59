"""Softmax and its logarithm."""

from __future__ import annotations

from collections.abc import Sequence

from ..registry import rule
from ..step import Gradient, Step
from .expression import tensors, where


@rule("Softmax")
def softmax(step: Step) -> Sequence[Gradient]:
    """By x: y g - y (sum of y g) along the axis.

    Of values that are all minus infinity y is not a number. Where that is replaced behind, as in attention to
    nothing, the gradient is 0.
    """
    g, _, y = tensors(step)
    if y.name in step.workshop.facts.patched:
        y = where(y.do("IsNaN"), 0, y)
    weighted = g * y
    return [(weighted - y * weighted.over("ReduceSum", [step.attribute("axis", -1)])).name]


@rule("LogSoftmax")
def log_softmax(step: Step) -> Sequence[Gradient]:
    """By x: g - exp(y) (sum of g) along the axis."""
    g, _, y = tensors(step)
    return [(g - y.do("Exp") * g.over("ReduceSum", [step.attribute("axis", -1)])).name]
