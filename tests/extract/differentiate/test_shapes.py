"""Gradients that need sizes which onnx's own shape inference gets wrong, or does not find."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from .check import check
from .numbers import values

WEIGHTS = {
    "w1": values(4, 3, 3, 3, seed=1),
    "b1": values(4, seed=2),
    "scale": values(4, seed=3),
    "shift": values(4, seed=4),
    "w2": values(6, 2, 1, 2, seed=5) / 2,
    "slope": values(6, 1, 1, seed=6),
    "b3": values(5, seed=7),
}


def net(opset: int, sizes: tuple[Any, ...], nodes: list[onnx.NodeProto], **further: np.ndarray) -> Any:
    """Return a network of nodes from x to y; its weights are `WEIGHTS` and further ones."""
    used = {name for node in nodes for name in node.input}
    stored = {name: value for name, value in {**WEIGHTS, **further}.items() if name in used}
    return helper.make_model(
        helper.make_graph(
            nodes,
            "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["images", 3, *sizes])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [onnx.numpy_helper.from_array(value, name) for name, value in stored.items()],
        ),
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=8,
    )


@pytest.mark.parametrize("pool", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("opset", [11, 18])
@pytest.mark.parametrize("sizes", [(5, 7), ("height", "width")], ids=["sizes", "open sizes"])
def test_a_pool_of_caffe(opset: int, pool: str, sizes: tuple[Any, ...]) -> None:
    """In ceil mode with padding; onnx counts a last row and column of windows behind it."""
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node(
            pool, ["c1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1
        ),
        helper.make_node("Conv", ["p1", "w2"], ["c2"], kernel_shape=[1, 2], strides=[2, 1], group=2),
        helper.make_node("PRelu", ["c2", "slope"], ["r2"]),
        helper.make_node("Flatten", ["r2"], ["f"]),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["y"], transB=1),
    ]
    proto = net(opset, sizes, nodes, w3=values(5, 6 * 2 * 3) / 4)

    check(proto, {"x": values(2, 3, 5, 7)}, per_image=True)


@pytest.mark.parametrize("opset", [18, 21])
@pytest.mark.parametrize("sizes", [(5, 7), ("height", "width")], ids=["sizes", "open sizes"])
def test_behind_normalizations(opset: int, sizes: tuple[Any, ...]) -> None:
    """No shapes come out of onnx's inference behind them; strided Conv and PRelu need them."""
    channels = ["scale", "shift"] if opset >= 21 else ["half", "half"]
    nodes = [
        helper.make_node("MeanVarianceNormalization", ["x"], ["m"], axes=[2, 3]),
        helper.make_node("Conv", ["m", "w1", "b1"], ["c1"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("GroupNormalization", ["c1", *channels], ["g"], num_groups=2),
        helper.make_node("Conv", ["g", "w2"], ["c2"], strides=[2, 1], group=2),
        helper.make_node("PRelu", ["c2", "slope"], ["r2"]),
        helper.make_node("GlobalAveragePool", ["r2"], ["a"]),
        helper.make_node("Flatten", ["a"], ["f"]),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["y"], transB=1),
    ]
    proto = net(opset, sizes, nodes, w3=values(5, 6), half=values(2))

    check(proto, {"x": values(2, 3, 5, 7)}, per_image=True)
