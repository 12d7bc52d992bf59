"""Gradients of softmax and its logarithm."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from .check import check, check_node

_X = np.random.default_rng(8).normal(0, 1.5, (2, 3, 4)).astype(np.float32)


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("axis", [None, 0, 1, -2])
def test_axes(operator: str, axis: int | None) -> None:
    attributes = {} if axis is None else {"axis": axis}

    check_node(operator, {"x": _X}, **attributes)
    check_node(operator, {"x": _X}, open_axes=(0, 1, 2), **attributes)


def test_large_scores() -> None:
    check_node("Softmax", {"x": np.array([[900.0, 899.0, -900.0]], np.float32)})


@pytest.mark.filterwarnings("ignore:invalid value encountered in subtract")
def test_rows_that_are_masked_everywhere() -> None:
    """Exporters replace what is not a number behind the softmax; its gradient there is 0."""
    mask = np.array([[0, 1, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]], bool)
    nodes = [
        helper.make_node("Mul", ["x", "w"], ["scores"]),
        helper.make_node("Where", ["mask", "scores", "low"], ["masked"]),
        helper.make_node("Softmax", ["masked"], ["shares"]),
        helper.make_node("IsNaN", ["shares"], ["empty"]),
        helper.make_node("Where", ["empty", "zero", "shares"], ["y"]),
    ]
    stored = {"w": _X[0] + 2, "mask": mask, "low": np.float32(-np.inf), "zero": np.float32(0)}
    graph = helper.make_graph(
        nodes,
        "masked",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["images", 3, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in stored.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)

    check(proto, {"x": _X}, ["x", "w"])
