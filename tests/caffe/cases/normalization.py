"""LRN, MVN, batch normalization, Normalize and Softmax."""

from __future__ import annotations

import numpy as np

from . import Case, layer

CHANNELS = {"data": (2, 7, 3, 5)}
LARGE = 30 * np.random.default_rng(0).standard_normal((2, 5, 3), np.float32)


def _lrn(text: str) -> str:
    return layer("LRN", f"lrn_param {{ {text} }}")


def _mvn(text: str) -> str:
    return layer("MVN", f"mvn_param {{ {text} }}")


def _batch_norm(text: str, more: str = "") -> str:
    return layer("BatchNorm", f"batch_norm_param {{ {text} }} {more}")


def _normalize(text: str) -> str:
    return layer("Normalize", f"norm_param {{ {text} }}")


def _bn(text: str, top: str = "top") -> str:
    return layer("BN", f"bn_param {{ {text} }}", top=top)


CASES = {
    "softmax": Case(layer("Softmax")),
    "softmax-two-axes": Case(layer("Softmax"), {"data": (3, 7)}),
    "softmax-axis-0": Case(layer("Softmax", "softmax_param { axis: 0 }"), {"data": (5,)}),
    "softmax-last-axis": Case(layer("Softmax", "softmax_param { axis: -1 }"), {"data": (2, 3, 4, 2, 5)}),
    "softmax-large": Case(layer("Softmax"), {"data": LARGE.shape}, {"data": LARGE}),
    "lrn": Case(layer("LRN"), CHANNELS),
    "lrn-alexnet": Case(_lrn("local_size: 5 alpha: 0.0001 beta: 0.75"), CHANNELS),
    "lrn-k": Case(_lrn("local_size: 3 alpha: 2 beta: 0.5 k: 2"), CHANNELS),
    "lrn-one": Case(_lrn("local_size: 1 alpha: 0.5 beta: 1.25"), CHANNELS),
    "lrn-wide": Case(_lrn("local_size: 9 alpha: 3 beta: 1 k: 0.5")),
    "lrn-within": Case(_lrn("norm_region: WITHIN_CHANNEL")),
    "lrn-within-k": Case(_lrn("norm_region: WITHIN_CHANNEL local_size: 3 alpha: 4 beta: 0.5 k: 3")),
    "lrn-within-one": Case(_lrn("norm_region: WITHIN_CHANNEL local_size: 1 alpha: 0.5")),
    "lrn-within-wide": Case(
        _lrn("norm_region: WITHIN_CHANNEL local_size: 11 alpha: 50"), {"data": (2, 2, 4, 7)}
    ),
    "mvn": Case(layer("MVN")),
    "mvn-mean": Case(_mvn("normalize_variance: false")),
    "mvn-across": Case(_mvn("across_channels: true")),
    "mvn-across-mean": Case(_mvn("across_channels: true normalize_variance: false"), {"data": (3, 2, 1, 5)}),
    "mvn-eps": Case(_mvn("eps: 0.5")),
    "mvn-three-axes": Case(_mvn("eps: 0.01"), {"data": (2, 3, 5)}),
    "mvn-two-axes": Case(_mvn("across_channels: true"), {"data": (2, 7)}),
    "mvn-one-axis": Case(_mvn("eps: 1"), {"data": (4,)}),
    "batch-norm": Case(layer("BatchNorm")),
    "batch-norm-eps": Case(_batch_norm("eps: 0.1 use_global_stats: true")),
    "batch-norm-two-axes": Case(layer("BatchNorm"), {"data": (3, 7)}),
    "batch-norm-five-axes": Case(layer("BatchNorm"), {"data": (2, 3, 2, 4, 3)}),
    "batch-norm-factor": Case(layer("BatchNorm"), parameters={("layer", 2): np.array([999.98], np.float32)}),
    "batch-norm-factor-0": Case(layer("BatchNorm"), parameters={("layer", 2): np.zeros(1, np.float32)}),
    "batch-norm-batch": Case(_batch_norm("use_global_stats: false eps: 0.01")),
    "batch-norm-batch-two-axes": Case(_batch_norm("use_global_stats: false"), {"data": (5, 3)}),
    "batch-norm-in-training": Case(layer("BatchNorm", "phase: TRAIN"), {"data": (3, 2, 4, 2, 2)}),
    "batch-norm-in-training-global": Case(_batch_norm("use_global_stats: true", "phase: TRAIN")),
    "batch-norm-scale": Case(
        layer("BatchNorm", top="norm", name="norm")
        + layer("Scale", "scale_param { bias_term: true }", "norm", "scale", "scale")
    ),
    "batch-norm-scale-bias": Case(_batch_norm("scale_bias: true eps: 1e-7")),
    "batch-norm-scale-bias-in-training": Case(_batch_norm("scale_bias: true eps: 0.01", "phase: TRAIN")),
    "normalize": Case(layer("Normalize")),
    "normalize-channels": Case(_normalize("channel_shared: false scale_filler { value: 20 }")),
    "normalize-places": Case(_normalize("across_spatial: false channel_shared: false eps: 0.5")),
    "normalize-places-shared": Case(_normalize("across_spatial: false"), {"data": (3, 7)}),
    "bn-pspnet": Case(_bn("slope_filler { value: 2 } bias_filler { value: 0.5 } eps: 0.125 frozen: true")),
    "bn-pspnet-two-axes": Case(_bn("momentum: 0.95"), {"data": (3, 7)}),
    "bn-segnet": Case(_bn("scale_filler { value: 2 } shift_filler { value: 0.5 } bn_mode: INFERENCE")),
    "bn-segnet-learn": Case(_bn("scale_filler { value: 2 } shift_filler { value: -1 }", "top mean variance")),
}

# Networks that Caffe refuses.
REFUSED = {
    "softmax-axis": Case(layer("Softmax"), {"data": (5,)}),
    "lrn-even": Case(_lrn("local_size: 4")),
    "lrn-within-even": Case(_lrn("local_size: 2 norm_region: WITHIN_CHANNEL")),
    "lrn-size-0": Case(_lrn("local_size: 0")),
    "lrn-three-axes": Case(layer("LRN"), {"data": (2, 3, 4)}),
    "lrn-within-three-axes": Case(_lrn("norm_region: WITHIN_CHANNEL"), {"data": (2, 3, 4)}),
    "mvn-five-axes": Case(layer("MVN"), {"data": (2, 3, 2, 2, 2)}),
    "batch-norm-one-axis": Case(layer("BatchNorm"), {"data": (5,)}),
}
