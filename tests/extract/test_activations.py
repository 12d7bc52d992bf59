"""Activations against hand computation, onnx's reference evaluator and plain onnxruntime."""

from __future__ import annotations

import re

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

from converters import CnnVisWarning
from extract import Extractor, ImageError, ModelError, activations, load_model
from tests.extract.nets import CONV1, NINE, model_of, save, toy
from tests.models import trained


@pytest.fixture
def model(tmp_path):
    return load_model(save(toy(), tmp_path))


def test_one_pass_gives_all_asked_layers(model):
    got = activations(model, NINE, ["relu1", "conv1", "fc", "x"])
    assert list(got) == ["relu1", "conv1", "fc", "x"]
    np.testing.assert_array_equal(got["conv1"], CONV1)
    np.testing.assert_array_equal(got["relu1"], np.maximum(CONV1, 0))
    # 0*8 + 1*12 + 2*20 + 3*24 + 0.5; 8*8 + 9*12 + 10*20 + 11*24 - 0.5
    np.testing.assert_array_equal(got["fc"], [[124.5, 635.5]])
    np.testing.assert_array_equal(got["x"], NINE)
    assert all(value.dtype == np.float32 for value in got.values())


def test_patterns_name_layers_in_the_order_of_the_graph(model):
    assert list(activations(model, NINE, ["f*", "conv1"])) == ["flat", "fc", "conv1"]


def test_only_ancestors_run(model):
    extractor = Extractor(model, ["conv1"])
    assert extractor._runner is not None
    assert extractor._runner.outputs == ["c"]
    np.testing.assert_array_equal(extractor.run(NINE)["conv1"], CONV1)


def test_the_input_alone_needs_no_session(model):
    np.testing.assert_array_equal(activations(model, NINE, ["x"])["x"], NINE)


def test_a_parameter_is_an_activation_too(model):
    np.testing.assert_array_equal(activations(model, NINE, ["fc.bias"])["fc.bias"], [0.5, -0.5])


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_a_fixed_batch_size_takes_any_number_of_images(tmp_path, count):
    model = load_model(save(toy(x=[2, 1, 3, 3]), tmp_path))
    x = np.random.default_rng(1).random((count, 1, 3, 3), dtype=np.float32)
    free = load_model(save(toy(), tmp_path, "free.onnx"))
    for name, value in activations(model, x, ["conv1", "fc"]).items():
        np.testing.assert_allclose(value, activations(free, x, [name])[name], rtol=1e-6)


def test_the_input_is_left_alone(model):
    x = NINE.copy()
    activations(model, x, ["conv1", "fc"])
    np.testing.assert_array_equal(x, NINE)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((1, 3, 3, 3)), "input 'x' takes any x 1 x 3 x 3, not 1 x 3 x 3 x 3"),
        (np.zeros((1, 1, 4, 3)), "input 'x' takes any x 1 x 3 x 3, not 1 x 1 x 4 x 3"),
        (np.zeros((3, 3)), "not 3 x 3"),
        (np.zeros((0, 1, 3, 3)), "an empty batch"),
        (np.array("cat"), "not a single value"),
        ({"y": NINE}, "no value for input 'x'"),
        ({}, "no value for input 'x'"),
    ],
)
def test_inputs_that_do_not_fit(model, x, message):
    with pytest.raises(ImageError, match=re.escape(message)) as caught:
        activations(model, x, ["conv1"])
    assert str(caught.value).startswith(f"{model.path}: ")


def test_a_graph_that_fails_while_it_runs(tmp_path):
    reshape = helper.make_node("Reshape", ["x", "shape"], ["y"], "bend")
    proto = model_of([reshape], {"x": ["N"]}, ["y"], {"shape": np.array([2, 3])})
    with pytest.raises(ModelError, match=r"onnxruntime failed: .*bend"):
        activations(load_model(save(proto, tmp_path)), np.zeros(5), ["bend"])


@pytest.mark.parametrize("x", [0.7, -3, 300, np.nan])
def test_integer_inputs_take_what_they_can_hold(tmp_path, x):
    cast = helper.make_node("Cast", ["x"], ["y"], "cast", to=onnx.TensorProto.FLOAT)
    model = load_model(
        save(model_of([cast], {"x": ["N", 2]}, ["y"], {}, kind=onnx.TensorProto.UINT8), tmp_path)
    )
    np.testing.assert_array_equal(activations(model, np.array([[7.0, 255.0]]), ["cast"])["cast"], [[7, 255]])
    with pytest.raises(ImageError, match="input 'x' takes whole numbers of type uint8"):
        activations(model, np.array([[7, x]]), ["cast"])


def test_pieces_of_a_fixed_batch_need_a_batch_axis(tmp_path):
    mean = helper.make_node("ReduceMean", ["x"], ["m"], "mean", axes=[0], keepdims=0)
    model = load_model(save(model_of([mean], {"x": [2, 3]}, ["m"], {}), tmp_path))
    np.testing.assert_array_equal(activations(model, np.eye(2, 3), ["mean"])["mean"], [0.5, 0.5, 0])
    with pytest.raises(ModelError, match="'m' has no batch axis: give the model 2 images at a time"):
        activations(model, np.eye(4, 3), ["mean"])


def test_outputs_that_are_no_tensors(tmp_path):
    pair = helper.make_node("SequenceConstruct", ["x", "x"], ["s"], "pair")
    model = load_model(
        save(model_of([pair, helper.make_node("Neg", ["x"], ["n"], "neg")], {"x": [2]}, ["n"], {}), tmp_path)
    )
    with pytest.raises(ModelError, match="the output of 'pair' is not a tensor of numbers"):
        activations(model, np.ones(2), ["pair"])
    with pytest.warns(CnnVisWarning, match="'pair' is not a tensor of numbers: left out"):
        assert list(activations(model, np.ones(2), ["*"])) == ["neg"]


def small_nets():
    """Yield (name, nodes, input shape, weights) of nets that use one kind of operator each."""
    rng = np.random.default_rng(7)
    w = rng.standard_normal((4, 3, 3, 3)).astype(np.float32)
    node = helper.make_node
    conv = {"w": w, "b": rng.standard_normal(4).astype(np.float32)}
    channel = {k: rng.random(3).astype(np.float32) + 0.5 for k in ("scale", "bias", "mean", "var")}
    yield (
        "conv",
        [node("Conv", ["x", "w", "b"], ["y"], pads=[0, 1, 2, 1], strides=[2, 1])],
        (2, 3, 7, 9),
        conv,
    )
    yield "dilated", [node("Conv", ["x", "w"], ["y"], dilations=[2, 1])], (1, 3, 8, 7), {"w": w}
    yield "grouped", [node("Conv", ["x", "w"], ["y"], group=2)], (1, 6, 5, 6), {"w": w}
    yield "1d", [node("Conv", ["x", "w"], ["y"])], (2, 3, 11), {"w": w[..., 0].copy()}
    yield "3d", [node("Conv", ["x", "w"], ["y"])], (1, 3, 4, 5, 6), {"w": np.stack([w, w], -1)}
    yield "deconv", [node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 3])], (1, 4, 3, 4), {"w": w}
    ceil = {"kernel_shape": [3, 2], "strides": [2, 2], "ceil_mode": 1}
    yield "max", [node("MaxPool", ["x"], ["y"], **ceil)], (1, 2, 6, 7), {}
    yield "average", [node("AveragePool", ["x"], ["y"], **ceil, count_include_pad=1)], (1, 2, 6, 7), {}
    norm = [node("BatchNormalization", ["x", "scale", "bias", "mean", "var"], ["y"])]
    yield "batchnorm", norm, (2, 3, 4, 5), channel
    resize = node("Resize", ["x", "", "s"], ["y"], mode="linear")
    yield "resize", [resize], (1, 2, 4, 5), {"s": np.array([1, 1, 2, 2], np.float32)}
    yield "shuffle", [node("DepthToSpace", ["x"], ["y"], blocksize=2)], (1, 8, 3, 4), {}


@pytest.mark.parametrize("net", list(small_nets()), ids=lambda net: net[0])
def test_small_nets_equal_the_reference_evaluator(tmp_path, net):
    _, nodes, shape, weights = net
    proto = model_of(nodes, {"x": [None, *shape[1:]]}, ["y"], weights)
    x = np.random.default_rng(3).standard_normal(shape).astype(np.float32)
    expected = ReferenceEvaluator(proto).run(None, {"x": x})[0]
    got = activations(load_model(save(proto, tmp_path)), x, ["y"])["y"]
    # float32 sums of up to 54 products, in another order
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_local_response_normalization(tmp_path):
    # by its formula: onnx 1.23.2's reference evaluator runs over x.shape[0] where it should over the channels
    lrn = helper.make_node("LRN", ["x"], ["y"], size=3, alpha=0.5, beta=0.75, bias=2.0)
    x = np.random.default_rng(3).standard_normal((2, 5, 3, 4)).astype(np.float32)
    squares = [(x[:, max(0, c - 1) : c + 2].astype(float) ** 2).sum(axis=1) for c in range(5)]
    expected = x / (2 + 0.5 / 3 * np.stack(squares, axis=1)) ** 0.75
    proto = model_of([lrn], {"x": [None, 5, 3, 4]}, ["y"], {})
    np.testing.assert_allclose(
        activations(load_model(save(proto, tmp_path)), x, ["y"])["y"], expected, rtol=1e-5
    )


TRAINED = {
    "efficientnet-lite0": (1, 3, 224, 224),
    "open-nsfw": (1, 3, 224, 224),
    "age": (1, 3, 64, 64),
    "gender": (2, 3, 32, 32),
    "centerface": (10, 3, 32, 32),
    "mnist-conv": (1, 1, 28, 28),
    "pnet": (1, 3, 41, 30),
    "rnet": (2, 3, 24, 24),
    "onet": (1, 3, 48, 48),
    "text-direction": (1, 3, 48, 192),
}


@pytest.mark.parametrize("name", TRAINED)
def test_trained_models_equal_plain_onnxruntime(name):
    path = trained(name)
    model = load_model(path)
    x = np.random.default_rng(11).random(TRAINED[name], dtype=np.float32)
    proto = onnx.load(path)
    chosen = [layer for layer in model.layers.values() if layer.operator in ("Conv", "Relu", "Clip", "Gemm")]
    outputs = [layer.outputs[0] for layer in (chosen[0], chosen[len(chosen) // 2], chosen[-1])]
    del proto.graph.output[:]
    proto.graph.output.extend(onnx.ValueInfoProto(name=output) for output in outputs)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    declared = np.moveaxis(x, 1, -1) if model.inputs[0].channels_last else x
    expected = session.run(outputs, {model.inputs[0].name: declared})
    got = activations(model, x, [f"tensor:{output}" for output in outputs])
    for value, reference in zip(got.values(), expected, strict=True):
        # the same kernels; the cut graph may fuse other neighbours
        np.testing.assert_allclose(value, reference, rtol=1e-4, atol=1e-5 * np.abs(reference).max())


def test_mnist_conv_gives_the_outputs_that_its_makers_published():
    path = trained("mnist-conv")
    x, expected = (
        onnx.numpy_helper.to_array(onnx.load_tensor(path.with_name(f"mnist-conv-{part}.pb")))
        for part in ("input", "output")
    )
    got = activations(load_model(path), x, ["Plus214_Output_0"])["Plus214_Output_0"]
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-2)
