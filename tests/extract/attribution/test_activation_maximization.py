"""Gradient ascent where its way can be written down, and on a trained network."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from converters import CnnVisWarning
from extract import ImageError, ModelError, activations, load_model
from extract.attribution import activation_maximization
from extract.attribution.activation_maximization import Ascent, blurred
from tests.extract.attribution.nets import pooled, saved
from tests.models import trained

PLAIN = Ascent(steps=3, rate=0.5, decay=0, blur=0, jitter=0, noise=0)


def linear(folder, shape=(1, 2, 2), weights=(1, -2, 4, 2), bias=0.0, last="Identity"):
    return saved(
        folder,
        [
            helper.make_node("Flatten", ["x"], ["f"], "flat"),
            helper.make_node("Gemm", ["f", "w", "b"], ["h"], "fc"),
            helper.make_node(last, ["h"], ["y"], "out"),
        ],
        {"x": ["N", *shape]},
        ["y"],
        {"w": np.reshape(weights, (-1, 1)), "b": [bias]},
    )


def test_a_linear_neuron(tmp_path):
    """Weights of root mean square 2.5: each step adds 0.5 / 2.5 of them."""
    calls = []
    got = activation_maximization(linear(tmp_path), "out:0", settings=PLAIN, progress=lambda: calls.append(1))
    np.testing.assert_allclose(got.image, 0.6 * np.array([[[[1, -2], [4, 2]]]]), rtol=1e-6)
    assert got.image.dtype == np.float32
    assert got.start_score == 0
    assert got.score == pytest.approx(0.6 * 25)
    assert len(calls) == 3
    assert got.facts["steps"] == 3


def test_decay_bounds_and_start(tmp_path):
    model = linear(tmp_path)
    decaying = Ascent(steps=2, rate=2.5, decay=0.5, blur=0, jitter=0, noise=0)
    w = np.array([[[[1, -2], [4, 2]]]])
    # (0 + w) / 2 = w / 2, (w / 2 + w) / 2 = 3 w / 4
    got = activation_maximization(model, "out:0", settings=decaying)
    np.testing.assert_allclose(got.image, 0.75 * w, rtol=1e-6)
    got = activation_maximization(model, "out:0", settings=decaying, bounds=(-0.75, [[[1.0]]]))
    np.testing.assert_allclose(got.image, [[[[0.75, -0.75], [1, 1]]]], rtol=1e-6)
    got = activation_maximization(model, "out:0", settings=PLAIN, start=np.ones((2, 2)))
    np.testing.assert_allclose(got.image, 1 + 0.6 * w, rtol=1e-6)
    assert got.start_score == 5


def test_jitter_of_a_linear_neuron_moves_its_weights(tmp_path):
    """Each step adds the weights shifted to and fro: the mean square stays, the place does not."""
    settings = Ascent(steps=1, rate=2.5, decay=0, blur=0, jitter=1, noise=0, seed=0)
    got = activation_maximization(linear(tmp_path), "out:0", settings=settings).image
    shift = np.random.default_rng(0)
    shift.standard_normal((1, 1, 2, 2))
    down, right = shift.integers(-1, 2, 2)
    expected = np.roll(np.array([[[[1, -2], [4, 2]]]]), (-down, -right), (2, 3))
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    assert (down, right) != (0, 0)


def test_blur():
    """A Gaussian: exp(-x^2/2) over its sum, and the edges go on."""
    spike = np.zeros((1, 1, 1, 11))
    spike[..., 5] = 1
    got = blurred(spike, 1.0)[0, 0, 0]
    np.testing.assert_allclose(got[5:8], [0.39894347, 0.24197145, 0.05399113], atol=1e-7)
    np.testing.assert_array_equal(got, got[::-1])
    np.testing.assert_allclose(blurred(np.full((1, 2, 3, 4, 5), 7.0), 2.0), 7)


def test_blur_comes_now_and_then(tmp_path):
    w = np.zeros((1, 1, 9, 9))
    w[..., 4, 4] = 9
    model = linear(tmp_path, (1, 9, 9), w)
    settings = {"rate": 1.0, "decay": 0.0, "jitter": 0, "noise": 0.0, "blur": 1.0, "blur_every": 2}
    once = activation_maximization(model, "out:0", settings=Ascent(steps=1, **settings)).image
    np.testing.assert_allclose(once, w, rtol=1e-6)
    twice = activation_maximization(model, "out:0", settings=Ascent(steps=2, **settings)).image
    np.testing.assert_allclose(twice, blurred(2 * w, 1.0), rtol=1e-5, atol=1e-7)


def test_channels_last(tmp_path):
    model = saved(
        tmp_path,
        [
            helper.make_node("Mul", ["x", "w"], ["m"], "mul"),
            helper.make_node("Flatten", ["m"], ["f"], "flat"),
            helper.make_node("ReduceMean", ["f"], ["y"], "out", axes=[1], keepdims=1),
        ],
        {"x": ["N", 6, 5, 3]},
        ["y"],
        {"w": np.arange(1, 91).reshape(6, 5, 3)},
    )
    got = activation_maximization(model, "out:0", settings=PLAIN).image
    w = np.arange(1, 91).reshape(6, 5, 3).transpose(2, 0, 1)[np.newaxis]
    np.testing.assert_allclose(got, 1.5 * w / np.sqrt(np.mean(w**2.0)), rtol=1e-6)


def test_three_dimensions_of_free_size(tmp_path):
    model = pooled(tmp_path, 3)
    with pytest.raises(ModelError, match="say the size of the image"):
        activation_maximization(model, "fc:1")
    settings = Ascent(steps=5)
    got = activation_maximization(model, "fc:1", settings=settings, size=(3, 4, 5))
    assert got.image.shape == (1, 1, 3, 4, 5)
    assert got.score > got.start_score
    again = activation_maximization(model, "fc:1", settings=settings, size=(3, 4, 5))
    np.testing.assert_array_equal(got.image, again.image)
    other = activation_maximization(model, "fc:1", settings=Ascent(steps=5, seed=1), size=(3, 4, 5))
    assert not np.array_equal(got.image, other.image)


def test_a_dead_neuron_is_told(tmp_path):
    model = linear(tmp_path, bias=-100, last="Relu")
    with pytest.warns(CnnVisWarning, match="does not change around the first image"):
        got = activation_maximization(model, "out:0", settings=PLAIN)
    assert not got.image.any()


def test_wrong_calls(tmp_path):
    model = linear(tmp_path)
    with pytest.raises(ImageError, match="the first image"):
        activation_maximization(model, "out:0", start=np.ones((3, 3)))
    with pytest.raises(ImageError, match="give values of all others"):
        activation_maximization(model, "out:0", others={"x": np.ones((1, 1, 2, 2))})
    with pytest.raises(ModelError, match="blur every must be 1 or more"):
        Ascent(blur_every=0)


def test_a_trained_network_sees_the_digit():
    model = load_model(trained("mnist-conv"))
    name = [layer.name for layer in model.layers.values()][-1]
    got = activation_maximization(
        model, f"{name}:3", settings=Ascent(steps=40, rate=0.05, noise=0.5, jitter=1), bounds=(0, 1)
    )
    assert got.score > got.start_score
    assert activations(model, got.image, [name])[name].argmax() == 3
