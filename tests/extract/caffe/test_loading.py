"""Caffe networks by their files: names, weights, and what is said when something does not fit."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest

from converters.errors import CnnVisWarning
from extract import ModelError, UnknownNameError, activations, load_model
from tests.extract.caffe.nets import CONV1, FC, NINE, TOY, TOY_WEIGHTS, write_net, write_weights


@pytest.fixture
def toy(tmp_path):
    return load_model(write_net(tmp_path), write_weights(tmp_path))


def test_a_layer_is_its_own_output_and_a_blob_its_final_value(toy):
    acts = activations(toy, NINE, ["conv1", "relu1", "blob:conv1", "fc"])
    np.testing.assert_array_equal(acts["conv1"], CONV1)
    np.testing.assert_array_equal(acts["relu1"], np.maximum(CONV1, 0))
    np.testing.assert_array_equal(acts["blob:conv1"], np.maximum(CONV1, 0))
    np.testing.assert_array_equal(acts["fc"], FC)


def test_layers_tell_what_they_write(toy):
    assert [(layer.name, layer.operator, layer.blobs) for layer in toy.layers.values()] == [
        ("conv1", "Convolution", ("conv1",)),
        ("relu1", "ReLU", ("conv1",)),
        ("fc", "InnerProduct", ("fc",)),
    ]
    assert toy.parameters == {
        **{"conv1.weight": "conv1.weight", "conv1.bias": "conv1.bias"},
        **{"fc.weight": "fc.weight", "fc.bias": "fc.bias"},
    }


def test_parameters_have_the_layout_of_the_file(toy):
    for layer, blobs in TOY_WEIGHTS.items():
        for role, values in zip(("weight", "bias"), blobs, strict=True):
            np.testing.assert_array_equal(toy.value(f"{layer}.{role}"), np.asarray(values, np.float32))


def test_the_batch_is_free(toy):
    assert toy.inputs[0].shape == (None, 1, 3, 3)
    both = activations(toy, np.concatenate([NINE, 2 * NINE]), ["fc"])["fc"]
    np.testing.assert_array_equal(both[:1], FC)
    assert both.shape == (2, 2)


def test_a_layer_that_mixes_the_batch_keeps_its_size(tmp_path):
    net = write_net(
        tmp_path,
        'input: "data" input_shape { dim: 2 dim: 3 }'
        'layer { name: "r" type: "Reshape" bottom: "data" top: "r" '
        "reshape_param { shape { dim: 3 dim: 2 } } }",
    )
    assert load_model(net).inputs[0].shape == (2, 3)


def test_an_input_that_is_written_in_place_is_fed_as_it_was(tmp_path):
    net = write_net(
        tmp_path,
        'input: "data" input_shape { dim: 1 dim: 3 }'
        'layer { name: "double" type: "Power" bottom: "data" top: "data" power_param { scale: 2 } }'
        'layer { name: "relu" type: "ReLU" bottom: "data" top: "data" }',
    )
    acts = activations(load_model(net), np.float32([[-1, 2, 3]]), ["double", "relu", "blob:data"])
    np.testing.assert_array_equal(acts["double"], [[-2, 4, 6]])
    np.testing.assert_array_equal(acts["blob:data"], [[0, 4, 6]])
    np.testing.assert_array_equal(acts["relu"], [[0, 4, 6]])


def test_unknown_names_get_the_nearest(toy):
    with pytest.raises(UnknownNameError, match=r"no layer or tensor 'conv2'; nearest: conv1"):
        toy.tensor("conv2")


def test_weights_of_more_layers_are_ignored_and_missing_ones_filled(tmp_path):
    weights = {"conv1": TOY_WEIGHTS["conv1"], "loss": [[1, 2]]}
    with pytest.warns(CnnVisWarning, match=r"net\.caffemodel has no weights for fc: filled"):
        model = load_model(write_net(tmp_path), write_weights(tmp_path, weights))
    np.testing.assert_array_equal(activations(model, NINE, ["conv1"])["conv1"], CONV1)
    assert model.source.filled == ("fc.weight", "fc.bias")
    assert not model.value("fc.weight").any()  # InnerProduct's default filler is the constant 0


def test_a_prototxt_alone_is_filled_the_same_at_every_load(tmp_path):
    text = TOY.replace("kernel_size: 2", 'kernel_size: 2 weight_filler { type: "xavier" }')
    path = write_net(tmp_path, text)
    values = []
    for _ in range(2):
        with pytest.warns(CnnVisWarning, match="no file of weights"):
            values.append(load_model(path).value("conv1.weight"))
    np.testing.assert_array_equal(*values)
    # xavier: uniform within sqrt(3 / fan_in)
    assert 0 < np.abs(values[0]).max() <= np.sqrt(3 / 4)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (
            {**TOY_WEIGHTS, "conv1": [np.ones((2, 1, 3, 3)), [0, 1]]},
            r"layer 'conv1' \(Convolution\): its weight is 2x1x2x2, but .*net\.caffemodel holds 2x1x3x3",
        ),
        (
            {**TOY_WEIGHTS, "conv1": TOY_WEIGHTS["conv1"][:1]},
            r"layer 'conv1' \(Convolution\): has 2 parameters, but .*net\.caffemodel holds 1",
        ),
        (
            {"other": [[1, 2]]},
            r"net\.caffemodel: its layers \(other\) are none of those of .*deploy\.prototxt",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path, weights, message):
    with pytest.raises(ModelError, match=message):
        load_model(write_net(tmp_path), write_weights(tmp_path, weights))


def test_the_older_shapes_of_four_axes_fit(tmp_path):
    conv, fc = TOY_WEIGHTS["conv1"], TOY_WEIGHTS["fc"]
    legacy = {
        "conv1": [conv[0], np.reshape(conv[1], (1, 1, 1, 2))],
        "fc": [np.reshape(fc[0], (1, 1, 2, 8)), np.reshape(fc[1], (1, 1, 1, 2))],
    }
    model = load_model(write_net(tmp_path), write_weights(tmp_path, legacy))
    np.testing.assert_array_equal(activations(model, NINE, ["fc"])["fc"], FC)


UNKNOWN = 'layer { name: "new" type: "Novelty" bottom: "conv1" top: "new" }\n'
AFTER = 'layer { name: "after" type: "ReLU" bottom: "new" top: "after" }\n'


def test_an_unknown_layer_is_an_error_only_for_who_needs_it(tmp_path):
    model = load_model(write_net(tmp_path, TOY + UNKNOWN + AFTER), write_weights(tmp_path))
    np.testing.assert_array_equal(activations(model, NINE, ["fc"])["fc"], FC)
    for name in ("new", "after"):
        with pytest.raises(ModelError, match=r"layer 'new' \(Novelty\): .*--engine pycaffe"):
            activations(model, NINE, [name])


def test_layers_without_a_name_of_their_own_are_called_by_their_blob(tmp_path):
    text = re.sub('name: "(relu1|fc)" ', 'name: "conv1" ', TOY)
    with pytest.warns(CnnVisWarning, match="no weights for fc"):
        model = load_model(
            write_net(tmp_path, text), write_weights(tmp_path, {"conv1": TOY_WEIGHTS["conv1"]})
        )
    assert list(model.layers) == ["conv1", "conv1:ReLU", "fc"]
    np.testing.assert_array_equal(activations(model, NINE, ["conv1"])["conv1"], CONV1)


def test_large_weights_stay_in_their_file(tmp_path):
    text = TOY.replace("num_output: 2 }", "num_output: 600 }")
    fc = np.arange(600 * 8, dtype=np.float32).reshape(600, 8)
    weights = {**TOY_WEIGHTS, "fc": [fc, np.zeros(600)]}
    model = load_model(write_net(tmp_path, text), write_weights(tmp_path, weights))
    tensors = {tensor.name: tensor for tensor in model.proto.graph.initializer}
    assert tensors["fc.weight"].external_data[0].value == "net.caffemodel"
    assert not tensors["fc.weight"].raw_data
    np.testing.assert_array_equal(model.value("fc.weight"), fc)
    got = activations(model, NINE, ["fc"])["fc"]
    np.testing.assert_array_equal(got, np.maximum(CONV1, 0).reshape(1, 8) @ fc.T)


def test_the_network_may_lie_in_another_folder_than_its_weights(tmp_path):
    folder = tmp_path / "other ünd weights"
    folder.mkdir()
    model = load_model(write_net(tmp_path), write_weights(folder))
    np.testing.assert_array_equal(activations(model, NINE, ["fc"])["fc"], FC)
    assert [file.name for file in model.source.files] == ["deploy.prototxt", "net.caffemodel"]


def test_text_of_any_name_is_a_prototxt(tmp_path):
    model = load_model(write_net(tmp_path, name="deploy.prototxt.txt"), write_weights(tmp_path))
    np.testing.assert_array_equal(activations(model, NINE, ["fc"])["fc"], FC)


def test_an_unknown_engine_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"unknown engine 'pycafe'; did you mean 'pycaffe'\?"):
        load_model(write_net(tmp_path), engine="pycafe")


CONVOLUTIONS = TOY.split('layer { name: "fc"')[0]


def test_another_input_size_for_a_network_of_convolutions(tmp_path):
    weights = write_weights(tmp_path, {"conv1": TOY_WEIGHTS["conv1"]})
    model = load_model(write_net(tmp_path, CONVOLUTIONS), weights, size=(5, 7))
    assert model.inputs[0].shape == (None, 1, 5, 7)
    x = np.zeros((1, 1, 5, 7), np.float32)
    x[..., 1:4, 2:5] = NINE
    got = activations(model, x, ["conv1"])["conv1"]
    assert got.shape == (1, 2, 4, 6)
    np.testing.assert_array_equal(got[..., 1:3, 2:4], CONV1)


def test_a_size_that_the_weights_do_not_fit_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"layer 'fc' .*its weight is 2x48, but .* holds 2x8"):
        load_model(write_net(tmp_path), write_weights(tmp_path), size=(5, 7))


@pytest.mark.parametrize("name", ["shared", ""])
def test_weights_of_a_layer_whose_name_is_not_its_own(tmp_path, name):
    text = re.sub('name: "(conv1|relu1)" ', f'name: "{name}" ', TOY)
    weights = {name: TOY_WEIGHTS["conv1"], "fc": TOY_WEIGHTS["fc"]}
    model = load_model(write_net(tmp_path, text), write_weights(tmp_path, weights))
    np.testing.assert_array_equal(activations(model, NINE, ["fc"])["fc"], FC)


def test_files_whose_names_are_no_utf8(tmp_path):
    text = TOY.replace("num_output: 2 }", "num_output: 600 }").replace('name: "toy"', "")
    weights = {**TOY_WEIGHTS, "fc": [np.ones((600, 8)), np.zeros(600)]}
    net = write_net(tmp_path, text, os.fsdecode(b"\xff.prototxt"))
    model = load_model(net, write_weights(tmp_path, weights, os.fsdecode(b"\xff.caffemodel")))
    assert (activations(model, NINE, ["fc"])["fc"] == np.maximum(CONV1, 0).sum()).all()


def test_a_wrong_blob_gets_the_nearest_blob(toy):
    with pytest.raises(UnknownNameError, match=r"nearest: blob:conv1$"):
        toy.tensor("blob:conv2")


def test_a_network_of_constants_runs_without_an_input(tmp_path):
    net = write_net(
        tmp_path,
        'layer { name: "d" type: "DummyData" top: "d" dummy_data_param '
        "{ shape { dim: 2 dim: 3 } data_filler { value: 7 } } }"
        'layer { name: "r" type: "ReLU" bottom: "d" top: "r" }',
    )
    np.testing.assert_array_equal(activations(load_model(net), {}, ["r"])["r"], np.full((2, 3), 7))
