"""Operators that put windows or maxima back into place."""

from __future__ import annotations

from collections.abc import Sequence

from ..registry import rule
from ..step import Gradient, Step
from .windows import Windows, columns, padded


@rule("MaxUnpool")
def max_unpool(step: Step) -> Sequence[Gradient]:
    """d/dx = g at the given places: places in the output, in onnxruntime also where output_shape is given."""
    (g,) = step.gradients
    assert g is not None
    where = step.inputs[1]
    flat = step.add("Reshape", g, step.integers([-1]))
    return [step.add("Gather", flat, where) if step.wants(0) else None, None, None][: len(step.inputs)]


@rule("Col2Im")
def col2im(step: Step) -> Sequence[Gradient]:
    """d/dx = the windows of g, laid side by side (im2col)."""
    (g,) = step.gradients
    assert g is not None
    kernel = step.value(step.inputs[2])
    if kernel is None:
        raise step.unsupported("block_shape must be a constant")
    rank = len(kernel)
    strides, dilations = (tuple(step.attribute(name) or (1,) * rank) for name in ("strides", "dilations"))
    windows = Windows(
        tuple(int(size) for size in kernel),
        strides,
        dilations,
        tuple(step.attribute("pads") or (0,) * 2 * rank),
    )
    seen = columns(step, padded(step, g, windows), windows, 2)
    return [step.add("Reshape", seen, step.shape_of(step.inputs[0])), None, None]
