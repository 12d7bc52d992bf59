"""Softmax and its logarithm."""

from __future__ import annotations

from collections.abc import Sequence

from ..registry import rule
from ..step import Gradient, Step
from .expression import tensors


@rule("Softmax")
def softmax(step: Step) -> Sequence[Gradient]:
    """By x: y g - y (sum of y g) along the axis."""
    g, _, y = tensors(step)
    weighted = g * y
    return [(weighted - y * weighted.over("ReduceSum", [step.attribute("axis", -1)])).name]


@rule("LogSoftmax")
def log_softmax(step: Step) -> Sequence[Gradient]:
    """By x: g - exp(y) (sum of g) along the axis."""
    g, _, y = tensors(step)
    return [(g - y.do("Exp") * g.over("ReduceSum", [step.attribute("axis", -1)])).name]
