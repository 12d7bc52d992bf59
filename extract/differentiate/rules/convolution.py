"""Convolutions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..registry import rule
from ..step import Gradient, Step
from .weight_gradient import Correlation, weight_gradient
from .windows import END, Windows, known_sizes, spread, windows_of


@rule("Conv", per_image=True)
def conv(step: Step) -> Sequence[Gradient]:
    """d/dx = g transposed-convolved with w, d/dw = x correlated with g, d/db = sum of g."""
    (g,) = step.gradients
    assert g is not None
    _check_shared(step)
    x, w = step.inputs[:2]
    weights, groups = step.sizes(w), step.attribute("group", 1)
    windows = windows_of(step, x, weights[2:])
    shapes = (x, step.outputs[0])
    correlation = Correlation(x, g, shapes, windows, weights, groups, apart=step.shared[1])
    return [
        _data_gradient(step, g, windows, groups) if step.wants(0) else None,
        weight_gradient(step, correlation) if step.wants(1) else None,
        _bias_gradient(step, g) if step.wants(2) else None,
    ]


@rule("ConvTranspose", per_image=True)
def conv_transpose(step: Step) -> Sequence[Gradient]:
    """d/dx = g convolved with w, d/dw = g correlated with x, d/db = sum of g."""
    (g,) = step.gradients
    assert g is not None
    _check_shared(step)
    x, w = step.inputs[:2]
    weights, groups = step.sizes(w), step.attribute("group", 1)
    windows = _transposed_windows(step, weights[2:])
    shapes = (step.outputs[0], x)
    correlation = Correlation(g, x, shapes, windows, weights, groups, apart=step.shared[1])
    attributes = {"strides": windows.strides, "dilations": windows.dilations, "pads": windows.pads}
    return [
        step.add("Conv", g, w, group=groups, **attributes) if step.wants(0) else None,
        weight_gradient(step, correlation) if step.wants(1) else None,
        _bias_gradient(step, g) if step.wants(2) else None,
    ]


def _check_shared(step: Step) -> None:
    if step.shared[0]:
        raise step.apart("all images share what is convolved")


def _bias_gradient(step: Step, g: str) -> str:
    places = range(2, step.rank(step.outputs[0]))
    return step.add("ReduceSum", g, step.integers([*places] if step.shared[2] else [0, *places]), keepdims=0)


def _data_gradient(step: Step, g: str, windows: Windows, groups: int) -> str:
    """Return dx of Conv.

    onnxruntime's ConvTranspose takes 1.3 times as long as its Conv with kernels turned round, and 4 to 15
    times for depthwise ones; with kernels of one value they are equal (measured with onnxruntime 1.32 on 2
    cores, 7 x 7 to 112 x 112 places, 1 x 1 to 5 x 5 kernels). Kernels are turned when a session is made.
    """
    if _can_turn(windows):
        return _turned(step, g, windows, groups)
    return spread(step, g, step.inputs[1], windows, groups)


def _can_turn(windows: Windows) -> bool:
    return (
        set(windows.strides) == {1}
        and math.prod(windows.kernel) > 1
        and isinstance(windows.pads, tuple)
        and max(map(int.__sub__, windows.pads, windows.extents * 2)) < 0
    )


def _turned(step: Step, g: str, windows: Windows, groups: int) -> str:
    """Convolve with kernels turned round, inputs and outputs swapped; strides are 1."""
    assert isinstance(windows.pads, tuple)
    ones = step.integers([-1] * windows.rank)
    ends = step.integers([-END] * windows.rank)
    turned = step.add("Slice", step.inputs[1], ones, ends, step.integers(windows.axes), ones)
    pads = [extent - 1 - pad for extent, pad in zip(windows.extents * 2, windows.pads, strict=True)]
    return step.add(
        "Conv", g, _swapped(step, turned, groups), group=groups, dilations=windows.dilations, pads=pads
    )


def _swapped(step: Step, weights: str, groups: int) -> str:
    """Return weights (groups K, C, ...) as (groups C, K, ...)."""
    outputs, inputs, *kernel = step.sizes(step.inputs[1])
    if outputs == groups and inputs == 1:
        return weights
    if groups == 1:
        return step.add("Transpose", weights, perm=[1, 0, *range(2, 2 + len(kernel))])
    apart = step.add("Reshape", weights, step.integers((groups, outputs // groups, inputs, *kernel)))
    apart = step.add("Transpose", apart, perm=[0, 2, 1, *range(3, 3 + len(kernel))])
    return step.add("Reshape", apart, step.integers((groups * inputs, outputs // groups, *kernel)))


def _transposed_windows(step: Step, kernel: Sequence[int]) -> Windows:
    """Return the windows of the Conv that takes the sizes of a ConvTranspose's output to those of its input.

    Source: ONNX, ConvTranspose, attributes auto_pad, output_padding and output_shape.
    """
    rank, auto = len(kernel), step.attribute("auto_pad", "NOTSET")
    strides = tuple(step.attribute("strides") or (1,) * rank)
    dilations = tuple(step.attribute("dilations") or (1,) * rank)
    windows = Windows(tuple(kernel), strides, dilations, tuple(step.attribute("pads") or (0,) * 2 * rank))
    totals = _totals(step, windows, auto.startswith("SAME"))
    if totals is None:
        return windows
    less = [total // 2 for total in totals]
    more = [total - half for total, half in zip(totals, less, strict=True)]
    pads = (*less, *more) if auto == "SAME_UPPER" else (*more, *less)
    return Windows(windows.kernel, strides, dilations, pads)


def _totals(step: Step, windows: Windows, same: bool) -> list[int] | None:
    """Return the padding of each axis that a ConvTranspose works out; None if its attributes give it."""
    wanted = step.attribute("output_shape")
    added = step.attribute("output_padding") or (0,) * windows.rank
    if wanted is not None:
        sizes = known_sizes(step, step.inputs[0])
        if sizes is None:
            raise step.unsupported("output_shape is given, so the sizes of its input must be known")
        spare = [
            (n - 1) * s - out
            for n, s, out in zip(sizes, windows.strides, wanted[-windows.rank :], strict=True)
        ]
    elif same:
        spare = [-stride for stride in windows.strides]
    else:
        return None
    return [max(sum(row), 0) for row in zip(spare, windows.extents, added, strict=True)]
