"""An ONNX network of a few operators as torch runs it eagerly: the same weights, torch's own functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import onnx
import torch
from torch.nn import functional

Values = dict[str, Any]
Attributes = Mapping[str, Any]


def _padded(x: Any, pads: list[int], fill: float = 0.0) -> tuple[Any, int | list[int]]:
    """Return a picture and the padding that is left for the operator: none where it is not symmetric."""
    top, left, bottom, right = pads
    if (top, left) == (bottom, right):
        return x, [top, left]
    return functional.pad(x, (left, right, top, bottom), value=fill), 0


def _conv(a: Attributes, x: Any, weight: Any, bias: Any = None) -> Any:
    x, padding = _padded(x, a.get("pads", [0] * 4))
    return functional.conv2d(
        x, weight, bias, a.get("strides", 1), padding, a.get("dilations", 1), a.get("group", 1)
    )


def _max_pool(a: Attributes, x: Any) -> Any:
    x, padding = _padded(x, a.get("pads", [0] * 4), float("-inf"))
    ceil = bool(a.get("ceil_mode", 0))
    return functional.max_pool2d(x, a["kernel_shape"], a.get("strides", 1), padding, ceil_mode=ceil)


def _batch_norm(a: Attributes, x: Any, scale: Any, bias: Any, mean: Any, variance: Any) -> Any:
    return functional.batch_norm(x, mean, variance, scale, bias, eps=a.get("epsilon", 1e-5))


def _lrn(a: Attributes, x: Any) -> Any:
    return functional.local_response_norm(
        x, a["size"], a.get("alpha", 1e-4), a.get("beta", 0.75), a.get("bias", 1.0)
    )


def _gemm(a: Attributes, x: Any, weight: Any, bias: Any) -> Any:
    return functional.linear(x, weight if a.get("transB", 0) else weight.T, bias)


OPERATORS: Mapping[str, Callable[..., Any]] = {
    "Add": lambda a, x, y: x + y,
    "BatchNormalization": _batch_norm,
    "Clip": lambda a, x, low, high: torch.clamp(x, low.item(), high.item()),
    "Conv": _conv,
    "Dropout": lambda a, x, *_: x,
    "Flatten": lambda a, x: x.flatten(a.get("axis", 1)),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda a, x: functional.adaptive_avg_pool2d(x, 1),
    "Identity": lambda a, x: x,
    "LRN": _lrn,
    "MaxPool": _max_pool,
    "Relu": lambda a, x: functional.relu(x),
    "Reshape": lambda a, x, shape: x.reshape(
        [size or x.shape[axis] for axis, size in enumerate(shape.tolist())]
    ),
}


class TorchNetwork:
    """A network, node by node.

    Parameters
    ----------
    proto : onnx.ModelProto
        Its graph, of the operators in `OPERATORS`.
    constants : mapping of str to ndarray
        Values of its initializers; they are shared, not copied.
    """

    def __init__(self, proto: onnx.ModelProto, constants: Mapping[str, Any]) -> None:
        self.constants = {name: torch.from_numpy(value) for name, value in constants.items()}
        self._nodes = [
            (
                OPERATORS[node.op_type],
                {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute},
                list(node.input),
                node.output[0],
            )
            for node in proto.graph.node
        ]
        reads = [name for _, _, inputs, _ in self._nodes for name in inputs]
        self._last = {name: number for number, (_, _, inputs, _) in enumerate(self._nodes) for name in inputs}
        self._inputs = [value.name for value in proto.graph.input if value.name in reads]

    def __call__(self, x: Any) -> Any:
        """Return the last node's output; values go as soon as no later node reads them."""
        (name,) = (name for name in self._inputs if name not in self.constants)
        values: Values = {**self.constants, name: x}
        for number, (function, attributes, inputs, output) in enumerate(self._nodes):
            values[output] = function(attributes, *(values[name] for name in inputs))
            for name in inputs:
                if self._last[name] == number:
                    values.pop(name, None)
        return values[output]
