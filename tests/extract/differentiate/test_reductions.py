"""Gradients of reductions."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from .check import check, check_node, node_model
from .gradient_of import gradient_of

_OPERATORS = [
    *("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd"),
    *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"),
]
_X = np.random.default_rng(4).uniform(0.4, 2.0, (2, 3, 4)).astype(np.float32)
_SIGNED = frozenset({"ReduceLogSum"})


def _values(operator: str) -> np.ndarray:
    """Return positive values where the operator wants them, else values of either sign."""
    signs = np.where(np.random.default_rng(5).random(_X.shape) < 0.5, -1, 1).astype(np.float32)
    return _X if operator in _SIGNED else _X * signs


@pytest.mark.parametrize("operator", _OPERATORS)
@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("axes", [[1], [-1], [2, 0], [0, -2, 2]])
def test_axes(operator: str, keepdims: int, axes: list[int]) -> None:
    inputs, weights = {"x": _values(operator)}, {"axes": np.array(axes)}

    for open_axes in ((0,), None, (0, 1, 2)):
        check_node(operator, inputs, weights, keepdims=keepdims, open_axes=open_axes)


@pytest.mark.parametrize("operator", _OPERATORS)
@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("noop", [0, 1])
@pytest.mark.parametrize("axes", [None, np.array([], np.int64)])
def test_no_axes_are_all_or_none(operator: str, keepdims: int, noop: int, axes: Any) -> None:
    inputs, weights = {"x": _values("ReduceLogSum" if noop else operator)}, {"axes": axes}

    # onnxruntime 1.32 gives an L1 of no axes, and others, as they are
    check_node(operator, inputs, weights, keepdims=keepdims, noop_with_empty_axes=noop, runtime=not noop)


@pytest.mark.parametrize("operator", _OPERATORS)
@pytest.mark.parametrize("keepdims", [0, 1])
def test_axes_that_are_an_input(operator: str, keepdims: int) -> None:
    proto, feeds = node_model(
        operator, {"x": _values(operator), "axes": np.array([-1, 0])}, keepdims=keepdims
    )
    # which no inference can tell
    shape = [1, None, 1] if keepdims else [None]
    proto.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("y0", onnx.TensorProto.FLOAT, shape))

    check(proto, feeds)


@pytest.mark.parametrize(("operator", "values"), [("ReduceMax", [1, 3, 3, 2]), ("ReduceMin", [4, 3, 3, 7])])
def test_values_that_tie_share_the_gradient(operator: str, values: list[int]) -> None:
    x = np.array([values], np.float32)

    assert gradient_of(operator, {"x": x}, wrt="x", seed=4.0).tolist() == [[0, 2, 2, 0]]


def test_products_with_zeros() -> None:
    x = np.array([[2, 0, 3], [0, 5, 0], [2, 3, 4]], np.float32)
    axes = {"axes": np.array([1])}

    found = gradient_of("ReduceProd", {"x": x}, axes, wrt="x")

    assert found.tolist() == [[0, 6, 0], [0, 0, 0], [12, 8, 6]]
    check_node("ReduceProd", {"x": x}, axes, keepdims=0)


@pytest.mark.parametrize("operator", ["ReduceL1", "ReduceL2"])
def test_norms_at_zero_have_slope_zero(operator: str) -> None:
    assert gradient_of(operator, {"x": np.zeros((2, 3), np.float32)}, wrt="x").tolist() == [[0] * 3] * 2
