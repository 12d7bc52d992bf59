"""Shapes are those that onnxruntime gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from extract.shapes import infer

# sizes, and attributes of a pool in ceil mode; in the first ones a last window would start behind the padding
POOLS: list[tuple[tuple[int, int], dict[str, Any]]] = [
    ((5, 7), {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ((5, 8), {"kernel_shape": [1, 2], "strides": [3, 4]}),
    ((7, 6), {"kernel_shape": [3, 2], "strides": [4, 1], "pads": [0, 1, 2, 0]}),
    ((6, 8), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ((6, 8), {"kernel_shape": [3, 2], "strides": [2, 2]}),
]


def net(opset: int, nodes: list[onnx.NodeProto], shape: tuple[Any, ...]) -> onnx.ModelProto:
    channels = helper.make_tensor_value_info("channels", TensorProto.FLOAT, [shape[1]])
    return helper.make_model(
        helper.make_graph(
            nodes,
            "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape), channels],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        ),
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=4,
    )


@pytest.mark.parametrize(("sizes", "attributes"), POOLS)
@pytest.mark.parametrize(
    ("operator", "opset"),
    [("MaxPool", 10), ("MaxPool", 18), ("MaxPool", 22), ("AveragePool", 11), ("LpPool", 18)],
)
def test_pools_in_ceil_mode(
    operator: str, opset: int, sizes: tuple[int, int], attributes: dict[str, Any]
) -> None:
    nodes = [
        helper.make_node(operator, ["x"], ["p"], ceil_mode=1, **attributes),
        helper.make_node("Relu", ["p"], ["y"]),
    ]
    proto = net(opset, nodes, ("n", 3, *sizes))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options)
    feeds = {"x": np.zeros((2, 3, *sizes), np.float32), "channels": np.zeros(3, np.float32)}
    (y,) = session.run(None, feeds)

    assert infer(proto, {})["y"] == (None, *y.shape[1:])
    # what onnx finds by itself and exporters write into files
    stale = onnx.shape_inference.infer_shapes(proto)
    assert infer(stale, {})["y"] == (None, *y.shape[1:])


def test_both_outputs_of_a_pool_in_ceil_mode() -> None:
    pool = helper.make_node("MaxPool", ["x"], ["y", "where"], ceil_mode=1, **POOLS[0][1])

    found = infer(net(12, [pool], (2, 3, *POOLS[0][0])), {})

    assert found["y"] == found["where"] == (2, 3, 3, 4)


@pytest.mark.parametrize("opset", [18, 21, 25])
@pytest.mark.parametrize("operator", ["GroupNormalization", "MeanVarianceNormalization"])
def test_normalizations_keep_the_shape(operator: str, opset: int) -> None:
    group = operator == "GroupNormalization"
    inputs, options = (["x", "channels", "channels"], {"num_groups": 2}) if group else (["x"], {})
    nodes = [helper.make_node(operator, inputs, ["n"], **options), helper.make_node("Relu", ["n"], ["y"])]

    assert infer(net(opset, nodes, ("images", 4, 5, 7)), {})["y"] == (None, 4, 5, 7)
