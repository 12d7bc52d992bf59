"""Gradients of Scan."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from extract.differentiate import NoGradientError, backward
from extract.differentiate.scan import scans_unrolled

from .check import check
from .numbers import values

WEIGHT = values(3, 3, seed=1) / 2


def net(sizes: tuple[Any, ...], **attributes: Any) -> onnx.ModelProto:
    """Return a model whose state is multiplied by a weight from outside at each step."""
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["state", "w"], ["turned"]),
            helper.make_node("Sum", ["turned", "slice", "bias"], ["sum"]),
            helper.make_node("Tanh", ["sum"], ["new"]),
            helper.make_node("Mul", ["new", "slice"], ["part"]),
        ],
        "body",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("state", "slice")],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("new", "part")],
        [onnx.numpy_helper.from_array(values(3, seed=2), "bias")],
    )
    scan = helper.make_node("Scan", ["s", "x"], ["last", "y"], body=body, num_scan_inputs=1, **attributes)
    return helper.make_model(
        helper.make_graph(
            [scan],
            "net",
            [
                helper.make_tensor_value_info("s", TensorProto.FLOAT, [2, 3]),
                helper.make_tensor_value_info("x", TensorProto.FLOAT, sizes),
            ],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("last", "y")],
            [onnx.numpy_helper.from_array(WEIGHT, "w")],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=8,
    )


@pytest.mark.parametrize(
    ("sizes", "attributes"),
    [
        ((4, 2, 3), {}),
        ((1, 2, 3), {}),
        ((4, 2, 3), {"scan_input_directions": [1]}),
        ((4, 2, 3), {"scan_output_directions": [1]}),
        ((2, 4, 3), {"scan_input_axes": [1], "scan_output_axes": [2]}),
        ((2, 3, 4), {"scan_input_axes": [-1], "scan_output_axes": [-1]}),
    ],
)
def test_scan(sizes: tuple[int, ...], attributes: dict[str, Any]) -> None:
    """The steps give what onnxruntime gives, and their gradients are right; onnx's own Scan lacks axes."""
    proto = net(sizes, **attributes)
    feeds = {"s": values(2, 3), "x": values(*sizes)}

    steps = scans_unrolled(proto)

    assert "Scan" not in {node.op_type for node in steps.graph.node}
    for found, expected in zip(run(steps, feeds), run(proto, feeds), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    check(steps, feeds, ["s", "x", "w"], per_image=False)
    onnx.checker.check_model(backward(proto, "y", ["x", "w"]), full_check=True)


def run(proto: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[Any]:
    return list(onnxruntime.InferenceSession(proto.SerializeToString()).run(None, feeds))


def test_the_number_of_steps_must_be_known() -> None:
    with pytest.raises(NoGradientError, match="Scan node 'last'"):
        backward(net(("steps", 2, 3)), "y", ["x"])
