"""SmoothGrad beside the plain gradient, and beside a mean written down."""

from __future__ import annotations

import numpy as np
import pytest

from extract import ModelError, load_model
from extract.attribution import SmoothGrad, smooth_grad
from extract.gradients import gradients
from tests.extract.attribution.nets import dense, pooled, rivals
from tests.models import trained

X = np.array([[1, -2], [3, 1]], np.float32)


def test_without_noise_it_is_the_gradient(tmp_path):
    model = dense(tmp_path)
    got = smooth_grad(model, X, "fc2:0", ["x", "fc1.weight"], sigma=0, samples=3)
    for name, gradient in gradients(model, X, "fc2:0", ["x", "fc1.weight"]).items():
        np.testing.assert_array_equal(got.values[name], gradient)


def test_the_mean_over_noisy_copies(tmp_path):
    got = smooth_grad(dense(tmp_path), X, "fc2:0", ["x"], samples=20, sigma=0.5, seed=7)
    random = np.random.default_rng(7)
    expected = np.zeros((2, 2))
    for _ in range(20):
        noise = random.standard_normal(2)
        for i, (image, width) in enumerate(zip(X, (0.5 * 3, 0.5 * 2), strict=True)):
            a, b = image + width * noise
            expected[i] += 2 * (a > 0) * np.array([1, 0]) - (b > 0) * np.array([0, 1]) + 3 * (a + b > 0)
    np.testing.assert_allclose(got.values["x"], expected / 20, rtol=1e-6)
    assert len(np.unique(expected)) > 2
    assert got.facts == {**got.facts, "samples": 20, "sigma": 0.5, "seed": 7}


def test_the_predicted_class_stays_that_of_the_input(tmp_path):
    """At 5.1 and 4.9 the scores are 0.1 apart; noise of about 5 changes which one is the larger."""
    x = np.array([[5.1, 0], [4.9, 0]], np.float32)
    got = smooth_grad(rivals(tmp_path, 2), x, "top", ["x"], samples=10, sigma=1)
    np.testing.assert_array_equal(got.values["x"], [[2, 0], [1, 0]])


def test_scores_may_be_maps_of_one_pixel(tmp_path):
    """The maps are x and -x: the second one's mean is the larger where that of x is negative."""
    model = pooled(tmp_path, 2, head=False)
    x = np.array([[[[1, 2, 3]]], [[[-1, -2, 2]]]], np.float32)
    got = smooth_grad(model, x, "top", ["x"], samples=10, sigma=1)
    np.testing.assert_allclose(got.values["x"], np.full_like(x, 1 / 3) * [[[[1]]], [[[-1]]]], rtol=1e-6)


def test_an_image_gets_the_same_in_any_batch():
    model = load_model(trained("mnist-conv"))
    name = model.inputs[0].name
    x = np.random.default_rng(0).random((3, *model.inputs[0].channels_first[1:]), dtype=np.float32)
    method = SmoothGrad(model, "top", [name], samples=4)
    one_by_one = np.concatenate([method.run(x[i : i + 1]).values[name] for i in range(3)])
    again = SmoothGrad(model, "top", [name], samples=4, seed=0).run(x[:1]).values[name]
    np.testing.assert_array_equal(again, one_by_one[:1])
    together = method.run(x).values[name]
    np.testing.assert_allclose(together, one_by_one, rtol=1e-5, atol=1e-5 * np.abs(together).max())
    other = SmoothGrad(model, "top", [name], samples=4, seed=1).run(x[:1]).values[name]
    assert not np.allclose(again, other)


@pytest.mark.parametrize("settings", [{"samples": 0}, {"sigma": -1}, {"sigma": float("nan")}, {"seed": -1}])
def test_settings_out_of_range(tmp_path, settings):
    with pytest.raises(ModelError, match="or more"):
        smooth_grad(dense(tmp_path), X, "fc2:0", ["x"], **settings)
