from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from extract import Model, load_model
from extract.check import GradientCheck, check_gradients
from extract.differentiate.registry import Entry, entries
from extract.differentiate.step import Gradient, Step

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 2, 6, 5)).astype(np.float32)
NAMES = ["conv.weight", "conv.bias", "conv", "x"]


def _model(folder: Path) -> Model:
    """Return a network of two convolutions and a ReLU, whose weights lie in its file."""
    weights = {
        "w": RNG.normal(size=(80, 2, 3, 3)),
        "b": RNG.normal(size=80),
        "v": RNG.normal(size=(3, 80, 2, 2)),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], "conv"),
        helper.make_node("Relu", ["c"], ["r"], "relu"),
        helper.make_node("Conv", ["r", "v"], ["y"], "last"),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2, 6, 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [onnx.numpy_helper.from_array(v.astype(np.float32), name) for name, v in weights.items()],
    )
    file = folder / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), file)
    return load_model(file)


@pytest.mark.parametrize("reduce", [None, "sum"])
def test_right_gradients_agree(tmp_path: Path, reduce: str | None) -> None:
    rows = check_gradients(_model(tmp_path), X, "last:1", NAMES, reduce=reduce, directions=2, entries=3)
    assert [row.name for row in rows] == [name for name in NAMES for _ in range(5)]
    assert all(row.agrees and not row.kink for row in rows)
    assert all(row.numeric for row in rows if row.kind.startswith("direction"))
    for row in rows:
        assert row.single == pytest.approx(row.analytic, rel=1e-3, abs=1e-5)
        assert row.difference <= row.bound < 1e-3


def test_the_entry_of_the_largest_gradient_comes_first(tmp_path: Path) -> None:
    rows = check_gradients(_model(tmp_path), X, "last:0", ["conv.bias"], directions=0, entries=4)
    assert abs(rows[0].analytic) == max(abs(row.analytic) for row in rows)
    assert len({row.kind for row in rows}) == 4


def test_wrong_gradients_do_not_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = entries()["Relu"].rule

    def wrong(step: Step) -> list[Gradient]:
        (gradient,) = right(step)
        assert gradient is not None
        return [step.add("Mul", gradient, step.constant(1.0001, step.inputs[0]))]

    monkeypatch.setitem(entries(), "Relu", Entry(wrong, per_image=False))  # type: ignore[arg-type]
    rows = check_gradients(_model(tmp_path), X, "last:1", ["conv.weight"], directions=2, entries=1)
    assert rows
    assert not any(row.agrees or row.kink for row in rows)


def test_kinks_are_pointed_out(tmp_path: Path) -> None:
    """Where the first convolution gives 0 for all, as all its weights and the input are 0."""
    model = _model(tmp_path)
    for tensor in model.proto.graph.initializer:
        if tensor.name in ("w", "b"):
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.zeros(tensor.dims, np.float32), tensor.name))
    rows = check_gradients(model, X, "last:1", ["conv.bias"], entries=1)
    assert all(row.kink for row in rows)


@pytest.mark.parametrize("near", [5e-7, 5e-8])
def test_a_step_that_crosses_a_kink_is_made_smaller(tmp_path: Path, near: float) -> None:
    """One unit lies nearer to its kink than the first step, or the second: the next one does not reach it."""
    model = _model(tmp_path)
    bias = next(tensor for tensor in model.proto.graph.initializer if tensor.name == "b")
    x = np.zeros_like(X)
    values = np.ones(bias.dims, np.float32)
    values[7] = near
    bias.CopyFrom(onnx.numpy_helper.from_array(values, "b"))
    rows = check_gradients(model, x, "last:1", ["conv.bias"], directions=1, entries=80)
    assert all(row.agrees and not row.kink for row in rows)


def test_parameters_are_summed_over_the_images(tmp_path: Path) -> None:
    (row,) = check_gradients(_model(tmp_path), X, "conv:1", ["conv.bias"], directions=0, entries=1)
    assert row.numeric == pytest.approx(2)


def test_how_long_it_takes_is_known_before(tmp_path: Path) -> None:
    check = GradientCheck(_model(tmp_path), X, "last:1", ["conv.weight", "conv.bias"], entries=100)
    assert check.count == 2 * 2 + 100 + 80
    assert 0 < check.seconds < 60
    assert len(list(check.rows())) == check.count
