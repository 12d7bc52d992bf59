"""A small 3-D segmentation network in the manner of U-Net, with seeded weights."""

from __future__ import annotations

import math

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# z, y, x of the volumes that it takes; all are multiples of 4, and none equals another.
SIZES = (4, 8, 12)
CHANNELS, CLASSES = 2, 3


def segmentation(batch: int | str = "N") -> onnx.ModelProto:
    """Return the network: volumes of `CHANNELS` channels in, probabilities of `CLASSES` for each voxel out.

    Two levels down by strided convolutions, up again by transposed ones, with skip connections across (Cicek
    et al., 3D U-Net, arXiv:1606.06650); instance normalization and leaky ReLU behind each convolution
    (Isensee et al., nnU-Net, arXiv:1809.10486). The convolutions are ``down0``, ``down1``, ``bottom``,
    ``up1_up``, ``up1``, ``up0_up``, ``up0`` and ``out``, the class scores before softmax ``prob``.
    """
    rng = np.random.default_rng(0)
    nodes: list[onnx.NodeProto] = []
    weights: dict[str, np.ndarray] = {}

    def filters(name: str, fan_in: int, *shape: int) -> str:
        weights[f"{name}_w"] = math.sqrt(2 / fan_in) * rng.standard_normal(shape, np.float32)
        return f"{name}_w"

    def bias(name: str, size: int) -> str:
        weights[f"{name}_b"] = 0.1 * rng.standard_normal(size, np.float32)
        return f"{name}_b"

    def add(operator: str, inputs: list[str], name: str, **attributes: object) -> str:
        nodes.append(helper.make_node(operator, inputs, [f"{name}_y"], name, **attributes))
        return f"{name}_y"

    def level(x: str, name: str, before: int, after: int, stride: int) -> str:
        # a bias here would be taken away again by the normalization
        given = [x, filters(name, before * 27, after, before, 3, 3, 3)]
        y = add("Conv", given, name, strides=[stride] * 3, pads=[1] * 6, kernel_shape=[3] * 3)
        weights[f"{name}_norm_w"] = rng.uniform(0.5, 1.5, after).astype(np.float32)
        given = [y, f"{name}_norm_w", bias(f"{name}_norm", after)]
        y = add("InstanceNormalization", given, f"{name}_norm")
        return add("LeakyRelu", [y], f"{name}_relu", alpha=0.01)

    def up(x: str, across: str, name: str, before: int, after: int) -> str:
        given = [x, filters(f"{name}_up", before, before, after, 2, 2, 2), bias(f"{name}_up", after)]
        y = add("ConvTranspose", given, f"{name}_up", strides=[2] * 3, kernel_shape=[2] * 3)
        return add("Concat", [y, across], f"{name}_skip", axis=1)

    down0 = level("volume", "down0", CHANNELS, 4, 1)
    down1 = level(down0, "down1", 4, 6, 2)
    bottom = level(down1, "bottom", 6, 8, 2)
    up1 = level(up(bottom, down1, "up1", 8, 6), "up1", 12, 6, 1)
    up0 = level(up(up1, down0, "up0", 6, 4), "up0", 8, 4, 1)
    given = [up0, filters("out", 4, CLASSES, 4, 1, 1, 1), bias("out", CLASSES)]
    scores = add("Conv", given, "out", kernel_shape=[1] * 3)
    add("Softmax", [scores], "prob", axis=1)
    graph = helper.make_graph(
        nodes,
        "segmentation",
        [helper.make_tensor_value_info("volume", TensorProto.FLOAT, [batch, CHANNELS, "D", "H", "W"])],
        [helper.make_tensor_value_info("prob_y", TensorProto.FLOAT, [batch, CLASSES, "D", "H", "W"])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
