"""Means and variances of values that are there, not learned ones."""

from __future__ import annotations

from collections.abc import Sequence

from ..call import Call


def mean(call: Call, x: str, axes: Sequence[int]) -> str:
    """Return means over axes, which stay with size 1."""
    return call.node("ReduceMean", [x], axes=list(axes), keepdims=1)


def mean_square(call: Call, x: str, axes: Sequence[int]) -> str:
    """Return means of squares over axes, which stay with size 1: a variance, if x has lost its mean."""
    return mean(call, call.node("Mul", [x, x]), axes)
