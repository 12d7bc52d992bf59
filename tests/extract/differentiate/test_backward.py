"""The walk back through a graph, whatever the rules."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from extract.differentiate import NoGradientError, SharedGradientError, backward
from extract.differentiate.registry import Entry, entries
from extract.differentiate.step import Gradient, Step
from extract.errors import ModelError
from tests.extract.differentiate.check import Backward, check

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3, 4)).astype(np.float32)
W = RNG.normal(size=(3, 1)).astype(np.float32)


def _model(
    *nodes: tuple[str, Sequence[str], Sequence[str]], outputs: Sequence[str] = ("y",)
) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node(kind, reads, makes, f"node {i}") for i, (kind, reads, makes) in enumerate(nodes)],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 4])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3, 4]) for name in outputs],
        [onnx.numpy_helper.from_array(W, "w"), onnx.numpy_helper.from_array(np.array([0, -1]), "shape")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


CHAIN = _model(("Mul", ["x", "w"], ["a"]), ("Relu", ["a"], ["b"]), ("Mul", ["b", "b"], ["y"]))


def test_gradients_of_weights_inputs_and_what_lies_between() -> None:
    check(CHAIN, {"x": X}, ["w", "x", "a", "b"])


@pytest.mark.parametrize("output", ["a", "b", "y"])
def test_any_tensor_can_be_differentiated(output: str) -> None:
    check(CHAIN, {"x": X}, ["w", "x"], output, per_image=True)


def test_branches_that_meet_again_add_up() -> None:
    model = _model(
        ("Mul", ["x", "w"], ["a"]),
        ("Relu", ["a"], ["b"]),
        ("Sub", ["b", "a"], ["c"]),
        ("Mul", ["c", "w"], ["d"]),
        ("Add", ["d", "x"], ["y"]),
    )
    check(model, {"x": X}, ["w", "x", "a"], per_image=True)


def test_a_tensor_read_twice_by_one_node() -> None:
    check(_model(("Mul", ["x", "x"], ["y"])), {"x": X}, ["x"])


def test_several_outputs() -> None:
    model = _model(("Mul", ["x", "w"], ["y"]), ("Relu", ["y"], ["z"]), outputs=["y", "z"])
    check(model, {"x": X}, ["w", "x"])


def test_the_interface_is_as_agreed() -> None:
    before = CHAIN.SerializeToString()
    model = backward(CHAIN, "y", ["w", "a"])
    assert CHAIN.SerializeToString() == before
    assert [value.name for value in model.graph.input] == ["x", "seed:y"]
    assert [value.name for value in model.graph.output] == ["y", "grad:w", "grad:a"]
    shapes = {
        value.name: [d.dim_value for d in value.type.tensor_type.shape.dim] for value in model.graph.output
    }
    assert shapes == {"y": [0, 3, 4], "grad:w": [3, 1], "grad:a": [0, 3, 4]}
    assert all(node.name for node in model.graph.node)
    names = [name for node in model.graph.node for name in node.output]
    assert len(names) == len(set(names))


def test_the_gradient_of_a_tensor_by_itself_is_the_seed() -> None:
    found = Backward(backward(CHAIN, "b", ["b"]), {"x": X}, "b").run(np.full(X.shape, 3.0))
    assert (found["grad:b"] == 3).all()


def test_what_the_output_does_not_depend_on_has_gradient_zero() -> None:
    model = _model(("Mul", ["x", "w"], ["a"]), ("Relu", ["x"], ["y"]), outputs=["y", "a"])
    found = Backward(backward(model, "y", ["w", "a", "x"]), {"x": X}, "y").run(np.ones(X.shape))
    assert found["grad:w"].shape == W.shape
    assert found["grad:a"].shape == X.shape
    assert not found["grad:w"].any()
    assert not found["grad:a"].any()
    np.testing.assert_array_equal(found["grad:x"], X > 0)


def test_nothing_passes_what_does_not_change_smoothly() -> None:
    model = _model(
        ("Mul", ["x", "w"], ["a"]),
        ("Round", ["a"], ["b"]),
        ("Sign", ["b"], ["c"]),
        ("Add", ["c", "x"], ["y"]),
    )
    found = Backward(backward(model, "y", ["w", "x"]), {"x": X}, "y").run(np.ones(X.shape))
    assert not found["grad:w"].any()
    assert (found["grad:x"] == 1).all()


def test_nodes_that_the_output_does_not_need_may_be_unknown() -> None:
    model = _model(("Relu", ["x"], ["y"]), ("Unknown", ["y"], ["z"]))
    model.graph.node[1].domain = "other"
    model.opset_import.append(helper.make_opsetid("other", 1))
    backward(model, "y", ["x"])


def test_names_that_are_taken_are_not_made_again() -> None:
    """The model was made by one that knew how nodes are named here."""
    model = _model(("Relu", ["x"], ["grad/node 1/Mul"]), ("Mul", ["grad/node 1/Mul", "w"], ["y"]))
    check(model, {"x": X}, ["x", "w"])


def test_a_gradient_of_a_gradient() -> None:
    """The result is a graph like any other: its gradients with respect to the seed are those of the model."""
    first = backward(_model(("Mul", ["x", "w"], ["y"])), "y", ["w"])
    check(first, {"x": X, "seed:y": X[::-1].copy()}, ["x", "seed:y"], "grad:w")


def test_sums_over_images_and_gradients_apart() -> None:
    seed = RNG.normal(size=X.shape)
    together = Backward(backward(CHAIN, "y", ["w", "x"]), {"x": X}, "y").run(seed)
    apart = Backward(backward(CHAIN, "y", ["w", "x"], per_image=True), {"x": X}, "y").run(seed)
    assert apart["grad:w"].shape == (2, 3, 1)
    np.testing.assert_allclose(apart["grad:w"].sum(axis=0), together["grad:w"], rtol=1e-12)
    np.testing.assert_array_equal(apart["grad:x"], together["grad:x"])


@pytest.mark.parametrize(
    ("output", "wrt", "message"),
    [
        ("nothing", "x", "no tensor 'nothing'"),
        ("y", "nothing", "no tensor 'nothing'"),
        ("y", "shape", "'shape' holds int64 values"),
        ("y", "node 0", "no tensor 'node 0'"),
    ],
)
def test_names_that_are_none(output: str, wrt: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        backward(CHAIN, output, [wrt])


def test_an_operator_without_a_rule_is_named() -> None:
    model = _model(("Mul", ["x", "w"], ["a"]), ("Unknown", ["a"], ["b"]), ("Relu", ["b"], ["y"]))
    model.graph.node[1].domain = "other"
    model.opset_import.append(helper.make_opsetid("other", 1))
    with pytest.raises(NoGradientError, match=r"Unknown node 'node 1': no gradient .*'b'"):
        backward(model, "y", ["w"])
    backward(model, "y", ["b"])


def test_an_unknown_operator_on_one_branch_leaves_the_other_one() -> None:
    model = _model(
        ("Mul", ["x", "w"], ["a"]),
        ("Unknown", ["a"], ["unread", "b"]),
        ("Relu", ["a"], ["c"]),
        ("Unknown", ["x"], ["d"]),
        ("Sum", ["b", "c", "d"], ["y"]),
    )
    for i in (1, 3):
        model.graph.node[i].domain = "other"
    model.opset_import.append(helper.make_opsetid("other", 1))

    # the last of two unknown operators on the way, and the names whose way is free
    with pytest.raises(
        NoGradientError, match=r"Unknown node 'node 3': .* to 'd' .* had, and .* to 'c', 'b'$"
    ):
        backward(model, "y", ["x", "c", "b"])
    # only one of them is on the way
    with pytest.raises(
        NoGradientError, match=r"Unknown node 'node 1': .* to 'b' and later tensors can be had$"
    ):
        backward(model, "y", ["w"])
    given = backward(model, "y", ["c", "b", "d"])

    assert [value.name for value in given.graph.output] == ["y", "grad:c", "grad:b", "grad:d"]


@pytest.mark.parametrize("shape", [(2, 3, 4), (4,), (2, 1, 1), (1, 2, 3, 1), ()])
def test_operands_of_unknown_rank_broadcast(shape: tuple[int, ...]) -> None:
    """Nothing is known behind operators that are not ONNX's; here, behind a shape that is fed."""
    model = _model(
        ("Reshape", ["v", "size"], ["a"]),
        ("Mul", ["x", "a"], ["b"]),
        ("Add", ["b", "w"], ["c"]),
        ("Reshape", ["c", "shape"], ["y"]),
    )
    graph = model.graph
    graph.input.append(helper.make_tensor_value_info("v", TensorProto.FLOAT, ["many"]))
    graph.input.append(helper.make_tensor_value_info("size", TensorProto.INT64, ["axes"]))
    graph.output[0].type.tensor_type.ClearField("shape")
    v = RNG.normal(size=int(np.prod(shape))).astype(np.float32)

    check(model, {"x": X, "v": v, "size": np.array(shape, np.int64)}, ["x", "v", "w"], per_image=False)


def test_a_rule_that_cannot_tell_images_apart_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def sums(step: Step) -> list[Gradient]:
        return [None, *(["never"] * (len(step.inputs) - 1))]

    monkeypatch.setitem(entries(), "Mul", Entry(sums, per_image=False))  # type: ignore[arg-type]
    with pytest.raises(SharedGradientError, match="Mul node 'node 0'"):
        backward(_model(("Mul", ["x", "w"], ["y"])), "y", ["w"], per_image=True)


def test_wrong_rules_do_not_pass_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of all rules can fail: here for a factor of 1.00001."""
    right = entries()["Relu"].rule

    def wrong(step: Step) -> list[Gradient]:
        (gradient,) = right(step)
        assert gradient is not None
        return [step.add("Mul", gradient, step.constant(1.00001, step.inputs[0]))]

    monkeypatch.setitem(entries(), "Relu", Entry(wrong, per_image=False))  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match="by the rule"):
        check(CHAIN, {"x": X}, ["a"])
