"""grad_l2 for each picture against the gradients of real Caffe's own backward, in CaffeNet's style."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from extract import gradients, load_model
from extract.filters import find_filters
from extract.importance.rows import Table
from tests.extract.caffe.nets import write_net, write_weights

pytestmark = pytest.mark.usefixtures("one_process")

# CaffeNet's first two stages and its inner products: in place, two groups, LRN, pools that round up, dropout.
NET = """
input: "data" input_shape { dim: 2 dim: 3 dim: 23 dim: 29 }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 8 kernel_size: 5 stride: 2 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
        pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "norm1" type: "LRN" bottom: "pool1" top: "norm1"
        lrn_param { local_size: 5 alpha: 0.1 beta: 0.75 } }
layer { name: "conv2" type: "Convolution" bottom: "norm1" top: "conv2"
        convolution_param { num_output: 6 pad: 1 kernel_size: 3 group: 2 } }
layer { name: "relu2" type: "ReLU" bottom: "conv2" top: "conv2" }
layer { name: "fc6" type: "InnerProduct" bottom: "conv2" top: "fc6" inner_product_param { num_output: 12 } }
layer { name: "relu6" type: "ReLU" bottom: "fc6" top: "fc6" }
layer { name: "drop6" type: "Dropout" bottom: "fc6" top: "fc6" dropout_param { dropout_ratio: 0.5 } }
layer { name: "fc8" type: "InnerProduct" bottom: "fc6" top: "fc8" inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "fc8" top: "prob" }
"""
SHAPES = {"conv1": (8, 3, 5, 5), "conv2": (6, 4, 3, 3), "fc6": (12, 6 * 5 * 6), "fc8": (5, 12)}


def test_grad_l2_is_the_norm_of_caffes_gradients_for_each_picture(tmp_path: Path) -> None:
    random = np.random.default_rng(11)
    weights = {
        layer: [random.normal(0, 1.5 / np.sqrt(np.prod(shape[1:])), shape), random.normal(size=shape[0]) / 9]
        for layer, shape in SHAPES.items()
    }
    files = write_net(tmp_path, NET), write_weights(tmp_path, weights)
    ours, caffes = (load_model(*files, engine=engine) for engine in ("onnxruntime", "pycaffe"))
    x, classes = random.normal(size=(3, 3, 23, 29)).astype(np.float32), np.array([4, 0, 2])
    table = Table(ours, None, find_filters(ours, SHAPES), ["grad_l2"])
    rows = table.rows(x, classes)
    for image, index in enumerate(classes):
        found = gradients(caffes, x[image : image + 1], ("fc8", index), [f"{name}.weight" for name in SHAPES])
        for layer, shape in SHAPES.items():
            slope = found[f"{layer}.weight"].reshape(shape[0], -1).astype(np.float64)
            wanted = np.linalg.norm(slope, axis=1)
            assert wanted.any()
            # both add float32 products, in other orders
            np.testing.assert_allclose(
                rows[image, table.columns["grad_l2", layer]], wanted, rtol=1e-5, atol=1e-6 * wanted.max()
            )
