"""Targets on the way back, beside the gradients of the nodes that stand for them in a graph."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from extract.cotangents import cotangents
from extract.differentiate import backward
from extract.objective import with_objective
from extract.runner import Runner
from extract.targets import Target
from tests.extract.nets import model_of

SHAPE = (3, 5, 7, 2)
TARGETS = [
    (Target("a", (2, 3, 1)),),
    (Target("a", (4,)),),
    (Target("a", (4,), "max", -2.0),),
    (Target("a", None),),
    (Target("b", (1,), weight=0.5), Target("a", (0,), "max"), Target("b", None, weight=3.0)),
]


@pytest.mark.parametrize("targets", TARGETS)
def test_they_are_the_gradients_of_the_nodes(targets, tmp_path):
    rng = np.random.default_rng(3)
    # few different values, so that some tie
    values = {name: rng.integers(-9, 10, SHAPE).astype(np.float32) for name in "ab"}
    factors = np.float32([1, 0, -0.3])
    nodes = [helper.make_node("Identity", [f"in_{name}"], [name], name) for name in values]
    proto = model_of(nodes, {f"in_{name}": list(SHAPE) for name in values}, list(values), {}, 18)
    whole, objective = with_objective(proto, targets)
    tensors = list(dict.fromkeys(one.tensor for one in targets))
    runner = Runner(backward(whole, objective, tensors), tmp_path, [f"grad:{name}" for name in tensors])
    feeds = {f"in_{name}": value for name, value in values.items()}
    expected = runner.run({**feeds, f"seed:{objective}": factors})
    found = cotangents(targets, values, factors)
    assert list(found) == tensors
    for name, value in zip(tensors, expected, strict=True):
        np.testing.assert_allclose(found[name], value, rtol=1e-6, atol=0, err_msg=name)


def test_equals_share_a_maximum():
    values = {"a": np.float32([[[2, 5], [5, 1]], [[7, 1], [1, 0]]])}
    found = cotangents([Target("a", None)], values, np.float32([1, 10]))
    np.testing.assert_array_equal(found["a"], [[[0, 0.5], [0.5, 0]], [[10, 0], [0, 0]]])
