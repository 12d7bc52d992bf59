"""Operators that onnx 1.23's reference evaluator gets wrong, or computes in float32."""

# The signatures of operators are onnx's, with an argument for each attribute.
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx.reference.op_run import OpRun


def operators() -> list[type[OpRun]]:
    """Return implementations that take the place of the evaluator's own."""
    from onnx.reference.op_run import OpRun

    class Erf(OpRun):
        """The evaluator's own is of float32."""

        op_domain = ""

        def _run(self, x):
            return (_erf(x),)

    class GatherElements(OpRun):
        """The evaluator's own fails along axes of more than 64 values."""

        op_domain = ""

        def _run(self, x, indices, axis=0):
            return (np.take_along_axis(x, indices, axis),)

    class Gelu(OpRun):
        """The evaluator's own takes the error function in float32."""

        op_domain = ""

        def _run(self, x, approximate="none"):
            if approximate == "tanh":
                return (x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),)
            return (x / 2 * (1 + _erf(x / np.sqrt(2))),)

    class LpNormalization(OpRun):
        """The evaluator's own takes no absolute values for the sum of p = 1."""

        op_domain = ""

        def _run(self, x, axis=-1, p=2):
            norm = np.linalg.norm(x, p, axis, keepdims=True)
            return (np.divide(x, norm, out=np.zeros_like(x), where=norm != 0),)

    class LRN(OpRun):
        """The evaluator's own leaves out all channels past the batch size."""

        op_domain = ""

        def _run(self, x, alpha=1e-4, beta=0.75, bias=1.0, size=None):
            before, after = (size - 1) // 2, size // 2
            squares = np.pad(x * x, [(0, 0), (before, after)] + [(0, 0)] * (x.ndim - 2))
            windows = np.lib.stride_tricks.sliding_window_view(squares, size, axis=1)
            return (x / (bias + alpha / size * windows.sum(axis=-1)) ** beta,)

    class MaxPool(OpRun):
        """The evaluator's own gives indices within a channel where all strides are 1."""

        op_domain = ""

        def _run(self, x, storage_order=0, **window):
            values, indices = max_pool(x, storage_order=storage_order, **window)
            return (values, indices) if len(self.output) > 1 else (values,)

    class MeanVarianceNormalization(OpRun):
        """The evaluator's own adds numbers in float32 to others."""

        op_domain = ""

        def _run(self, x, axes=(0, 2, 3)):
            centred = x - x.mean(axis=tuple(axes), keepdims=True)
            return (centred / (x.std(axis=tuple(axes), keepdims=True) + 1e-9),)

    return [Erf, GatherElements, Gelu, LpNormalization, LRN, MaxPool, MeanVarianceNormalization]


def _erf(x: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.vectorize(math.erf, otypes=[x.dtype])(x))


def max_pool(
    x: NDArray[Any],
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    storage_order: int = 0,
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return maxima of windows, and where each is in the flattened input: the first one of equals.

    Parameters
    ----------
    x : ndarray, shape (images, channels, *sizes)
    kernel_shape, strides, pads, dilations, auto_pad, ceil_mode, storage_order
        As in ONNX's MaxPool.

    Returns
    -------
    ndarray, ndarray of int64
        Both of shape (images, channels, *windows).
    """
    sizes, rank = x.shape[2:], len(kernel_shape)
    strides, dilations = strides or [1] * rank, dilations or [1] * rank
    spans = [(kernel - 1) * step + 1 for kernel, step in zip(kernel_shape, dilations, strict=True)]
    places = [
        _windows(size, span, stride, pad, auto_pad, ceil_mode)
        for size, span, stride, pad in zip(sizes, spans, strides, _pairs(pads, rank), strict=True)
    ]
    numbers = np.arange(x.size).reshape(x.shape)
    if storage_order:
        numbers = np.swapaxes(np.arange(x.size).reshape(*x.shape[:2], *sizes[::-1]), 2, -1)
    border = [(0, 0), (0, 0)] + [
        (before, max(0, (count - 1) * stride + span - before - size))
        for (before, count), size, span, stride in zip(places, sizes, spans, strides, strict=True)
    ]
    views = [
        np.lib.stride_tricks.sliding_window_view(
            np.pad(array, border, constant_values=fill), spans, axis=tuple(range(2, 2 + rank))
        )
        for array, fill in ((x, -np.inf), (numbers, -1))
    ]
    chosen = (slice(None),) * 2 + tuple(
        slice(0, (count - 1) * stride + 1, stride) for (_, count), stride in zip(places, strides, strict=True)
    )
    within = tuple(slice(None, None, step) for step in dilations)
    counts = (*x.shape[:2], *(count for _, count in places), -1)
    values, indices = (np.reshape(view[chosen + within], counts) for view in views)
    first = values.argmax(axis=-1)[..., np.newaxis]
    return np.take_along_axis(values, first, -1)[..., 0], np.take_along_axis(indices, first, -1)[..., 0]


def _pairs(pads: Sequence[int] | None, rank: int) -> list[tuple[int, int]]:
    pads = pads or [0] * (2 * rank)
    return list(zip(pads[:rank], pads[rank:], strict=True))


def _windows(
    size: int, span: int, stride: int, pad: tuple[int, int], auto_pad: str, ceil_mode: int
) -> tuple[int, int]:
    """Return the border before an axis and the number of windows along it."""
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        count = -(-size // stride)
        border = max(0, (count - 1) * stride + span - size)
        return (border // 2 if auto_pad == "SAME_UPPER" else border - border // 2), count
    before, after = (0, 0) if auto_pad == "VALID" else pad
    room = size + before + after - span
    if not ceil_mode:
        return before, room // stride + 1
    count = -(-room // stride) + 1
    # no window starts in the border after
    return before, count - ((count - 1) * stride >= size + before)
