"""Layers that bend each value by itself."""

from __future__ import annotations

from typing import Any

from ..call import Blob, Call, UnsupportedError
from ..rules import rule
from .broadcast import lined_up, refuse_axes
from .checks import bottoms, refuse_in_place
from .training import is_in_training


@rule("ReLU")
def relu(call: Call) -> list[Blob]:
    """Return max(x, 0) + negative_slope * min(x, 0)."""
    slope = call.layer.relu_param.negative_slope
    return _of_each(call, "LeakyRelu", alpha=slope) if slope else _of_each(call, "Relu")


@rule("ReLU6")
def relu6(call: Call) -> list[Blob]:
    """Return a ReLU's values, at most 6 or another threshold."""
    param = call.layer.relu6_param
    (x,) = bottoms(call, 1)
    threshold = call.constant(param.threshold)
    if not param.negative_slope:
        return [Blob(call.node("Clip", [x.tensor, call.constant(0), threshold]), x.shape)]
    y = call.node("LeakyRelu", [x.tensor], alpha=param.negative_slope)
    return [Blob(call.node("Min", [y, threshold]), x.shape)]


@rule("PReLU")
def prelu(call: Call) -> list[Blob]:
    """Return max(x, 0) + slope * min(x, 0) with a learned slope a channel, or one for all."""
    (x,) = bottoms(call, 1)
    refuse_axes(call, x, 2, 4)
    param = call.layer.prelu_param
    shape = () if param.channel_shared else x.shape[1:2]
    slope = call.parameter(0, shape, param.filler if param.HasField("filler") else 0.25)
    return [Blob(call.node("PRelu", [x.tensor, lined_up(call, slope, len(shape), 1, x)]), x.shape)]


@rule("ELU")
def elu(call: Call) -> list[Blob]:
    """Return x above 0, else alpha * (exp(x) - 1)."""
    return _of_each(call, "Elu", alpha=call.layer.elu_param.alpha)


@rule("Swish")
def swish(call: Call) -> list[Blob]:
    """Return x * sigmoid(beta * x)."""
    (x,) = bottoms(call, 1)
    beta = call.layer.swish_param.beta
    scaled = x.tensor if beta == 1 else call.node("Mul", [x.tensor, call.constant(beta)])
    return [Blob(call.node("Mul", [x.tensor, call.node("Sigmoid", [scaled])]), x.shape)]


@rule("Sigmoid")
def sigmoid(call: Call) -> list[Blob]:
    """Return 1 / (1 + exp(-x))."""
    return _of_each(call, "Sigmoid")


@rule("TanH")
def tanh(call: Call) -> list[Blob]:
    """Return the hyperbolic tangent."""
    return _of_each(call, "Tanh")


@rule("BNLL")
def bnll(call: Call) -> list[Blob]:
    """Return log(1 + exp(x)), the binomial normal log likelihood."""
    return _of_each(call, "Softplus")


@rule("AbsVal")
def absval(call: Call) -> list[Blob]:
    """Return magnitudes."""
    refuse_in_place(call)
    return _of_each(call, "Abs")


@rule("Threshold")
def threshold(call: Call) -> list[Blob]:
    """Return 1 for values above the threshold and 0 for others."""
    import onnx

    (x,) = bottoms(call, 1)
    above = call.node("Greater", [x.tensor, call.constant(call.layer.threshold_param.threshold)])
    return [Blob(call.node("Cast", [above], to=onnx.TensorProto.FLOAT), x.shape)]


@rule("Clip")
def clip(call: Call) -> list[Blob]:
    """Return max(min, min(x, max))."""
    (x,) = bottoms(call, 1)
    param = call.layer.clip_param
    if call.layer.HasField("clip_param") and not (param.HasField("min") and param.HasField("max")):
        raise call.error("clip_param needs min and max")
    bounds = [param.min, max(param.min, param.max)]
    return [Blob(call.node("Clip", [x.tensor, *map(call.constant, bounds)]), x.shape)]


@rule("Dropout")
def dropout(call: Call) -> list[Blob]:
    """Return the values as they are, but scaled if training did not scale those that it kept."""
    (x,) = bottoms(call, 1)
    param = call.layer.dropout_param
    if is_in_training(call):
        raise UnsupportedError("its phase is TRAIN, so it drops values at random")
    if param.sample_weights_test:
        raise UnsupportedError("its sample_weights_test lets it drop values at random")
    if param.scale_train:
        return [x]
    return [Blob(call.node("Mul", [x.tensor, call.constant(1 - param.dropout_ratio)]), x.shape)]


def _of_each(call: Call, operator: str, **attributes: Any) -> list[Blob]:
    (x,) = bottoms(call, 1)
    return [Blob(call.node(operator, [x.tensor], **attributes), x.shape)]
