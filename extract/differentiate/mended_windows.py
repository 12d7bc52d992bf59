"""Convolution and pooling that onnx 1.23's reference evaluator gets wrong, lacks, or is slow at."""

# The signatures of operators are onnx's, with an argument for each attribute.
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .mended import _pairs, _windows

if TYPE_CHECKING:
    from onnx.reference.op_run import OpRun


def operators() -> list[type[OpRun]]:
    """Return implementations that take the place of the evaluator's own."""
    from onnx.reference.op_run import OpRun

    class AveragePool(OpRun):
        """The evaluator's own takes one window after the other, for minutes in a large network."""

        op_domain = ""

        def _run(self, x, count_include_pad=0, **window):
            given = {name: value for name, value in window.items() if value is not None}
            return (averages_of_windows(x, count_include_pad=count_include_pad, **given),)

    class ConvTranspose(OpRun):
        """The evaluator's own fails for groups, and for output_shape without auto_pad."""

        op_domain = ""

        def _run(self, x, w, bias=None, **attributes):
            y = conv_transpose(x, w, **{name: v for name, v in attributes.items() if v is not None})
            return (y if bias is None else y + bias.reshape(-1, *[1] * (x.ndim - 2)),)

    class LpPool(OpRun):
        """The evaluator's own takes windows that reach into the padding for fuller than they are."""

        op_domain = ""

        def _run(self, x, p=2, **window):
            given = {name: value for name, value in window.items() if value is not None}
            return (sums_of_windows(np.abs(x) ** p, **given) ** (1 / p),)

    class GlobalLpPool(OpRun):
        """The evaluator has none."""

        op_domain = ""

        def _run(self, x, p=2):
            powers = np.sum(np.abs(x) ** p, axis=tuple(range(2, x.ndim)), keepdims=True)
            return (powers ** (1 / p),)

    class GlobalMaxPool(OpRun):
        """The evaluator's own takes plane pictures only."""

        op_domain = ""

        def _run(self, x):
            return (x.max(axis=tuple(range(2, x.ndim)), keepdims=True),)

    return [AveragePool, ConvTranspose, GlobalLpPool, GlobalMaxPool, LpPool]


def conv_transpose(
    x: NDArray[Any],
    w: NDArray[Any],
    *,
    strides: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    output_padding: Sequence[int] | None = None,
    output_shape: Sequence[int] | None = None,
    auto_pad: str = "NOTSET",
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
) -> NDArray[Any]:
    """Return a transposed convolution without bias: each value of x adds kernels to the result.

    Parameters
    ----------
    x : ndarray, shape (images, channels, *sizes)
    w : ndarray, shape (channels, channels of the result / groups, *kernel)
    strides, dilations, pads, output_padding, output_shape, auto_pad, group, kernel_shape
        As in ONNX's ConvTranspose.
    """
    sizes, kernel = x.shape[2:], w.shape[2:]
    rank = len(sizes)
    strides, dilations = strides or [1] * rank, dilations or [1] * rank
    full = [
        (size - 1) * stride + dilation * (k - 1) + 1 + added
        for size, stride, dilation, k, added in zip(
            sizes, strides, dilations, kernel, output_padding or [0] * rank, strict=True
        )
    ]
    wanted = None if output_shape is None else list(output_shape)[-rank:]
    if wanted is None and auto_pad.startswith("SAME"):
        wanted = [size * stride for size, stride in zip(sizes, strides, strict=True)]
    if wanted is not None:
        pads = _shared_out(full, wanted, auto_pad)
        full = [max(pair) for pair in zip(full, wanted, strict=True)]
    inputs = x.reshape(len(x), group, -1, *sizes)
    weights = w.reshape(group, -1, *w.shape[1:])
    result = np.zeros((len(x), group * w.shape[1], *full), x.dtype)
    for place in itertools.product(*map(range, kernel)):
        one: Any = (..., *place)
        part = np.einsum("ngc...,gco->ngo...", inputs, weights[one])
        reached: list[Any] = [
            slice(i * dilation, i * dilation + (size - 1) * stride + 1, stride)
            for i, dilation, size, stride in zip(place, dilations, sizes, strides, strict=True)
        ]
        result[(slice(None), slice(None), *reached)] += part.reshape(len(x), -1, *sizes)
    inner: list[Any] = [
        slice(before, size - after) for size, (before, after) in zip(full, _pairs(pads, rank), strict=True)
    ]
    return result[(slice(None), slice(None), *inner)]


def _shared_out(full: Sequence[int], wanted: Sequence[int], auto_pad: str) -> list[int]:
    """Return the padding that cuts a size to the one that is wanted."""
    totals = [max(size - less, 0) for size, less in zip(full, wanted, strict=True)]
    less, more = [total // 2 for total in totals], [total - total // 2 for total in totals]
    return [*less, *more] if auto_pad == "SAME_UPPER" else [*more, *less]


def sums_of_windows(
    x: NDArray[Any],
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
) -> NDArray[Any]:
    """Return the sum of each window, padding being zero.

    Parameters
    ----------
    x : ndarray, shape (images, channels, *sizes)
    kernel_shape, strides, pads, dilations, auto_pad, ceil_mode
        As in ONNX's LpPool.
    """
    rank, sizes = len(kernel_shape), x.shape[2:]
    strides, dilations = strides or [1] * rank, dilations or [1] * rank
    spans = [(kernel - 1) * step + 1 for kernel, step in zip(kernel_shape, dilations, strict=True)]
    places = [
        _windows(size, span, stride, pad, auto_pad, ceil_mode)
        for size, span, stride, pad in zip(sizes, spans, strides, _pairs(pads, rank), strict=True)
    ]
    border = [
        (before, max(0, (count - 1) * stride + span - before - size))
        for (before, count), size, span, stride in zip(places, sizes, spans, strides, strict=True)
    ]
    padded = np.pad(x, [(0, 0), (0, 0), *border])
    steps = list(zip(dilations, strides, (count for _, count in places), strict=True))
    result = np.zeros((*x.shape[:2], *(count for _, count in places)), x.dtype)
    for place in itertools.product(*map(range, kernel_shape)):
        met: list[Any] = [
            slice(i * dilation, i * dilation + (count - 1) * stride + 1, stride)
            for i, (dilation, stride, count) in zip(place, steps, strict=True)
        ]
        result += padded[(slice(None), slice(None), *met)]
    return result


def averages_of_windows(
    x: NDArray[Any],
    *,
    kernel_shape: Sequence[int],
    count_include_pad: int = 0,
    strides: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
) -> NDArray[Any]:
    """Return the average of each window.

    Parameters
    ----------
    x : ndarray, shape (images, channels, *sizes)
    kernel_shape, count_include_pad, strides, pads, dilations, auto_pad, ceil_mode
        As in ONNX's AveragePool. Of a window that `ceil_mode` lets reach beyond the padding, what lies there
        never counts.
    """
    rank, sizes = len(kernel_shape), x.shape[2:]
    strides, dilations = strides or [1] * rank, dilations or [1] * rank
    sums = sums_of_windows(
        x,
        kernel_shape=kernel_shape,
        strides=strides,
        pads=pads,
        dilations=dilations,
        auto_pad=auto_pad,
        ceil_mode=ceil_mode,
    )
    for axis, (kernel, stride, step, size, pad) in enumerate(
        zip(kernel_shape, strides, dilations, sizes, _pairs(pads, rank), strict=True), 2
    ):
        span = (kernel - 1) * step + 1
        before, count = _windows(size, span, stride, pad, auto_pad, ceil_mode)
        places = np.arange(count)[:, np.newaxis] * stride - before + np.arange(kernel) * step
        first, end = 0, size
        if count_include_pad:
            # auto_pad pads as much as the windows reach
            first, end = -before, size + pad[1] if auto_pad == "NOTSET" else int(places.max()) + 1
        counts = ((places >= first) & (places < end)).sum(axis=1)
        sums = sums / counts.reshape(-1, *[1] * (x.ndim - 1 - axis))
    return sums
