"""Deconvnet and guided backpropagation by hand: three units, two of them closed or all open."""

from __future__ import annotations

import numpy as np
import pytest

from converters import CnnVisWarning
from extract.attribution import deconvnet, guided_backprop, plain
from tests.extract.attribution.nets import dense, rivals
from tests.models import trained

# h = (1, -2, -1): one unit open; h = (3, 1, 4): all open. What comes back to the units is (2, -1, 3).
X = np.array([[1, -2], [3, 1]], np.float32)
EXPECTED = {plain: [[2, 0], [5, 2]], deconvnet: [[5, 3], [5, 3]], guided_backprop: [[2, 0], [5, 3]]}


@pytest.mark.parametrize("method", EXPECTED)
def test_relu(tmp_path, method):
    got = method(dense(tmp_path), X, "fc2:0", ["x"])
    np.testing.assert_array_equal(got.values["x"], EXPECTED[method])
    assert got.values["x"].dtype == np.float32


# h = (3, 10, 13): the units at the upper bound are closed too
@pytest.mark.parametrize(
    ("method", "expected"), [(plain, [[2, 0]]), (deconvnet, [[5, 3]]), (guided_backprop, [[2, 0]])]
)
def test_relu6_is_a_relu(tmp_path, method, expected):
    got = method(dense(tmp_path, "Clip", (0, 6)), np.array([[3, 10]], np.float32), "fc2:0", ["x"])
    np.testing.assert_array_equal(got.values["x"], expected)


@pytest.mark.parametrize("method", [deconvnet, guided_backprop])
def test_other_clipping_is_none(tmp_path, method):
    model = dense(tmp_path, "Clip", (-1, 6))
    with pytest.warns(CnnVisWarning, match="no ReLU on the way"):
        got = method(model, X, "fc2:0", ["x"])
    # h = (1, -2, -1), (3, 1, 4): of the first, a and a + b are within bounds
    np.testing.assert_array_equal(got.values["x"], [[5, 3], [5, 2]])


@pytest.mark.parametrize("method", [deconvnet, guided_backprop])
def test_a_network_without_relu_is_told(tmp_path, method):
    with pytest.warns(CnnVisWarning, match="is the plain gradient here"):
        got = method(rivals(tmp_path), np.ones((1, 1), np.float32), "fc:0", ["x"])
    np.testing.assert_array_equal(got.values["x"], [[2]])


def test_rules_of_one_call_do_not_stay(tmp_path):
    model = dense(tmp_path)
    guided_backprop(model, X, "fc2:0", ["x"])
    np.testing.assert_array_equal(plain(model, X, "fc2:0", ["x"]).values["x"], EXPECTED[plain])


def test_the_activation_itself_is_rectified(tmp_path):
    got = guided_backprop(dense(tmp_path), X, "fc2:0", ["fc1", "act", "fc1.weight"])
    np.testing.assert_array_equal(got.values["act"], [[2, -1, 3], [2, -1, 3]])
    np.testing.assert_array_equal(got.values["fc1"], [[2, 0, 0], [2, 0, 3]])
    np.testing.assert_array_equal(got.values["fc1.weight"][0], [[2, 0, 0], [-4, 0, 0]])
    summed = guided_backprop(dense(tmp_path), X, "fc2:0", ["fc1.weight"], reduce="sum")
    np.testing.assert_array_equal(summed.values["fc1.weight"], [[2 + 6, 0, 9], [-4 + 2, 0, 3]])


def test_a_trained_network_of_relu6():
    from extract import load_model

    model = load_model(trained("efficientnet-lite0"))
    x = np.random.default_rng(3).standard_normal((1, *model.inputs[0].channels_first[1:])).astype(np.float32)
    last = [layer.name for layer in model.layers.values() if layer.operator == "Clip"][-1]
    got = {method: method(model, x, "top", [last, model.inputs[0].name]).values for method in EXPECTED}
    maps = [values[last] for values in got.values()]
    np.testing.assert_array_equal(maps[0], maps[1])
    inputs = [values[model.inputs[0].name] for values in got.values()]
    assert all(np.isfinite(value).all() and value.any() for value in inputs)
    assert not np.allclose(inputs[0], inputs[1])
    assert not np.allclose(inputs[1], inputs[2])
