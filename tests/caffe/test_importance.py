"""Criteria for each picture against maps and gradients of real Caffe's own forward and backward."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from extract import activations, gradients, load_model
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


# As ResNet has it: normalization without scale and shift, these in a layer of their own, all in place.
NORMALIZED = """
input: "data" input_shape { dim: 2 dim: 3 dim: 9 dim: 13 }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 4 kernel_size: 3 stride: 2 bias_term: false } }
layer { name: "bn1" type: "BatchNorm" bottom: "conv1" top: "conv1"
        batch_norm_param { use_global_stats: true } }
layer { name: "scale1" type: "Scale" bottom: "conv1" top: "conv1" scale_param { bias_term: true } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "conv2" type: "Convolution" bottom: "conv1" top: "conv2"
        convolution_param { num_output: 4 kernel_size: 3 pad: 1 bias_term: false } }
layer { name: "bn2" type: "BatchNorm" bottom: "conv2" top: "bn2" batch_norm_param { use_global_stats: true } }
layer { name: "scale2" type: "Scale" bottom: "bn2" top: "scale2" scale_param { bias_term: true } }
layer { name: "sum" type: "Eltwise" bottom: "conv1" bottom: "scale2" top: "sum" }
layer { name: "relu2" type: "ReLU" bottom: "sum" top: "sum" }
layer { name: "fc" type: "InnerProduct" bottom: "sum" top: "fc" inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""


def test_maps_are_those_of_caffe_behind_batch_norm_scale_and_relu(tmp_path: Path) -> None:
    """conv1 up to its ReLU; conv2 up to its Scale, behind which another branch is added."""
    random = np.random.default_rng(12)
    shapes = {"conv1": [(4, 3, 3, 3)], "conv2": [(4, 4, 3, 3)], "fc": [(5, 96), (5,)]}
    weights = {layer: [random.normal(0, 0.3, shape) for shape in blobs] for layer, blobs in shapes.items()}
    for number in (1, 2):
        divided = random.normal(size=4), 1 + random.normal(size=4) ** 2, np.array([0.5])
        weights[f"bn{number}"] = list(divided)
        weights[f"scale{number}"] = list(random.normal(size=(2, 4)))
    files = write_net(tmp_path, NORMALIZED), write_weights(tmp_path, weights)
    ours, caffes = (load_model(*files, engine=engine) for engine in ("onnxruntime", "pycaffe"))
    x = random.normal(size=(2, 3, 9, 13)).astype(np.float32)
    table = Table(ours, None, find_filters(ours, ["conv1", "conv2"]), ["act_mean", "act_max", "taylor_act"])
    classes = np.array([4, 0])
    rows = table.rows(x, classes)
    behind = {"conv1": "relu1", "conv2": "scale2"}
    assert table.maps == {layer: ours.tensor(name) for layer, name in behind.items()}
    found = activations(caffes, x, list(behind.values()))
    slopes = [gradients(caffes, x, ("fc", index), list(behind.values())) for index in classes]
    for layer, name in behind.items():
        maps = found[name].astype(np.float64)
        slope = np.stack([one[name][image] for image, one in enumerate(slopes)]).astype(np.float64)
        wanted = {
            "act_mean": maps.mean(axis=(2, 3)),
            "act_max": maps.max(axis=(2, 3)),
            "taylor_act": abs((maps * slope).sum(axis=(2, 3))),
        }
        for criterion, values in wanted.items():
            own = rows[:, table.columns[criterion, layer]]
            # both add up to 48 float32 products, in other orders
            np.testing.assert_allclose(own, values, rtol=1e-5, atol=1e-6 * np.abs(values).max())
