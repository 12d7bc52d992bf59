"""Batch normalization: Caffe's own, and the layers of that kind that forks have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..call import Blob, Call
from ..rules import rule
from .broadcast import lined_up, refuse_axes
from .checks import bottoms
from .statistics import mean, mean_square
from .training import is_in_training

# cuDNN's lower bound of eps, to which NVIDIA's fork holds itself everywhere.
_LEAST_EPS = 1e-5


@rule("BatchNorm")
def batch_norm(call: Call) -> list[Blob]:
    """Return (x - mean) / sqrt(variance + eps) with learned statistics of channels, or those of the batch.

    Learned statistics are divided by a third parameter. With ``scale_bias``, of NVIDIA's fork, this has no
    meaning, and learned scales and biases follow.
    """
    (x,) = bottoms(call, 1)
    refuse_axes(call, x, 2)
    param = call.layer.batch_norm_param
    channels = x.shape[1:2]
    average, variance, divisor = (call.parameter(i, s) for i, s in enumerate((channels, channels, (1,))))
    if param.scale_bias or param.HasField("scale_filler") or param.HasField("bias_filler"):
        filler = param.scale_filler if param.HasField("scale_filler") else 1.0
        affine = call.parameter(3, channels, filler), call.parameter(4, channels, param.bias_filler)
        eps = max(param.eps, _LEAST_EPS)
        if not is_in_training(call):
            return [_normalized(call, x, affine, (average, variance), eps)]
        return [_moved(call, x, _normalized_by_batch(call, x, eps)[0], *affine)]
    learned = param.use_global_stats if param.HasField("use_global_stats") else not is_in_training(call)
    if not learned:
        return [Blob(_normalized_by_batch(call, x, param.eps)[0], x.shape)]
    statistics = _corrected(call, average, variance, divisor)
    return [_normalized(call, x, _neutral(call, channels), statistics, param.eps)]


@rule("BN")
def bn(call: Call) -> list[Blob]:
    """Return what the layer of either fork makes, of SegNet's if it has any field of that."""
    param = call.layer.bn_param
    segnet = any(param.HasField(name) for name in ("scale_filler", "shift_filler", "bn_mode", "var_eps"))
    return _segnet(call) if segnet else _pspnet(call)


def _pspnet(call: Call) -> list[Blob]:
    """Return (x - mean) / sqrt(variance + eps) * slope + bias, all four learned.

    So do github.com/hszhao/PSPNet and github.com/yjxiong/caffe in their bn_layer.cpp.
    """
    (x,) = bottoms(call, 1)
    refuse_axes(call, x, 2, 4)
    param = call.layer.bn_param
    fillers = [param.slope_filler, param.bias_filler, 0.0, 1.0 if param.frozen else 0.0]
    stored = [call.parameter(index, (1, x.shape[1], 1, 1), filler) for index, filler in enumerate(fillers)]
    scale, bias, mean, variance = (_flat(call, tensor) for tensor in stored)
    if param.frozen or not is_in_training(call):
        return [_normalized(call, x, (scale, bias), (mean, variance), param.eps)]
    return [_moved(call, x, _normalized_by_batch(call, x, param.eps)[0], scale, bias)]


def _segnet(call: Call) -> list[Blob]:
    """Return x * scale + shift, in mode LEARN of an x normalized by the batch, whose statistics may follow.

    So does github.com/alexgkendall/caffe-segnet in its bn_layer.cpp.
    """
    (x,) = bottoms(call, 1)
    refuse_axes(call, x, 4, 4)
    param = call.layer.bn_param
    shape = (1, x.shape[1], 1, 1)
    scale, shift = call.parameter(0, shape, param.scale_filler), call.parameter(1, shape, param.shift_filler)
    y = x.tensor
    statistics: tuple[str, ...] = ()
    if param.BNMode.Name(param.bn_mode) == "LEARN":
        y, statistics = _normalized_by_batch(call, x, param.var_eps)
    y = call.node("Add", [call.node("Mul", [y, scale]), shift])
    return [Blob(y, x.shape), *(Blob(tensor, shape) for tensor in statistics[: call.tops - 1])]


def _corrected(call: Call, mean: str, variance: str, divisor: str) -> tuple[str, str]:
    """Return statistics divided by the number that is stored with them, or zeros if that is 0."""
    is_zero = call.node("Equal", [divisor, call.constant([0])])
    divisor = call.node("Where", [is_zero, call.constant([np.inf]), divisor])
    return call.node("Div", [mean, divisor]), call.node("Div", [variance, divisor])


def _neutral(call: Call, channels: Sequence[int]) -> tuple[str, str]:
    return call.constant(np.ones(channels)), call.constant(np.zeros(channels))


def _flat(call: Call, tensor: str) -> str:
    return call.node("Reshape", [tensor, call.constant([-1], np.int64)])


def _normalized(
    call: Call, x: Blob, affine: tuple[str, str], statistics: tuple[str, str], eps: float
) -> Blob:
    """Return a blob normalized by given statistics, then scaled and shifted, all of them of its channels."""
    return Blob(call.node("BatchNormalization", [x.tensor, *affine, *statistics], epsilon=eps), x.shape)


def _normalized_by_batch(call: Call, x: Blob, eps: float) -> tuple[str, tuple[str, str]]:
    """Return a blob's values normalized by their own mean and variance in each channel, and these two."""
    call.mixes_images(x)
    axes = [axis for axis in range(x.rank) if axis != 1]
    average = mean(call, x.tensor, axes)
    centred = call.node("Sub", [x.tensor, average])
    variance = mean_square(call, centred, axes)
    deviation = call.node("Sqrt", [call.node("Add", [variance, call.constant(eps)])])
    return call.node("Div", [centred, deviation]), (average, variance)


def _moved(call: Call, x: Blob, y: str, scale: str, bias: str) -> Blob:
    """Return y, shaped as x, with its channels scaled and shifted."""
    y = call.node("Mul", [y, lined_up(call, scale, 1, 1, x)])
    return Blob(call.node("Add", [y, lined_up(call, bias, 1, 1, x)]), x.shape)
