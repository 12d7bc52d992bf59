"""Networks that are fed in their middle."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from extract import ImageError, ModelError, UnknownNameError, activations, load_model
from tests.extract.caffe.nets import FC, TOY, write_net, write_weights
from tests.extract.nets import CONV1, NINE, model_of, save, toy


def test_a_layer_takes_what_it_is_fed_instead_of_what_it_would_make(tmp_path):
    model = load_model(save(toy(), tmp_path))
    whole = activations(model, NINE, ["fc"])["fc"]
    np.testing.assert_array_equal(activations(model, {"conv1": CONV1}, ["fc"])["fc"], whole)
    np.testing.assert_array_equal(
        activations(model, {"x": NINE, "conv1": 2 * CONV1}, ["relu1", "conv1"])["relu1"],
        2 * np.maximum(CONV1, 0),
    )


def test_a_caffe_network_goes_on_behind_a_layer_that_is_unknown(tmp_path):
    text = TOY.replace('type: "ReLU"', 'type: "Novelty"')
    files = write_net(tmp_path, text), write_weights(tmp_path)
    model = load_model(*files, fed={"blob:conv1": (1, 2, 2, 2)})
    acts = activations(model, {"blob:conv1": np.maximum(CONV1, 0)}, ["fc"])
    np.testing.assert_array_equal(acts["fc"], FC)


def test_tensors_of_whole_numbers_take_such(tmp_path):
    nodes = [
        helper.make_node("Shape", ["x"], ["s"], "shape"),
        helper.make_node("Slice", ["s", "two", "three"], ["height"], "slice"),
        helper.make_node("Tile", ["v", "height"], ["y"], "tile"),
    ]
    weights = {"two": np.array([2]), "three": np.array([3]), "v": np.array([5, 7], np.float32)}
    model = load_model(save(model_of(nodes, {"x": ["N", 1, "H", "W"]}, ["y"], weights), tmp_path))
    np.testing.assert_array_equal(activations(model, {"slice": [2]}, ["tile"])["tile"], [5, 7, 5, 7])
    with pytest.raises(ImageError, match=r"'height' takes whole numbers of type int64, not values from 2\.5"):
        activations(model, {"slice": [2.5]}, ["tile"])


def test_what_cannot_be_fed(tmp_path):
    model = load_model(save(toy(), tmp_path))
    with pytest.raises(ModelError, match=r"net\.onnx: 'conv1\.weight' is a constant"):
        activations(model, {"conv1.weight": NINE}, ["fc"])
    with pytest.raises(UnknownNameError, match="no layer or tensor 'conv7'"):
        activations(model, {"conv7": NINE}, ["fc"])
    with pytest.raises(ImageError, match="no value for input 'x'"):
        activations(model, {"relu1": NINE}, ["conv1"])
