"""A small Caffe network whose activations can be told by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from extract.caffe.schema import message

# 3 x 3 grey pictures; conv1: a window's sum, and its top left minus its bottom right, + 1
TOY = """
name: "toy"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 3 dim: 3 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 2 kernel_size: 2 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "fc" type: "InnerProduct" bottom: "conv1" top: "fc" inner_product_param { num_output: 2 } }
"""
TOY_WEIGHTS = {
    "conv1": [[[[[1, 1], [1, 1]]], [[[1, 0], [0, -1]]]], [0, 1]],
    "fc": [np.arange(16).reshape(2, 8), [0.5, -0.5]],
}
NINE = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
CONV1 = np.array([[[[8, 12], [20, 24]], [[-3, -3], [-3, -3]]]], np.float32)
# 8, 12, 20, 24 and zeros, times 0 1 2 3 and 8 9 10 11
FC = np.float32([[0 * 8 + 1 * 12 + 2 * 20 + 3 * 24 + 0.5, 8 * 8 + 9 * 12 + 10 * 20 + 11 * 24 - 0.5]])


def write_net(folder: Path, text: str = TOY, name: str = "deploy.prototxt") -> Path:
    """Write a prototxt and return its path."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def write_weights(
    folder: Path, weights: Mapping[str, Sequence[ArrayLike]] = TOY_WEIGHTS, name: str = "net.caffemodel"
) -> Path:
    """Write blobs by layer as a .caffemodel and return its path."""
    net = message("NetParameter")
    for layer, blobs in weights.items():
        entry = net.layer.add(name=layer)
        for values in blobs:
            array = np.asarray(values, np.float32)
            blob = entry.blobs.add()
            blob.shape.dim.extend(array.shape)
            blob.data.extend(array.ravel().tolist())
    path = folder / name
    path.write_bytes(net.SerializeToString())
    return path
