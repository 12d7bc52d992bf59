"""Pruned weights in real Caffe: it loads the file, and computes what onnxruntime does."""

from __future__ import annotations

import shutil

import numpy as np

from extract import activations, load_model
from extract.filters import filters_of
from extract.pruning import save_pruned
from tests.caffe.harness import TOLERANCE, ask, put_values

PROTOTXT = """
name: "pruned"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 4 dim: 9 dim: 13 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 6 kernel_h: 3 kernel_w: 2 group: 2 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "norm1" type: "LRN" bottom: "conv1" top: "norm1" lrn_param { local_size: 3 alpha: 0.5 } }
layer { name: "conv2" type: "Deconvolution" bottom: "norm1" top: "conv2"
  convolution_param { num_output: 4 kernel_size: 3 group: 2 stride: 2 } }
layer { name: "fc" type: "InnerProduct" bottom: "conv2" top: "fc" inner_product_param { num_output: 5 } }
"""


def test_caffe_computes_what_onnxruntime_does(caffe_python, tmp_path):
    whole, pruned = tmp_path / "whole", tmp_path / "pruned"
    for folder in (whole, pruned):
        folder.mkdir()
        (folder / "net.prototxt").write_text(PROTOTXT)
    x = np.random.default_rng(3).normal(size=(2, 4, 9, 13)).astype(np.float32)
    put_values(whole, "net", {"input:data": x})
    first = ask(caffe_python, whole)["net"]
    model = load_model(whole / "net.prototxt", whole / "net.caffemodel")
    removed = {
        filters_of(model, layer): chosen
        for layer, chosen in {"conv1": [0, 4], "conv2": [3], "fc": [1]}.items()
    }
    (weights,) = save_pruned(model, removed, pruned / "net.caffemodel")
    (graph,) = save_pruned(model, removed, pruned / "net.onnx")
    shutil.copy(whole / "net.npz", pruned / "net.npz")
    second = ask(caffe_python, pruned)["net"]
    assert not second.blobs["conv1"][:, [0, 4]].any()
    assert not second.blobs["fc"][:, 1].any()
    assert np.abs(first.blobs["fc"] - second.blobs["fc"])[:, [0, 2, 3, 4]].min() > 0.01
    for ours in (load_model(pruned / "net.prototxt", weights), load_model(graph)):
        found = activations(ours, x, ["norm1", "conv2", "fc"])
        for blob, value in found.items():
            scale = np.abs(second.blobs[blob]).max()
            assert np.abs(value - second.blobs[blob]).max() <= TOLERANCE * scale, blob
