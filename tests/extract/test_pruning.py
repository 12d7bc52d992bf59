"""Pruned networks in files, beside ablation, which has no file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import helper

from extract import Model, ModelError, activations, load_model
from extract.ablation import Ablation
from extract.caffe.schema import message
from extract.filters import filters_of
from extract.pruning import save_pruned
from tests.extract.nets import model_of, save, toy

RNG = np.random.default_rng(5)
PROTOTXT = """
name: "small"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 2 dim: 7 dim: 11 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 6 kernel_h: 3 kernel_w: 2 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "up" type: "Deconvolution" bottom: "conv" top: "up"
  convolution_param { num_output: 4 group: 2 kernel_size: 2 } }
layer { name: "fc" type: "InnerProduct" bottom: "up" top: "fc" inner_product_param { num_output: 5 } }
layer { name: "extra" type: "InnerProduct" bottom: "fc" top: "extra"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
"""
SHAPES = {"conv": [(6, 2, 3, 2), (6,)], "up": [(6, 2, 2, 2), (4,)], "fc": [(5, 264), (5,)]}


def values(*shape):
    return RNG.normal(size=shape).astype(np.float32)


@pytest.fixture(scope="module")
def caffe(tmp_path_factory):
    """Return a network, of which one layer has no stored weights."""
    folder = tmp_path_factory.mktemp("caffe")
    net = message("NetParameter")
    for name, shapes in SHAPES.items():
        one = net.layer.add(name=name)
        for shape in shapes:
            blob = one.blobs.add()
            blob.shape.dim.extend(shape)
            blob.data.extend(values(*shape).ravel().tolist())
    (folder / "net.prototxt").write_text(PROTOTXT)
    (folder / "net.caffemodel").write_bytes(net.SerializeToString())
    with pytest.warns(match="has no weights for extra"):
        return load_model(folder / "net.prototxt", folder / "net.caffemodel")


def without(model, layer, removed, x, output):
    filters = filters_of(model, layer)
    kept = np.isin(np.arange(filters.count), removed, invert=True)
    return Ablation(model, filters, output).run(x, kept[np.newaxis])[:, 0]


@pytest.mark.filterwarnings("ignore::converters.errors.CnnVisWarning")
def test_caffe_networks_lose_their_filters_in_both_forms(caffe, tmp_path):
    x = values(1, 2, 7, 11)
    for layer, removed in {"conv": [5, 0], "up": [1, 2], "fc": [3]}.items():
        expected = without(caffe, layer, removed, x, "fc")
        chosen = {filters_of(caffe, layer): removed}
        (weights,) = save_pruned(caffe, chosen, tmp_path / "pruned.caffemodel")
        (whole,) = save_pruned(caffe, chosen, tmp_path / "pruned.onnx")
        for model in (load_model(caffe.path, weights), load_model(whole)):
            # sums of at most 264 products in another order
            np.testing.assert_allclose(activations(model, x, ["fc"])["fc"], expected, rtol=1e-5, atol=2e-5)


def test_several_layers_at_once(tmp_path):
    model = load_model(save(toy(), tmp_path))
    chosen = {filters_of(model, "conv1"): [1], filters_of(model, "fc"): [0]}
    assert save_pruned(model, chosen, tmp_path / "pruned.onnx") == [tmp_path / "pruned.onnx"]
    stored = {
        t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(tmp_path / "pruned.onnx").graph.initializer
    }
    assert not stored["conv1_w"][1].any()
    assert stored["conv1_w"][0].all()
    assert stored["conv1_b"].tolist() == [0, 0]
    assert not stored["fc_w"][0].any()
    assert stored["fc_b"].tolist() == [0, -0.5]


def test_weights_that_nodes_make(tmp_path):
    """The nodes that made the weight are gone; what only they read is too."""
    nodes = [
        helper.make_node("Transpose", ["t"], ["w"], "turn", perm=[1, 0]),
        helper.make_node("Gemm", ["x", "w"], ["y"], "fc"),
    ]
    proto = model_of(nodes, {"x": ["N", 7]}, ["y"], {"t": values(5, 7)})
    model = load_model(save(proto, tmp_path))
    x = values(3, 7)
    expected = without(model, "fc", [2], x, "y")
    (path,) = save_pruned(model, {filters_of(model, "fc"): [2]}, tmp_path / "pruned.onnx")
    np.testing.assert_allclose(activations(load_model(path), x, ["fc"])["fc"], expected, rtol=1e-6)
    assert not expected[:, 2].any()
    assert [node.op_type for node in onnx.load(path).graph.node] == ["Gemm"]


def test_what_cannot_be_written(caffe, tmp_path):
    conv = {filters_of(caffe, "conv"): [0]}
    (tmp_path / "folder.caffemodel").mkdir()
    for path, reason in {
        tmp_path / "folder.caffemodel": "is a folder",
        caffe.source.files[1]: "is a file of the network that is read",
        tmp_path / "net.caffemodel.h5": "must be called so",
        tmp_path: "a name that ends in .onnx",
        tmp_path / "net.txt": "a name that ends in .onnx",
    }.items():
        with pytest.raises(ModelError, match=reason) as caught:
            save_pruned(caffe, conv, path)
        assert str(path) in str(caught.value)
    with pytest.raises(ModelError, match=r"net.caffemodel: has no weight of layer 'extra'"):
        save_pruned(caffe, {filters_of(caffe, "extra"): [0]}, tmp_path / "net.caffemodel")
    in_caffe = Model(caffe.proto, replace(caffe.source, runner=lambda *words: None))
    with pytest.raises(ModelError, match="needs the onnxruntime engine"):
        save_pruned(in_caffe, conv, tmp_path / "pruned.onnx")
    plain = load_model(save(toy(), tmp_path))
    with pytest.raises(ModelError, match="only a Caffe network"):
        save_pruned(plain, {filters_of(plain, "fc"): [0]}, tmp_path / "net.caffemodel")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.caffemodel", "net.onnx"]
    assert not any((tmp_path / "folder.caffemodel").iterdir())
