"""Layers that bend each value by itself, also in place."""

from __future__ import annotations

import numpy as np

from . import Case, layer

KINKS = np.array([[-2, -1, -0.5, -0.0, 0, 1e-30, 0.25, 0.5, 1, 6, 7]], np.float32)
LARGE = np.array([[-200, -100, -90, -50, -20, -1e-4, 1e-4, 20, 50, 80, 88]], np.float32)
WIDE = 8 * np.random.default_rng(0).standard_normal((2, 3, 4, 5), np.float32)

CONVOLUTION = 'convolution_param {{ num_output: 4 kernel_size: 3 {} weight_filler {{ type: "xavier" }} }}'


def _at(kind: str, values: np.ndarray, text: str = "") -> Case:
    return Case(layer(kind, text), {"data": values.shape}, {"data": values})


def _chain(*layers: str) -> str:
    """Return layers that all work in place on the blob ``conv``, behind a convolution."""
    conv = layer(
        "Convolution",
        CONVOLUTION.format(""),
        top="conv",
        name="conv",
    )
    kinds = (text.partition(" ") for text in layers)
    rest = (layer(k, text, "conv", "conv", f"{k.lower()}{i}") for i, (k, _, text) in enumerate(kinds))
    return conv + "".join(rest) + layer("Power", "power_param { scale: 2 }", "conv", "top")


CASES = {
    "relu": Case(layer("ReLU")),
    "relu-slope": Case(layer("ReLU", "relu_param { negative_slope: 0.1 }")),
    "relu-negative-slope": Case(layer("ReLU", "relu_param { negative_slope: -0.3 }"), {"data": (3, 5)}),
    "relu-kinks": _at("ReLU", KINKS),
    "relu-five-axes": Case(layer("ReLU"), {"data": (2, 2, 3, 4, 3)}),
    "prelu": Case(layer("PReLU")),
    "prelu-shared": Case(layer("PReLU", "prelu_param { channel_shared: true }")),
    "prelu-two-axes": Case(layer("PReLU"), {"data": (3, 7)}),
    "prelu-three-axes": Case(layer("PReLU"), {"data": (2, 5, 3)}),
    "prelu-filler": Case(layer("PReLU", "prelu_param { filler { value: -0.5 } }"), {"data": (2, 4, 3, 1)}),
    "elu": Case(layer("ELU")),
    "elu-alpha": Case(layer("ELU", "elu_param { alpha: 2.5 }"), {"data": (2, 9)}),
    "elu-kinks": _at("ELU", KINKS),
    "swish": Case(layer("Swish")),
    "swish-beta": Case(layer("Swish", "swish_param { beta: -1.75 }")),
    "swish-large": _at("Swish", LARGE),
    "sigmoid": Case(layer("Sigmoid")),
    "sigmoid-large": _at("Sigmoid", LARGE),
    "tanh": Case(layer("TanH")),
    "tanh-large": _at("TanH", LARGE),
    "bnll": Case(layer("BNLL")),
    "bnll-large": _at("BNLL", LARGE),
    "absval": Case(layer("AbsVal")),
    "threshold": Case(layer("Threshold")),
    "threshold-kinks": _at("Threshold", KINKS, "threshold_param { threshold: 0.25 }"),
    "clip": Case(layer("Clip", "clip_param { min: -0.5 max: 0.75 }")),
    "clip-crossed": Case(layer("Clip", "clip_param { min: 0.5 max: -0.25 }"), {"data": (2, 9)}),
    "clip-to-nothing": Case(layer("Clip")),
    "dropout": Case(layer("Dropout", "dropout_param { dropout_ratio: 0.7 }")),
    "in-place-relu-dropout": Case(_chain("ReLU", "Dropout")),
    "in-place-many": Case(
        _chain(
            "BatchNorm",
            "Scale scale_param { bias_term: true }",
            "PReLU",
            "TanH",
            "Power power_param { shift: 1 }",
        )
    ),
    "in-place-sigmoids": Case(_chain("Sigmoid", "Sigmoid", "ELU")),
    "in-place-curves": Case(
        _chain("Swish", "BNLL", "Exp", "Log", "Threshold threshold_param { threshold: 1 }")
    ),
    "in-place-softmax": Case(_chain("Clip clip_param { min: -1 max: 1 }", "Softmax", "MVN", "Bias")),
    "in-place-within": Case(
        _chain("LRN lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 alpha: 3 }", "ReLU")
    ),
    "in-place-windows": Case(_chain(f"Convolution {CONVOLUTION.format('pad: 1')}")),
    "in-place-input": Case(
        layer("ReLU", top="data", name="relu")
        + layer("Power", "power_param { shift: 1 }", top="data", name="power")
        + layer("Pooling", "pooling_param { kernel_size: 2 stride: 2 }")
    ),
    "in-place-readers": Case(
        _chain("ReLU") + layer("Sigmoid", "", "conv", "a", "a") + layer("TanH", "", "conv", "b", "b")
    ),
    "relu6": _at("ReLU6", WIDE),
    "relu6-slope": _at("ReLU6", WIDE, "relu6_param { negative_slope: 0.2 }"),
    "relu6-kinks": _at("ReLU6", KINKS),
}

# Networks that Caffe refuses.
REFUSED = {
    "absval-in-place": Case(layer("AbsVal", top="data")),
    "prelu-one-axis": Case(layer("PReLU"), {"data": (5,)}),
    "prelu-five-axes": Case(layer("PReLU"), {"data": (2, 3, 2, 2, 2)}),
    "clip-min": Case(layer("Clip", "clip_param { max: 1 }")),
    "relu-two-bottoms": Case(layer("ReLU", "", "data data")),
    "relu-two-tops": Case(layer("ReLU", "", "data", "a b")),
}
