"""Integrated gradients whose integrals are known, and their completeness."""

from __future__ import annotations

import json

import numpy as np
import pytest
from onnx import helper
from PIL import Image

from converters import CnnVisWarning
from extract import ImageError, ModelError, load_model
from extract.attribution import IntegratedGradients, integrated_gradients
from tests.extract.attribution.nets import power, rivals, saved
from tests.models import fetched, trained

X = np.array([[3, 1], [1, -1]], np.float32)


@pytest.mark.parametrize("steps", [1, 4, 50])
def test_a_square_is_exact(tmp_path, steps):
    """s = 5 and -1: from 0, x_i gets the integral of 2 (a s) w_i x_i da = s w_i x_i, the unit s gets s s."""
    got = integrated_gradients(power(tmp_path, 2), X, "square:0", ["x", "dot"], steps=steps)
    np.testing.assert_allclose(got.values["x"], [[15, 10], [-1, 2]], rtol=1e-6)
    np.testing.assert_allclose(got.values["dot"], [[25], [1]], rtol=1e-5)
    assert got.report["score"] == [25, 1]
    assert got.report["baseline_score"] == [0, 0]
    for name in ("x", "dot"):
        check = got.report["completeness"][name]
        np.testing.assert_allclose(check["sum"], [25, 1], rtol=1e-5)
        assert max(check["error"]) < 1e-5


def test_a_baseline(tmp_path):
    """From (1, 1), s goes from 3 to 5: x0 gets 2 (3 + 5), x1 does not move; the other image from 3 to -1."""
    got = integrated_gradients(power(tmp_path, 2), X, "square:0", ["x"], baseline=[1, 1], steps=2)
    np.testing.assert_allclose(got.values["x"], [[16, 0], [0, -8]], atol=1e-5)
    assert got.report["baseline_score"] == [9, 9]
    assert got.facts["baseline"]["shape"] == [2]
    json.dumps(got.facts)
    json.dumps(got.report)


def test_too_few_steps_are_told(tmp_path):
    """One step takes 3 (5/2)^2 for the mean of 3 s^2: 93.75 instead of 125."""
    model = power(tmp_path, 3)
    with pytest.warns(CnnVisWarning, match=r"25.0% off .* more than 1 steps"):
        got = integrated_gradients(model, X[:1], "cube:0", ["x"], steps=1)
    assert got.report["completeness"]["x"] == {"sum": [93.75], "error": [0.25]}
    fine = integrated_gradients(model, X[:1], "cube:0", ["x"], steps=50)
    assert fine.report["completeness"]["x"]["error"][0] == pytest.approx(0.25 / 50**2, rel=1e-2)


def test_a_layer_beside_which_a_connection_leads_has_no_check(tmp_path):
    got = integrated_gradients(power(tmp_path, 2, skip=True), X, "sum:0", ["x", "dot"])
    assert list(got.report["completeness"]) == ["x"]
    np.testing.assert_allclose(got.values["dot"], [[25], [1]], rtol=1e-5)
    np.testing.assert_allclose(got.values["x"], [[18, 10], [0, 2]], atol=1e-5)


def test_the_predicted_class_is_the_one_at_the_input(tmp_path):
    """At 10 the scores are 20 and 15; below 5 the other class is predicted, with half the slope."""
    x = np.array([[10], [1]], np.float32)
    got = integrated_gradients(rivals(tmp_path), x, "top", ["x"], steps=10)
    np.testing.assert_allclose(got.values["x"], [[20], [1]], rtol=1e-6)
    assert got.report["score"] == [20, 6]
    assert got.report["baseline_score"] == [0, 5]


def test_a_weighted_sum_with_the_predicted_class(tmp_path):
    x = np.array([[10], [1]], np.float32)
    target = [(1.0, "top"), (-0.5, "fc:1")]
    got = integrated_gradients(rivals(tmp_path), x, target, ["x"], steps=10)
    np.testing.assert_allclose(got.values["x"], [[15], [0.5]], rtol=1e-6)
    assert got.report["score"] == [20 - 7.5, 6 - 3]


def product(folder):
    return saved(
        folder, [helper.make_node("Mul", ["a", "b"], ["y"], "mul")], {"a": ["N", 1], "b": ["N", 1]}, ["y"], {}
    )


def test_two_inputs_are_complete_together(tmp_path):
    x = {"a": np.array([[3]], np.float32), "b": np.array([[4]], np.float32)}
    got = integrated_gradients(product(tmp_path), x, "mul:0", ["a", "b"])
    np.testing.assert_allclose([got.values["a"], got.values["b"]], [[[6]], [[6]]], rtol=1e-5)
    assert list(got.report["completeness"]) == ["a + b"]
    assert got.report["completeness"]["a + b"]["error"][0] < 1e-5


def test_a_baseline_of_one_input_leaves_the_other(tmp_path):
    x = {"a": np.array([[3]], np.float32), "b": np.array([[4]], np.float32)}
    got = integrated_gradients(product(tmp_path), x, "mul:0", ["a", "b"], baseline={"a": 1})
    np.testing.assert_allclose([got.values["a"], got.values["b"]], [[[8]], [[0]]], atol=1e-5)
    assert got.report["completeness"]["a"]["error"][0] < 1e-5
    with pytest.raises(ImageError, match="no numbers from 'c'"):
        integrated_gradients(product(tmp_path), x, "mul:0", ["a"], baseline={"c": 1})


def test_wrong_calls(tmp_path):
    model = power(tmp_path, 2)
    with pytest.raises(ModelError, match=r"'dot.weight' is constant"):
        integrated_gradients(model, X, "square:0", ["dot.weight"])
    with pytest.raises(ModelError, match="steps must be 1 or more"):
        integrated_gradients(model, X, "square:0", ["x"], steps=0)
    with pytest.raises(ImageError, match="baseline of 'x'"):
        integrated_gradients(model, X, "square:0", ["x"], baseline=[1, 2, 3])


def check_completeness(model, x, steps, bound):
    source = model.inputs[0].name
    layer = next(layer.name for layer in model.layers.values() if layer.operator == "Conv")
    got = IntegratedGradients(model, "top", [source, layer], steps=steps, tolerance=bound).run(x)
    assert list(got.report["completeness"]) == [source, layer]
    difference = got.report["score"][0] - got.report["baseline_score"][0]
    for name, check in got.report["completeness"].items():
        total = got.values[name].sum(dtype=np.float64)
        assert check["sum"][0] == pytest.approx(total, rel=1e-5)
        assert abs(total - difference) <= bound * abs(difference)


def test_a_small_trained_network_is_complete():
    model = load_model(trained("mnist-conv"))
    x = np.random.default_rng(5).random((1, *model.inputs[0].shape[1:]), dtype=np.float32)
    check_completeness(model, x, 200, 0.01)


def test_a_large_trained_network_is_complete():
    """The sum is off by 23 % with 8 steps, 5 % with 32 and 1.5 % with 128: so much for the bound."""
    model = load_model(trained("efficientnet-lite0"))
    picture = Image.open(fetched("chelsea.png")).convert("RGB").resize((224, 224))
    x = (np.asarray(picture, np.float32).transpose(2, 0, 1)[np.newaxis] - 127) / 128
    check_completeness(model, x, 32, 0.08)
