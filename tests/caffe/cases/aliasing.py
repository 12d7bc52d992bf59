"""Layers that work in place on memory that blobs share in Caffe, and other layers where they do no harm.

`skip` names the blobs that Caffe spoils. Each of these networks stands here a second time, ``-apart``, where
layers write blobs of their own instead, so that nothing is spoiled; `APART` tells what its blobs are called
there.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from . import Case, layer

# Kind, name, bottoms, tops, settings.
Layer = tuple[str, str, str, str] | tuple[str, str, str, str, str]

START: Layer = ("Power", "start", "data", "x", "power_param { scale: -1.5 shift: 0.25 }")
CONVOLUTION = 'convolution_param {{ num_output: 3 kernel_size: {} {} weight_filler {{ type: "xavier" }} }}'
OUTPUTS = 'inner_product_param {{ num_output: {} axis: {} weight_filler {{ type: "xavier" }} }}'
FLATTEN: Layer = ("Flatten", "flatten", "x", "y")
RELU: Layer = ("ReLU", "relu", "y", "y")

# What Caffe spoils, and the layers.
_SHARED: dict[str, tuple[str, list[Layer]]] = {
    "flatten": ("x", [START, FLATTEN, RELU]),
    "flatten-input": ("data", [("Flatten", "flatten", "data", "y"), RELU]),
    "flatten-read-before": ("x", [START, ("Exp", "exp", "x", "top"), FLATTEN, RELU]),
    "flatten-read-between": ("x", [START, FLATTEN, ("Exp", "exp", "x", "top"), RELU]),
    "flatten-read-behind": ("x top", [START, FLATTEN, RELU, ("Exp", "exp", "x", "top")]),
    "flatten-flatten": (
        "x y",
        [
            START,
            FLATTEN,
            ("Flatten", "again", "y", "z", "flatten_param { axis: 0 }"),
            ("TanH", "tanh", "z", "z"),
        ],
    ),
    "reshape": (
        "x top",
        [
            START,
            ("Reshape", "reshape", "x", "y", "reshape_param { shape { dim: 0 dim: -1 } }"),
            RELU,
            ("TanH", "tanh", "x", "top"),
        ],
    ),
    "split": (
        "x b top",
        [START, ("Split", "split", "x", "a b"), ("ReLU", "relu", "a", "a"), ("Exp", "exp", "b", "top")],
    ),
    "split-twice": (
        "x a b",
        [START, ("Split", "split", "x", "a b"), ("ReLU", "relu", "a", "a"), ("Sigmoid", "sigmoid", "b", "b")],
    ),
    "split-dropout": (
        "x b",
        [START, ("Split", "split", "x", "a b"), ("Dropout", "dropout", "a", "a"), ("ReLU", "relu", "a", "a")],
    ),
    "concat-one": ("x", [START, ("Concat", "concat", "x", "y"), RELU]),
    "slice-one": ("x", [START, ("Slice", "slice", "x", "y"), RELU]),
    "flatten-both": (
        "x y top",
        [
            START,
            FLATTEN,
            ("Flatten", "other", "x", "z"),
            ("ReLU", "relu", "z", "z"),
            ("Eltwise", "sum", "y z", "top"),
        ],
    ),
    "lrn": ("x", [START, ("LRN", "lrn", "x", "x", "lrn_param { alpha: 2 }")]),
    "sum": ("x top", [START, ("Eltwise", "sum", "x data", "x"), ("Exp", "exp", "x", "top")]),
    "max": ("x", [START, ("Eltwise", "max", "x data", "x", "eltwise_param { operation: MAX }")]),
    "convolution": (
        "x",
        [START, ("Convolution", "conv", "x", "x", CONVOLUTION.format(1, "stride: 1 pad: 0"))],
    ),
    "deconvolution": ("x", [START, ("Deconvolution", "deconv", "x", "x", CONVOLUTION.format(1, ""))]),
    "inner-product": ("x", [START, ("InnerProduct", "fc", "x", "x", OUTPUTS.format(6, -1))]),
    "pooling": (
        "x",
        [START, ("Pooling", "pool", "x", "x", "pooling_param { kernel_size: 3 stride: 1 pad: 1 }")],
    ),
    "average": (
        "x",
        [START, ("Pooling", "pool", "x", "x", "pooling_param { pool: AVE kernel_size: 2 stride: 2 }")],
    ),
    "reduction": (
        "x",
        [START, ("Reduction", "mean", "x", "x", "reduction_param { operation: MEAN axis: 1 }")],
    ),
    "argmax": ("x", [START, ("ArgMax", "argmax", "x", "x", "argmax_param { top_k: 2 }")]),
    "spp": ("x", [START, ("SPP", "spp", "x", "x", "spp_param { pyramid_height: 1 }")]),
    "crop": ("x", [START, ("Crop", "crop", "x size", "x")]),
    "reindex": ("x", [START, ("BatchReindex", "reindex", "x order", "x")]),
}

_HARMLESS: dict[str, list[Layer]] = {
    "behind": [START, ("ReLU", "relu", "x", "x"), FLATTEN, ("Exp", "exp", "y", "top")],
    "flatten-dropout": [START, FLATTEN, ("Dropout", "dropout", "y", "y"), ("Exp", "exp", "x", "top")],
    "flatten-not-in-place": [START, FLATTEN, ("ReLU", "relu", "y", "z"), ("TanH", "tanh", "z", "z")],
    "concat-two": [START, ("Concat", "concat", "x data", "y"), RELU],
    "slice-three": [
        START,
        ("Slice", "slice", "x", "a b c"),
        ("ReLU", "relu", "a", "a"),
        ("TanH", "tanh", "b", "b"),
    ],
    "slice-in-place": [START, ("Slice", "slice", "x", "x"), ("Concat", "concat", "x", "x")],
    "tile-one": [START, ("Tile", "tile", "x", "y", "tile_param { tiles: 1 }"), RELU],
    "readers": [
        START,
        ("ReLU", "relu", "x", "x"),
        ("Exp", "exp", "x", "a"),
        ("TanH", "tanh", "x", "b"),
        ("TanH", "again", "b", "b"),
    ],
    "product": [START, ("Eltwise", "product", "x data", "x", "eltwise_param { operation: PROD }")],
    "lrn-within": [
        START,
        ("LRN", "lrn", "x", "x", "lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 }"),
    ],
    "convolution-3": [START, ("Convolution", "conv", "x", "x", CONVOLUTION.format(3, "pad: 1"))],
    "deconvolution-3": [START, ("Deconvolution", "deconv", "x", "x", CONVOLUTION.format(3, "pad: 1"))],
    "softmax": [
        START,
        ("Softmax", "softmax", "x", "x"),
        ("MVN", "mvn", "x", "x"),
        ("BatchNorm", "bn", "x", "x"),
    ],
}

_SHAPES = {"data": (2, 3, 4, 6), "size": (2, 3, 3, 5), "order": (2,)}
_VALUES = {"order": np.array([1, 0], np.float32)}


def _text(layers: Iterable[Layer]) -> str:
    return "".join(
        layer(kind, " ".join(text), bottoms, tops, name) for kind, name, bottoms, tops, *text in layers
    )


def _case(layers: list[Layer], spoiled: str = "") -> Case:
    read = {blob for entry in layers for blob in entry[2].split()}
    inputs = {blob: shape for blob, shape in _SHAPES.items() if blob in read}
    values = {blob: value for blob, value in _VALUES.items() if blob in read}
    return Case(_text(layers), inputs, values, skip=tuple(spoiled.split()))


def _apart(layers: Iterable[Layer]) -> tuple[list[Layer], dict[str, str]]:
    """Return layers that do not work in place but write other blobs, and the last name of each blob."""
    names: dict[str, str] = {}
    result: list[Layer] = []
    for kind, name, bottoms, tops, *text in layers:
        read = " ".join(names.get(blob, blob) for blob in bottoms.split())
        for top in tops.split():
            names[top] = f"{top}-{name}" if top in bottoms.split() else top
        written = " ".join(names[top] for top in tops.split())
        result.append((kind, name, read, written, " ".join(text)))
    return result, names


CASES = (
    {name: _case(layers, spoiled) for name, (spoiled, layers) in _SHARED.items()}
    | {name: _case(layers) for name, layers in _HARMLESS.items()}
    | {f"{name}-apart": _case(_apart(layers)[0]) for name, (_, layers) in _SHARED.items()}
)
APART = {name: _apart(layers)[1] for name, (_, layers) in _SHARED.items()}
