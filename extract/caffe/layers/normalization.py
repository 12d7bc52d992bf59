"""Layers that bring values to a common scale: by their neighbours, their image, or their sum."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ..call import Blob, Call
from ..rules import rule
from .broadcast import lined_up, refuse_axes
from .checks import bottoms, canonical_axis
from .statistics import mean, mean_square


@rule("Softmax")
def softmax(call: Call) -> list[Blob]:
    """Return exp(x), divided by its sum along an axis."""
    (x,) = bottoms(call, 1)
    axis = canonical_axis(call, call.layer.softmax_param.axis, x)
    if axis == 0:
        call.mixes_images(x)
    return [Blob(call.node("Softmax", [x.tensor], axis=axis), x.shape)]


@rule("LRN")
def lrn(call: Call) -> list[Blob]:
    """Return values divided by a power of their neighbours' mean square, across channels or within a map."""
    (x,) = bottoms(call, 1)
    refuse_axes(call, x, 4, 4)
    param = call.layer.lrn_param
    if param.local_size % 2 == 0:
        raise call.error(f"local_size must be odd, not {param.local_size}")
    return [Blob(_REGIONS[param.NormRegion.Name(param.norm_region)](call, x.tensor), x.shape)]


@rule("MVN")
def mvn(call: Call) -> list[Blob]:
    """Return values less their mean, divided by their standard deviation + eps, of each map or image.

    The top has 4 axes, even if the bottom has fewer.
    """
    (x,) = bottoms(call, 1)
    refuse_axes(call, x, 0, 4)
    param = call.layer.mvn_param
    axes = [1, 2, 3] if param.across_channels else [2, 3]
    shape = x.shape + (1,) * (4 - x.rank)
    y = x.tensor
    if x.rank < 4:
        y = call.node("Unsqueeze", [y, call.constant(range(x.rank, 4), np.int64)])
    y = call.node("Sub", [y, mean(call, y, axes)])
    if param.normalize_variance:
        deviation = call.node("Sqrt", [mean_square(call, y, axes)])
        y = call.node("Div", [y, call.node("Add", [deviation, call.constant(param.eps)])])
    return [Blob(y, shape)]


@rule("Normalize")
def normalize(call: Call) -> list[Blob]:
    """Return values divided by their norm, sqrt(sum of squares + eps), and times learned scales.

    The norm is of the channels at each place, or of the whole image. This is the layer of SSD's fork
    (github.com/weiliu89/caffe, normalize_layer.cpp).
    """
    (x,) = bottoms(call, 1)
    refuse_axes(call, x, 2, 4)
    param = call.layer.norm_param
    shape = () if param.channel_shared else x.shape[1:2]
    scale = call.parameter(0, shape, param.scale_filler if param.HasField("scale_filler") else 1.0)
    axes = list(range(1, x.rank)) if param.across_spatial else [1]
    squares = call.node("ReduceSumSquare", [x.tensor], axes=axes, keepdims=1)
    norm = call.node("Sqrt", [call.node("Add", [squares, call.constant(param.eps)])])
    y = call.node("Div", [x.tensor, norm])
    return [Blob(call.node("Mul", [y, lined_up(call, scale, len(shape), 1, x)]), x.shape)]


def _across_channels(call: Call, x: str) -> str:
    param = call.layer.lrn_param
    return call.node("LRN", [x], size=param.local_size, alpha=param.alpha, beta=param.beta, bias=param.k)


def _within_channel(call: Call, x: str) -> str:
    """Return x / (1 + alpha * mean square) ** beta: Caffe takes no notice of `k`, and counts padding."""
    param = call.layer.lrn_param
    size, pad = param.local_size, param.local_size // 2
    mean = call.node(
        "AveragePool",
        [call.node("Mul", [x, x])],
        kernel_shape=[size, size],
        pads=[pad] * 4,
        strides=[1, 1],
        count_include_pad=1,
    )
    base = call.node("Add", [call.node("Mul", [mean, call.constant(param.alpha)]), call.constant(1)])
    return call.node("Mul", [x, call.node("Pow", [base, call.constant(-param.beta)])])


_REGIONS: Mapping[str, Callable[[Call, str], str]] = {
    "ACROSS_CHANNELS": _across_channels,
    "WITHIN_CHANNEL": _within_channel,
}
