"""Pooling layers.

All windows are written with explicit padding, without ONNX's ``ceil_mode``: what that means for the last
window changed from version to version and differs from tool to tool.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..call import Blob, Call
from ..rules import rule
from .checks import blob_shape, bottoms
from .windows import check_maps, show

Pair = tuple[int, int]

_FLT_MAX = float(np.finfo(np.float32).max)
_FLT_MIN = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class _Axis:
    """Pooling along one axis.

    Parameters
    ----------
    size : int
        Elements of the bottom.
    kernel, stride, pad : int
        Elements in a window, between the starts of two, and added at either end.
    count : int
        How many windows there are.
    """

    size: int
    kernel: int
    stride: int
    pad: int
    count: int

    @property
    def filled(self) -> int:
        """How many windows hold anything: all, or all but the last, if that begins behind the bottom."""
        return self.count - (self._start(self.count) >= self.size)

    @property
    def end(self) -> int:
        """How far the last window that holds anything reaches behind the bottom."""
        return max(0, self._start(self.filled) + self.kernel - self.size)

    @property
    def empty_average(self) -> float:
        """What Caffe has for an empty window: its sum, 0, by its size, which is 0 or less."""
        return math.nan if self._start(self.count) == self.size else 0.0

    def _start(self, count: int) -> int:
        return (count - 1) * self.stride - self.pad


Axes = tuple[_Axis, _Axis]
_Method = Callable[[Call, str, Axes], list[str]]


@rule("Pooling")
def pooling(call: Call) -> list[Blob]:
    """Return what a method makes of each window, and for MAX, if asked, where the largest value is."""
    (x,) = bottoms(call, 1)
    given = call.layer.pooling_param
    check_maps(call, x)
    kernel, stride, pad = _kernel(call, x), _pair(call, "stride"), _pair(call, "pad")
    if given.global_pooling and (stride != (1, 1) or any(pad)):
        raise call.error("global pooling takes stride 1 and no padding")
    if 0 in kernel + stride:
        raise call.error(f"its kernel is {show(kernel)} and its stride {show(stride)}; 0 is not possible")
    rounds_up = given.round_mode == given.CEIL and given.ceil_mode
    return _pool(call, x, given.PoolMethod.Name(given.pool), _axes(call, x, kernel, stride, pad, rounds_up))


@rule("SPP")
def spp(call: Call) -> list[Blob]:
    """Pool to 1x1, 2x2, 4x4, ... windows and join the results, flattened; a single level keeps its axes."""
    (x,) = bottoms(call, 1)
    given = call.layer.spp_param
    check_maps(call, x)
    if not given.pyramid_height:
        raise call.error("pyramid_height must be above 0")
    method = given.PoolMethod.Name(given.pool)
    levels = [_pool(call, x, method, _level(call, x, 2**i))[0] for i in range(given.pyramid_height)]
    if len(levels) == 1:
        return levels
    flat = [call.node("Flatten", [level.tensor], axis=1) for level in levels]
    values = sum(math.prod(level.shape[1:]) for level in levels)
    return [Blob(call.node("Concat", flat, axis=1), (x.shape[0], values))]


def _kernel(call: Call, x: Blob) -> Pair:
    given = call.layer.pooling_param
    present = [given.HasField(name) for name in ("kernel_size", "kernel_h", "kernel_w")]
    if given.global_pooling:
        if any(present):
            raise call.error("global pooling takes no kernel size")
        return x.shape[2], x.shape[3]
    if not any(present):
        raise call.error("needs kernel_size, or kernel_h and kernel_w")
    if present[0]:
        if all(present):
            raise call.error("has both kernel_size and kernel_h and kernel_w")
        return given.kernel_size, given.kernel_size
    if not all(present[1:]):
        raise call.error("needs both kernel_h and kernel_w")
    return given.kernel_h, given.kernel_w


def _pair(call: Call, field: str) -> Pair:
    """Return a number for height and width, of one field for both or of one for each."""
    given = call.layer.pooling_param
    separate = [given.HasField(f"{field}_{axis}") for axis in "hw"]
    if any(separate) and (given.HasField(field) or not all(separate)):
        raise call.error(f"needs either {field}, or both {field}_h and {field}_w")
    if any(separate):
        return getattr(given, f"{field}_h"), getattr(given, f"{field}_w")
    return getattr(given, field), getattr(given, field)


def _axes(call: Call, x: Blob, kernel: Pair, stride: Pair, pad: Pair, rounds_up: bool) -> Axes:
    """Return the windows.

    With padding along any axis, a last window that would begin behind the bottom is dropped, along both.
    """
    if any(pad) and any(p >= k for p, k in zip(pad, kernel, strict=True)):
        raise call.error(f"its padding {show(pad)} must be smaller than its kernel {show(kernel)}")
    axes = []
    for n, k, s, p in zip(x.shape[2:], kernel, stride, pad, strict=True):
        room = n + 2 * p - k
        count = (-(-room // s) if rounds_up else room // s) + 1
        if any(pad) and (count - 1) * s >= n + p:
            count -= 1
        if count < 1:
            raise call.error(f"its kernel {show(kernel)} is larger than its bottom {show(x.shape[2:])}")
        axes.append(_Axis(n, k, s, p, count))
    return axes[0], axes[1]


def _level(call: Call, x: Blob, bins: int) -> Axes:
    """Return the windows of a level of SPP: as many as there are bins, or fewer."""
    kernel = -(-x.shape[2] // bins), -(-x.shape[3] // bins)
    pad = (kernel[0] * bins - x.shape[2] + 1) // 2, (kernel[1] * bins - x.shape[3] + 1) // 2
    return _axes(call, x, kernel, kernel, pad, rounds_up=True)


def _pool(call: Call, x: Blob, method: str, axes: Axes) -> list[Blob]:
    shape = blob_shape(call, (*x.shape[:2], *(axis.count for axis in axes)))
    return [Blob(y, shape) for y in _METHODS[method](call, x.tensor, axes)]


def _max(call: Call, x: str, axes: Axes) -> list[str]:
    """Return the largest values, and if asked where the first of each is: its index in the map."""
    import onnx

    outputs = min(call.tops, 2)
    largest, *where = call.many("MaxPool", [x], outputs, **_windows(axes, [axis.end for axis in axes]))
    tops = [_with_empty(call, largest, axes, [-_FLT_MAX] * 2)]
    for index in where:
        area = call.constant(axes[0].size * axes[1].size, np.int64)
        in_map = call.node("Cast", [call.node("Mod", [index, area])], to=onnx.TensorProto.FLOAT)
        tops.append(_with_empty(call, in_map, axes, [-1.0] * 2))
    return tops


def _average(call: Call, x: str, axes: Axes) -> list[str]:
    """Return averages, in which padding counts, but not what lies behind it."""
    return [_with_empty(call, _averages(call, x, axes), axes, [axis.empty_average for axis in axes])]


def _averages(call: Call, x: str, axes: Axes) -> str:
    pads, ends = [axis.pad for axis in axes], [axis.end for axis in axes]
    counted = [min(pad, end) for pad, end in zip(pads, ends, strict=True)]
    if counted == ends:
        include = 1 if any(pads) else None
        return call.node("AveragePool", [x], count_include_pad=include, **_windows(axes, ends))
    if any(pads):
        x = call.node("Pad", [x, call.constant([0, 0, *pads, 0, 0, *counted], np.int64)])
    beyond = [end - inner for end, inner in zip(ends, counted, strict=True)]
    return call.node("AveragePool", [x], **_windows(axes, beyond, [0, 0]))


def _stochastic(call: Call, x: str, axes: Axes) -> list[str]:
    """Return what is expected of drawing a value of each window by its size: sum(x^2) / sum(x).

    Only Caffe's GPU code has it, with FLT_MIN added to the divisor.
    """
    if any(axis.pad for axis in axes):
        raise call.error("stochastic pooling takes no padding")
    squares = _averages(call, call.node("Mul", [x, x]), axes)
    values = call.node("Add", [_averages(call, x, axes), call.constant(_FLT_MIN)])
    return [_with_empty(call, call.node("Div", [squares, values]), axes, [0.0] * 2)]


def _windows(axes: Axes, ends: Sequence[int], pads: Sequence[int] | None = None) -> Mapping[str, Any]:
    """Return the attributes of an operator of ONNX for the windows that hold anything."""
    begins = [axis.pad for axis in axes] if pads is None else pads
    return {
        "kernel_shape": [axis.kernel for axis in axes],
        "strides": [axis.stride for axis in axes],
        "pads": [*begins, *ends],
    }


def _with_empty(call: Call, y: str, axes: Axes, values: Sequence[float]) -> str:
    """Return a top with the empty windows at its ends; where they cross, not a number wins."""
    for place, value in sorted(enumerate(values, 2), key=lambda item: math.isnan(item[1])):
        axis = axes[place - 2]
        if axis.filled < axis.count:
            ends = [0] * 8
            ends[4 + place] = axis.count - axis.filled
            y = call.node("Pad", [y, call.constant(ends, np.int64), call.constant(value)])
    return y


_METHODS: Mapping[str, _Method] = {"MAX": _max, "AVE": _average, "STOCHASTIC": _stochastic}
