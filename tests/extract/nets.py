"""Small networks with hand-set weights, and a way to save them as users would have them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Shape = Sequence[int | str | None]


def model_of(
    nodes: Sequence[onnx.NodeProto],
    inputs: dict[str, Shape],
    outputs: Sequence[str],
    weights: dict[str, np.ndarray],
    opset: int = 17,
    kind: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """Return a model whose output shapes are left to inference."""
    graph = helper.make_graph(
        list(nodes),
        "net",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def classifier(kernels: np.ndarray, matrix: np.ndarray) -> onnx.ModelProto:
    """Return conv1, relu1, pool, flat, fc: a score a class of the means of maps; for pictures of 7 x 11.

    Shapes of kernels (filters, 1, rows, columns), and of the matrix (filters, classes).
    """
    return model_of(
        [
            helper.make_node("Conv", ["x", "w"], ["c"], "conv1"),
            helper.make_node("Relu", ["c"], ["r"], "relu1"),
            helper.make_node("GlobalAveragePool", ["r"], ["p"], "pool"),
            helper.make_node("Flatten", ["p"], ["f"], "flat"),
            helper.make_node("Gemm", ["f", "fw"], ["y"], "fc"),
        ],
        {"x": ["N", 1, 7, 11]},
        ["y"],
        {"w": kernels, "fw": matrix},
    )


def toy(opset: int = 17, **shape: Shape) -> onnx.ModelProto:
    """Return conv1 (2 filters of 2 x 2: a window's sum, and its top left minus its bottom right), relu1, fc.

    For x = 0..8 in a 3 x 3 picture, conv1 is [[8, 12], [20, 24]] and -4 + 1 everywhere.
    """
    kernels = np.array([[[[1, 1], [1, 1]]], [[[1, 0], [0, -1]]]], np.float32)
    return model_of(
        [
            helper.make_node("Conv", ["x", "conv1_w", "conv1_b"], ["c"], "conv1"),
            helper.make_node("Relu", ["c"], ["r"], "relu1"),
            helper.make_node("Flatten", ["r"], ["f"], "flat"),
            helper.make_node("Gemm", ["f", "fc_w", "fc_b"], ["y"], "fc", transB=1),
        ],
        {"x": shape.get("x", ["N", 1, 3, 3])},
        ["y"],
        {
            "conv1_w": kernels,
            "conv1_b": np.array([0, 1], np.float32),
            "fc_w": np.arange(16, dtype=np.float32).reshape(2, 8),
            "fc_b": np.array([0.5, -0.5], np.float32),
        },
        opset,
    )


NINE = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
CONV1 = np.array([[[[8, 12], [20, 24]], [[-3, -3], [-3, -3]]]], np.float32)


def save(proto: onnx.ModelProto, folder: Path, name: str = "net.onnx") -> Path:
    """Write a model and return its path."""
    path = folder / name
    onnx.save(proto, path)
    return path
