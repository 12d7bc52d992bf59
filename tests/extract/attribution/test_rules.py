"""Rules of the caller's own in `backward`."""

from __future__ import annotations

import numpy as np
import onnx.reference
import pytest
from onnx import helper

from extract.differentiate import NoGradientError, backward
from extract.differentiate.step import Gradient, Step
from tests.extract.nets import model_of


def doubled(step: Step) -> list[Gradient]:
    (gradient,) = step.gradients
    assert gradient is not None
    return [step.add("Mul", gradient, step.constant(2, step.inputs[0]))]


def test_a_rule_for_an_operator_that_has_none():
    node = helper.make_node("Double", ["x"], ["y"], "double", domain="my")
    proto = model_of([node], {"x": ["N", 3]}, ["y"], {})
    proto.opset_import.append(helper.make_opsetid("my", 1))
    with pytest.raises(NoGradientError, match="Double node 'double'"):
        backward(proto, "y", ["x"])
    made = [node.op_type for node in backward(proto, "y", ["x"], rules={"my.Double": doubled}).graph.node]
    assert made == ["Double", "Mul", "Identity"]


def test_a_rule_instead_of_an_operators_own():
    proto = model_of(
        [helper.make_node("Relu", ["x"], ["r"], "act"), helper.make_node("Neg", ["r"], ["y"], "neg")],
        {"x": ["N", 3]},
        ["y"],
        {},
    )
    feeds = {"x": np.array([[1, -1, 0]], np.float32), "seed:y": np.array([[1, 1, 3]], np.float32)}
    for rules, expected in (({"Relu": doubled}, [[-2, -2, -6]]), (None, [[-1, 0, 0]])):
        made = backward(proto, "y", ["x"], rules=rules)
        onnx.checker.check_model(made)
        (got,) = onnx.reference.ReferenceEvaluator(made).run(["grad:x"], feeds)
        np.testing.assert_array_equal(got, expected)
