"""Composite operators and local functions become nodes that have rules."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from extract.differentiate.prepare import prepared
from extract.graph import graphs

X = np.random.default_rng(0).normal(size=(2, 6, 5)).astype(np.float32)
ONES = np.linspace(0.5, 2, 5, dtype=np.float32)


@pytest.mark.parametrize("opset", range(18, onnx.defs.onnx_opset_version() + 1))
@pytest.mark.parametrize(
    ("operator", "weights", "attributes"),
    [
        ("LayerNormalization", 2, {"axis": -1, "epsilon": 0.1}),
        ("Selu", 0, {}),
        ("Softmax", 0, {"axis": 1}),
        ("LogSoftmax", 0, {}),
        ("Mish", 0, {}),
        ("PRelu", 1, {}),
        ("MeanVarianceNormalization", 0, {"axes": [0, 2]}),
        ("ReduceL2", 0, {"keepdims": 1}),
        ("HardSwish", 0, {}),
    ],
)
def test_bodies_of_composites_mean_the_same(
    opset: int, operator: str, weights: int, attributes: dict[str, int | list[int]]
) -> None:
    old = _model([helper.make_node(operator, ["x", *["w"] * weights], ["y"], "node", **attributes)], opset)
    new = prepared(old, ())
    assert operator not in _operators(new)
    assert [value.name for value in new.graph.output] == ["y"]
    assert [entry.version for entry in new.opset_import] == [opset]
    onnx.checker.check_model(new, full_check=True)
    (expected,), (y,) = (ReferenceEvaluator(proto).run(None, {"x": X}) for proto in (old, new))
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


def test_only_operators_without_rules_are_expanded() -> None:
    model = _model([helper.make_node("Selu", ["x"], ["a"]), helper.make_node("Softmax", ["a"], ["y"])])
    assert _operators(prepared(model, ["Selu", "Softmax"])) == ["Selu", "Softmax"]
    new = _operators(prepared(model, ["Selu", "Exp", "Sub", "Div", "ReduceSum", "ReduceMax"]))
    assert new[0] == "Selu"
    assert "Softmax" not in new


def test_composites_in_bodies_of_composites() -> None:
    """The loss is made of LogSoftmax and NegativeLogLikelihoodLoss, which are composite too."""
    model = _model([helper.make_node("SoftmaxCrossEntropyLoss", ["x", "labels"], ["y"])], 18)
    labels = np.array([[0, 1, 2, 3, 4], [5, 4, 3, 2, 1]])
    model.graph.input.append(helper.make_tensor_value_info("labels", TensorProto.INT64, ["n", 5]))
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    new = prepared(model, ())
    assert not {"LogSoftmax", "NegativeLogLikelihoodLoss"} & set(_operators(new))
    (expected,), (y,) = (ReferenceEvaluator(m).run(None, {"x": X, "labels": labels}) for m in (model, new))
    np.testing.assert_allclose(y, expected, rtol=1e-5)


def test_composites_in_branches() -> None:
    branches = [
        helper.make_graph(
            [helper.make_node("LayerNormalization", ["x", "w"], [name], epsilon=epsilon)],
            name,
            [],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)],
        )
        for name, epsilon in (("t", 0.1), ("e", 1.0))
    ]
    node = helper.make_node("If", ["c"], ["y"], then_branch=branches[0], else_branch=branches[1])
    model = _model([node])
    model.graph.input.append(helper.make_tensor_value_info("c", TensorProto.BOOL, []))
    new = prepared(model, ())
    assert "LayerNormalization" not in _operators(new)
    for truth in (True, False):
        feeds = {"x": X, "c": np.array(truth)}
        (expected,), (y,) = (ReferenceEvaluator(m).run(None, feeds) for m in (model, new))
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


def test_external_weights_are_only_named() -> None:
    model = _model([helper.make_node("LayerNormalization", ["x", "w"], ["y"])])
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[5])
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "no-such-file"), ("offset", "64"), ("length", "20")):
        weight.external_data.add(key=key, value=value)
    model.graph.initializer[0].CopyFrom(weight)
    new = prepared(model, ())
    assert "LayerNormalization" not in _operators(new)
    assert new.graph.initializer[0] == weight
    assert "w" not in {value.name for value in new.graph.value_info}


def test_bodies_that_depend_on_unknown_types_stay_closed() -> None:
    model = _model(
        [
            helper.make_node("Unknown", ["x"], ["a"], domain="other"),
            helper.make_node("LayerNormalization", ["a", "w"], ["b"]),
            helper.make_node("Selu", ["b"], ["y"]),
        ]
    )
    model.opset_import.append(helper.make_opsetid("other", 1))
    new = _operators(prepared(model, ()))
    assert new[:2] == ["Unknown", "LayerNormalization"]
    assert "Selu" not in new


def test_local_functions() -> None:
    """Of an older operator set than the model's."""
    body = [
        helper.make_node("ReduceMean", ["a"], ["m"], axes=[1]),
        helper.make_node("Sub", ["a", "m"], ["b"]),
    ]
    function = helper.make_function("local", "Centre", ["a"], ["b"], body, [helper.make_opsetid("", 13)])
    model = _model([helper.make_node("Centre", ["x"], ["y"], domain="local")])
    model.opset_import.append(helper.make_opsetid("local", 1))
    model.functions.append(function)
    new = prepared(model, ["ReduceMean", "Sub"])
    assert [node for node in _operators(new) if node != "Constant"] == ["ReduceMean", "Sub"]
    (y,) = ReferenceEvaluator(new).run(None, {"x": X})
    np.testing.assert_allclose(y, X - X.mean(axis=1, keepdims=True), atol=1e-6)


def test_the_model_stays_as_it_is() -> None:
    model = _model([helper.make_node("LayerNormalization", ["x", "w"], ["y"])])
    before = model.SerializeToString()
    prepared(model, ())
    assert model.SerializeToString() == before


def _model(nodes: Sequence[onnx.NodeProto], opset: int = 18) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 6, 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "b", "c"])],
        [onnx.numpy_helper.from_array(ONES, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def _operators(proto: onnx.ModelProto) -> list[str]:
    return [node.op_type for graph in graphs(proto.graph) for node in graph.node]
