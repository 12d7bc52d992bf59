"""Grad-CAM by hand, in two and three dimensions."""

from __future__ import annotations

import numpy as np
import pytest

from extract import ModelError, activations, load_model
from extract.attribution import grad_cam
from extract.gradients import gradients
from tests.extract.attribution.nets import pooled
from tests.extract.nets import save, toy
from tests.models import trained


@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 3, 5)])
def test_means_of_gradients_weigh_the_maps(tmp_path, shape):
    """The gradients by maps x and -x of n values are 3/n and 1/n for score 1, 1/n and 3/n for score 0."""
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(1, 1, *shape)
    x = np.concatenate([x, -2 * x])
    model = pooled(tmp_path, len(shape))
    n = np.prod(shape)
    got = grad_cam(model, x, "fc:1", ["maps"]).values["maps"]
    assert got.shape == (2, 1, *shape)
    np.testing.assert_allclose(got, np.maximum(2 / n * x, 0), rtol=1e-6)
    whole = grad_cam(model, x, "fc:0", ["maps"], rectify=False)
    np.testing.assert_allclose(whole.values["maps"], -2 / n * x, rtol=1e-6)
    assert whole.facts["rectify"] is False


def test_gradients_that_differ_by_place_are_averaged(tmp_path):
    """fc row 1 is 8..15 over relu1's maps: weights 9.5 and 13.5; relu1 is [[8, 12], [20, 24]] and 0."""
    x = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
    model = load_model(save(toy(), tmp_path))
    got = grad_cam(model, x, "fc:1", ["relu1"]).values["relu1"]
    np.testing.assert_allclose(got, [[[[76, 114], [190, 228]]]], rtol=1e-6)


def test_a_trained_network_beside_its_formula():
    model = load_model(trained("mnist-conv"))
    layer = [layer.name for layer in model.layers.values() if layer.operator == "Conv"][-1]
    x = np.random.default_rng(2).random((1, *model.inputs[0].channels_first[1:]), dtype=np.float32)
    got = grad_cam(model, x, "top", [layer]).values[layer]
    (maps,) = activations(model, x, [layer])[layer].astype(np.float64)
    (gradient,) = gradients(model, x, "top", [layer])[layer].astype(np.float64)
    expected = sum(g.mean() * a for g, a in zip(gradient, maps, strict=True))
    np.testing.assert_allclose(got[0, 0], np.maximum(expected, 0), rtol=1e-5, atol=1e-5 * got.max())
    assert got.any()


def test_what_has_no_maps(tmp_path):
    model = pooled(tmp_path, 2)
    x = np.ones((1, 1, 2, 2), np.float32)
    with pytest.raises(ModelError, match="'fc' is 1 x 2"):
        grad_cam(model, x, "fc:1", ["fc"])
    with pytest.raises(ModelError, match=r"'maps.weight' is constant"):
        grad_cam(model, x, "fc:1", ["maps.weight"])
