"""Normalizations by statistics: batch, instance, group, layer, root mean square, mean and variance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..registry import rule
from ..step import Gradient, Step
from .movement import only, reshaped_like

_SINGLE = np.dtype(np.float32)
_EPSILON = 1e-5


@dataclass(frozen=True)
class _Standard:
    """Standardized values x^ = (x - mean) / sqrt(var + eps), and what they were made by.

    Parameters
    ----------
    values : str
        x^.
    inverse : str
        1 / sqrt(var + eps), of size 1 along the axes.
    axes : str
        The axes of the statistics.
    kind : numpy.dtype
        The type of it all.
    centred : bool
        Whether the mean was taken off.
    """

    values: str
    inverse: str
    axes: str
    kind: np.dtype[Any]
    centred: bool


@rule("BatchNormalization", per_image=True)
def batch_normalization(step: Step) -> Sequence[Gradient]:
    """d/dx = G s, s = scale / sqrt(var + eps); d/dscale = sum(G (x - mean) / sqrt(var + eps)).

    With `training_mode` mean and var are those of x, and dx is that of `_through`: S. Ioffe, C. Szegedy,
    *Batch Normalization*, ICML 2015, section 3.
    """
    return _batch_training(step) if step.attribute("training_mode", 0) else _batch_inference(step)


@rule("InstanceNormalization", per_image=True)
def instance_normalization(step: Step) -> Sequence[Gradient]:
    """x^ = (x - mean) / sqrt(var + eps) over each channel of each image; dx as in `_through`."""
    (x, scale, _), g = step.inputs, only(step)
    spatial = list(range(2, step.rank(x)))
    unit = _standardized(step, x, spatial, step.dtype(x))
    return [
        _through(step, unit, step.add("Mul", g, _per_channel(step, scale))) if step.wants(0) else None,
        _channel_sum(step, step.add("Mul", g, unit.values), 1) if step.wants(1) else None,
        _channel_sum(step, g, 2) if step.wants(2) else None,
    ]


@rule("GroupNormalization", per_image=True)
def group_normalization(step: Step) -> Sequence[Gradient]:
    """x^ = (x - mean) / sqrt(var + eps) over each group of channels of each image; dx as in `_through`.

    Scale and bias have a value for each channel, or in operator sets 18 to 20 for each group.
    """
    x, scale, _ = step.inputs
    own, wide = step.dtype(x), _stash(step)
    parts = step.integers([0, *step.sizes(scale), -1])
    groups = step.integers([0, step.attribute("num_groups"), -1])
    g = step.add("Reshape", only(step), parts)
    unit = _standardized(step, _cast(step, step.add("Reshape", x, groups), own, wide), [2], wide)
    return [
        _group_input(step, unit, g, groups) if step.wants(0) else None,
        _group_scale(step, unit, g, parts) if step.wants(1) else None,
        _sum(step, g, _summed_axes(step, 2, 3)) if step.wants(2) else None,
    ]


@rule("LayerNormalization", per_image=True)
def layer_normalization(step: Step) -> Sequence[Gradient]:
    """x^ = (x - mean) / sqrt(var + eps) over the axes from `axis` on; dx as in `_through`.

    The gradient of the output Mean adds dm / n, that of InvStdDev adds - di inverse^2 x^ / n.
    """
    g, given_mean, given_inverse = (*step.gradients, None, None)[:3]
    x, scale = step.inputs[:2]
    own, wide = step.dtype(x), _stash(step)
    unit = _standardized(step, _cast(step, x, own, wide), _last_axes(step), wide)
    parts = []
    if g is not None and step.wants(0):
        parts.append(_through(step, unit, _cast(step, step.add("Mul", g, scale), own, wide)))
    if given_mean is not None:
        parts.append(_spread(step, given_mean, unit))
    if given_inverse is not None:
        squared = step.add("Mul", unit.inverse, unit.inverse)
        slope = step.add("Neg", step.add("Mul", given_inverse, squared))
        parts.append(step.add("Mul", _spread(step, slope, unit), unit.values))
    dx = step.add("Sum", *parts) if len(parts) > 1 else parts[0] if parts else None
    return [
        None if dx is None or not step.wants(0) else _cast(step, dx, wide, own),
        _layer_scale(step, unit) if g is not None and step.wants(1) else None,
        step.sum_to(g, step.inputs[2]) if g is not None and step.wants(2) else None,
    ]


@rule("RMSNormalization", per_image=True)
def rms_normalization(step: Step) -> Sequence[Gradient]:
    """x^ = x / sqrt(mean(x^2) + eps) over the axes from `axis` on; dx = inverse (H - x^ mean(H x^))."""
    (x, scale), g = step.inputs, only(step)
    own, wide = step.dtype(x), _stash(step)
    unit = _standardized(step, _cast(step, x, own, wide), _last_axes(step), wide, centred=False)
    h = _cast(step, step.add("Mul", g, scale), own, wide)
    return [
        _cast(step, _through(step, unit, h), wide, own) if step.wants(0) else None,
        _layer_scale(step, unit) if step.wants(1) else None,
    ]


@rule("MeanVarianceNormalization")
def mean_variance_normalization(step: Step) -> Sequence[Gradient]:
    """d/dx = (G - mean(G) - x^ mean(G y)) / (std + 1e-9), x^ = (x - mean) / std.

    Where all values are equal, x^ counts as 0.
    """
    x, g = step.inputs[0], only(step)
    axes = step.integers(step.attribute("axes", [0, 2, 3]))
    centred = step.add("Sub", x, _mean(step, x, axes))
    deviation = step.add("Sqrt", _mean(step, step.add("Mul", centred, centred), axes))
    flat = step.add("Equal", deviation, step.constant(0, x))
    unit = step.add("Div", centred, step.add("Where", flat, step.constant(1, x), deviation))
    slope = _mean(step, step.add("Mul", g, step.outputs[0]), axes)
    rest = step.add("Sub", step.add("Sub", g, _mean(step, g, axes)), step.add("Mul", unit, slope))
    return [step.add("Div", rest, step.add("Add", deviation, step.constant(1e-9, x)))]


def _batch_inference(step: Step) -> Sequence[Gradient]:
    x, scale, _, mean, variance = step.inputs
    own, stored, wide = step.dtype(x), step.dtype(mean), _widest(step)
    g = _cast(step, only(step), own, wide)
    power = _cast(step, variance, stored, wide)
    power = step.add("Add", power, _number(step, step.attribute("epsilon", _EPSILON), wide))
    inverse = step.add("Reciprocal", step.add("Sqrt", power))
    gain = step.add("Mul", _cast(step, scale, step.dtype(scale), wide), inverse)
    centre = _per_channel(step, _cast(step, mean, stored, wide))

    def moment(index: int) -> str:
        centred = step.add("Sub", _cast(step, x, own, wide), centre)
        return step.add("Mul", _channel_sum(step, step.add("Mul", g, centred), index), inverse)

    def of_mean() -> str:
        return step.add("Neg", step.add("Mul", _channel_sum(step, g, 3), gain))

    def of_variance() -> str:
        slope = step.add("Div", step.add("Mul", gain, _number(step, -0.5, wide)), step.add("Sqrt", power))
        return step.add("Mul", moment(4), slope)

    makers: tuple[Callable[[], str], ...] = (
        lambda: step.add("Mul", g, _per_channel(step, gain)),
        lambda: moment(1),
        lambda: _channel_sum(step, g, 2),
        of_mean,
        of_variance,
    )
    return [
        _cast(step, make(), wide, step.dtype(name)) if wanted else None
        for make, name, wanted in zip(makers, step.inputs, step.wanted, strict=True)
    ]


def _batch_training(step: Step) -> Sequence[Gradient]:
    """Return the gradients where the batch's own statistics are used, and flow into the running ones."""
    if any(step.shared):
        raise step.apart("in training mode, images depend on each other")
    g, running_mean, running_variance = (*step.gradients, None, None)[:3]
    x, scale, _, mean, _ = step.inputs
    own, stored, wide = step.dtype(x), step.dtype(mean), _widest(step)
    momentum = step.attribute("momentum", 0.9)
    unit = _standardized(step, _cast(step, x, own, wide), _summed_axes(step, 0, step.rank(x)), wide)
    parts, by_scale, by_bias = [], None, None
    if g is not None:
        g = _cast(step, g, own, wide)
        gain = _per_channel(step, _cast(step, scale, step.dtype(scale), wide))
        parts.append(_through(step, unit, step.add("Mul", g, gain)))
        by_scale = _channel_sum(step, step.add("Mul", g, unit.values), 1)
        by_bias = _channel_sum(step, g, 2)
    if running_mean is not None:
        new = step.add("Mul", _cast(step, running_mean, stored, wide), _number(step, 1 - momentum, wide))
        parts.append(_spread(step, _per_channel(step, new), unit))
    if running_variance is not None:
        new = step.add(
            "Mul", _cast(step, running_variance, stored, wide), _number(step, 2 - 2 * momentum, wide)
        )
        centred = step.add("Div", unit.values, unit.inverse)
        parts.append(step.add("Mul", _spread(step, _per_channel(step, new), unit), centred))
    found = (
        step.add("Sum", *parts),
        by_scale,
        by_bias,
        _kept(step, running_mean, momentum),
        _kept(step, running_variance, momentum),
    )
    kinds = (wide, wide, wide, stored, stored)
    return [
        _cast(step, gradient, kind, step.dtype(name)) if gradient is not None and wanted else None
        for gradient, kind, name, wanted in zip(found, kinds, step.inputs, step.wanted, strict=True)
    ]


def _kept(step: Step, running: Gradient, momentum: float) -> Gradient:
    """Return the gradient of an old running statistic."""
    return None if running is None else step.add("Mul", running, step.constant(momentum, step.inputs[3]))


def _group_input(step: Step, unit: _Standard, g: str, groups: str) -> str:
    x, scale = step.inputs[:2]
    own = step.dtype(x)
    h = step.add("Reshape", step.add("Mul", g, step.add("Unsqueeze", scale, step.integers([1]))), groups)
    dx = _through(step, unit, _cast(step, h, own, unit.kind))
    return reshaped_like(step, _cast(step, dx, unit.kind, own), x)


def _group_scale(step: Step, unit: _Standard, g: str, parts: str) -> str:
    values = step.add("Reshape", _cast(step, unit.values, unit.kind, step.dtype(step.inputs[0])), parts)
    return _sum(step, step.add("Mul", g, values), _summed_axes(step, 1, 3))


def _layer_scale(step: Step, unit: _Standard) -> str:
    g = step.gradients[0]
    assert g is not None
    values = _cast(step, unit.values, unit.kind, step.dtype(step.inputs[0]))
    return step.sum_to(step.add("Mul", g, values), step.inputs[1])


def _standardized(
    step: Step, x: str, axes: Sequence[int], kind: np.dtype[Any], *, centred: bool = True
) -> _Standard:
    over = step.integers(axes)
    moved = step.add("Sub", x, _mean(step, x, over)) if centred else x
    variance = _mean(step, step.add("Mul", moved, moved), over)
    epsilon = _number(step, step.attribute("epsilon", _EPSILON), kind)
    inverse = step.add("Reciprocal", step.add("Sqrt", step.add("Add", variance, epsilon)))
    return _Standard(step.add("Mul", moved, inverse), inverse, over, kind, centred)


def _through(step: Step, unit: _Standard, h: str) -> str:
    """Return inverse (H - mean(H) - x^ mean(H x^)), of H the gradient of x^; without mean(H) if uncentred."""
    slope = _mean(step, step.add("Mul", h, unit.values), unit.axes)
    rest = step.add("Sub", h, _mean(step, h, unit.axes)) if unit.centred else h
    return step.add("Mul", unit.inverse, step.add("Sub", rest, step.add("Mul", unit.values, slope)))


def _spread(step: Step, gradient: str, unit: _Standard) -> str:
    """Return the gradient of each value of which a mean was taken: 1 / n of the mean's."""
    size = step.add("ReduceProd", step.add("Gather", step.shape_of(step.inputs[0]), unit.axes), keepdims=0)
    share = step.add("Div", gradient, _cast(step, size, np.dtype(np.int64), unit.kind))
    return step.add("Expand", share, step.shape_of(step.inputs[0]))


def _mean(step: Step, tensor: str, axes: str) -> str:
    return step.add("ReduceMean", tensor, axes, keepdims=1)


def _sum(step: Step, tensor: str, axes: Sequence[int]) -> str:
    return step.add("ReduceSum", tensor, step.integers(axes), keepdims=0) if axes else tensor


def _summed_axes(step: Step, index: int, rank: int) -> list[int]:
    """Return the axes over which a channel's gradient is summed: all but channels, and images if apart."""
    return [axis for axis in range(rank) if axis != 1 and not (axis == 0 and step.shared[index])]


def _channel_sum(step: Step, tensor: str, index: int) -> str:
    """Sum over all but channels, and images if input `index` is shared."""
    return _sum(step, tensor, _summed_axes(step, index, step.rank(step.inputs[0])))


def _per_channel(step: Step, tensor: str) -> str:
    """Return a value for each channel in a shape that broadcasts to the first input's."""
    rank = step.rank(step.inputs[0])
    return step.add("Reshape", tensor, step.integers([-1] + [1] * (rank - 2))) if rank > 2 else tensor


def _last_axes(step: Step) -> list[int]:
    rank = step.rank(step.inputs[0])
    return list(range(step.attribute("axis", -1) % rank, rank))


def _stash(step: Step) -> np.dtype[Any]:
    """Return the type of the first input, or of `stash_type` if that is wider."""
    import onnx

    stash = onnx.helper.tensor_dtype_to_np_dtype(step.attribute("stash_type", onnx.TensorProto.FLOAT))
    return np.promote_types(step.dtype(step.inputs[0]), stash if stash.kind == "f" else _SINGLE)


def _widest(step: Step) -> np.dtype[Any]:
    """Return the widest type of the inputs."""
    return np.result_type(*(step.dtype(name) for name in step.inputs))


def _number(step: Step, value: float, kind: np.dtype[Any]) -> str:
    return step.workshop.constant(value, kind)


def _cast(step: Step, tensor: str, source: np.dtype[Any], target: np.dtype[Any]) -> str:
    import onnx

    if source == target:
        return tensor
    return step.add("Cast", tensor, to=onnx.helper.np_dtype_to_tensor_dtype(target))
