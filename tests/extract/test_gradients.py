"""Gradients of a small network that can be told by hand, for one image, for several, and for their sum."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from extract import ModelError, UnknownNameError, load_model
from extract.gradients import gradients
from tests.extract.nets import CONV1, NINE, model_of, save, toy

# d fc:0 / d conv1 is the weight of fc where conv1 is above 0: 0 1 2 3 for the first filter alone
AT_CONV1 = np.array([[[[0, 1], [2, 3]], [[0, 0], [0, 0]]]], np.float32)
AT_X = np.array([[[[0, 1, 1], [2, 6, 4], [2, 5, 3]]]], np.float32)
AT_KERNELS = np.array([[[[[19, 25], [37, 43]]], [[[0, 0], [0, 0]]]]], np.float32)
AT_FC = np.zeros((1, 2, 8), np.float32)
AT_FC[0, 0] = np.maximum(CONV1, 0).ravel()
EXPECTED = {
    "x": AT_X,
    "conv1": AT_CONV1,
    "conv1.weight": AT_KERNELS,
    "conv1.bias": np.float32([[6, 0]]),
    "fc.weight": AT_FC,
    "fc.bias": np.float32([[1, 0]]),
}


@pytest.fixture
def model(tmp_path):
    return load_model(save(toy(), tmp_path))


@pytest.mark.parametrize("target", ["fc:0", ("fc", 0), [(1, "fc:0")], [(3, "fc:0"), (-2, "fc:0")]])
def test_all_in_one_pass(model, target):
    found = gradients(model, NINE, target, list(EXPECTED))
    assert list(found) == list(EXPECTED)
    for name, expected in EXPECTED.items():
        np.testing.assert_array_equal(found[name], expected, err_msg=name)
        assert found[name].dtype == np.float32


def test_one_gradient_an_image_or_their_sum(model):
    batch = np.concatenate([NINE, 2 * NINE, NINE[..., ::-1]])
    apart = gradients(model, batch, "fc:0", list(EXPECTED))
    for i, image in enumerate(batch):
        alone = gradients(model, image[np.newaxis], "fc:0", list(EXPECTED))
        for name, value in alone.items():
            np.testing.assert_array_equal(apart[name][i], value[0], err_msg=name)
    summed = gradients(model, batch, "fc:0", list(EXPECTED), reduce="sum")
    for name in EXPECTED:
        whole = apart[name].sum(axis=0) if "." in name else apart[name]
        np.testing.assert_allclose(summed[name], whole, rtol=1e-6, err_msg=name)


def test_a_batch_of_a_fixed_size(tmp_path):
    fixed = load_model(save(toy(x=[2, 1, 3, 3]), tmp_path, "fixed.onnx"))
    model = load_model(save(toy(), tmp_path))
    batch = np.concatenate([NINE, 2 * NINE, NINE[..., ::-1]])
    for reduce in (None, "sum"):
        expected = gradients(model, batch, "fc:1", list(EXPECTED), reduce=reduce)
        found = gradients(fixed, batch, "fc:1", list(EXPECTED), reduce=reduce)
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-6, err_msg=name)


def test_the_predicted_class(model):
    # fc is 220.5 and 891.5 for NINE
    found = gradients(model, NINE, "top", ["fc.bias"])
    np.testing.assert_array_equal(found["fc.bias"], [[0, 1]])


def test_a_softmax_at_the_end_is_passed_over(tmp_path):
    proto = toy()
    proto.graph.node.append(helper.make_node("Softmax", ["y"], ["p"], "prob"))
    proto.graph.output[0].name = "p"
    found = gradients(load_model(save(proto, tmp_path)), NINE, "top", ["fc.bias"])
    np.testing.assert_array_equal(found["fc.bias"], [[0, 1]])


@pytest.mark.parametrize(
    ("target", "at_conv1"),
    [
        ("conv1:0", [[[0.25, 0.25], [0.25, 0.25]], [[0, 0], [0, 0]]]),
        ("conv1:0@max", [[[0, 0], [0, 1]], [[0, 0], [0, 0]]]),
        ("conv1:1,0,1", [[[0, 0], [0, 0]], [[0, 1], [0, 0]]]),
    ],
)
def test_feature_maps_as_targets(model, target, at_conv1):
    np.testing.assert_array_equal(gradients(model, NINE, target, ["conv1"])["conv1"], [at_conv1])


@pytest.mark.parametrize("name", ["fc.weight", "relu1"])
def test_what_the_target_does_not_depend_on(model, name):
    with pytest.raises(ModelError, match=f"net.onnx: the target does not depend on '{name}'"):
        gradients(model, NINE, "conv1:0", ["x", name])


def test_images_that_meet_each_other_are_told_apart_all_the_same(tmp_path):
    # y = x w - mean over the images: each target depends on all images
    nodes = [
        helper.make_node("Mul", ["x", "w"], ["a"], "mul"),
        helper.make_node("ReduceMean", ["a", "axes"], ["m"], "mean", keepdims=1),
        helper.make_node("Sub", ["a", "m"], ["y"], "sub"),
    ]
    weights = {"w": np.float32([1, 2]), "axes": np.array([0])}
    model = load_model(save(model_of(nodes, {"x": [2, 2]}, ["y"], weights, 18), tmp_path))
    x = np.float32([[1, 2], [5, 10]])
    found = gradients(model, x, "sub:0", ["w"])["w"]
    np.testing.assert_array_equal(found, [[-2, 0], [2, 0]])


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("fc", r"'fc' is no target: NAME:INDEX"),
        ("fc:a", r"'fc:a' is no target"),
        ("fc:0@sum", r"after @ comes mean or max"),
        ("conv1.weight:0", r"'conv1\.weight' is a constant"),
        ("fc:2", r"'fc:2'.*index 2 is beyond axis 1, of size 2"),
        ("fc:0,0", r"'fc:0,0'.*takes one number for a channel, or 1 for an element"),
    ],
)
def test_wrong_targets(model, target, message):
    with pytest.raises(ModelError, match=message):
        gradients(model, NINE, target, ["x"])


def test_a_place_beyond_a_size_that_is_left_open(tmp_path):
    model = load_model(save(toy(x=["N", 1, "H", "W"]), tmp_path))
    message = r"net\.onnx: 'conv1:0,1,2': index 2 is beyond axis 3, of size 2"
    with pytest.raises(ModelError, match=message):
        gradients(model, NINE, "conv1:0,1,2", ["x"])


def test_wrong_names(model):
    with pytest.raises(UnknownNameError, match="no layer or tensor 'fd'"):
        gradients(model, NINE, "fd:0", ["x"])
    with pytest.raises(UnknownNameError, match=r"'conv1\.weigh'; nearest: conv1\.weight"):
        gradients(model, NINE, "fc:0", ["conv1.weigh"])
    with pytest.raises(ModelError, match="reduce takes None or 'sum', not 'mean'"):
        gradients(model, NINE, "fc:0", ["x"], reduce="mean")


def test_an_operator_without_a_rule_is_named(tmp_path):
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], "relu"),
        helper.make_node("Warp", ["a"], ["b"], "warp", domain="my.lab"),
        helper.make_node("Relu", ["b"], ["y"], "last"),
    ]
    proto = model_of(nodes, {"x": ["N", 3]}, ["y"], {})
    proto.opset_import.add(domain="my.lab", version=1)
    model = load_model(save(proto, tmp_path))
    message = r"net\.onnx: Warp node 'warp': no gradient is known .* with respect to 'b' and later"
    with pytest.raises(ModelError, match=message):
        gradients(model, np.ones((1, 3)), "last:0", ["x"])
