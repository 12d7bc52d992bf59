"""Pooling, SPP."""

from __future__ import annotations

import numpy as np

from tests.caffe.cases import Case, layer


def _pooling(text: str, *shape: int, top: str = "top") -> Case:
    layers = layer("Pooling", f"pooling_param {{ {text} }}", top=top)
    return Case(layers, {"data": shape}) if shape else Case(layers)


def _spp(text: str, *shape: int) -> Case:
    return Case(layer("SPP", f"spp_param {{ {text} }}"), {"data": shape})


# Padding, strides and sizes that between them bring about each kind of last window, for both methods.
_WINDOWS = {
    "plain": ("kernel_size: 2 stride: 2", (2, 3, 6, 8)),
    "rounds-up": ("kernel_size: 3 stride: 2", (2, 3, 6, 9)),
    "rounds-up-both": ("kernel_size: 2 stride: 2", (2, 3, 7, 9)),
    "rounds-down": ("kernel_size: 2 stride: 2 round_mode: FLOOR", (2, 3, 7, 9)),
    "rounds-down-padded": ("kernel_size: 3 stride: 2 pad: 1 round_mode: FLOOR", (2, 3, 6, 8)),
    "rounds-down-leaves-rows": ("kernel_size: 2 stride: 4 round_mode: FLOOR", (2, 3, 9, 9)),
    "stride-1": ("kernel_size: 3", (2, 3, 7, 9)),
    "padded": ("kernel_size: 3 stride: 1 pad: 1", (2, 3, 7, 9)),
    "padded-rounds-up": ("kernel_size: 3 stride: 2 pad: 1", (2, 3, 6, 9)),
    "padded-drops-last": ("kernel_size: 2 stride: 2 pad: 1", (2, 3, 7, 8)),
    "padded-drops-one-axis": ("kernel_size: 3 stride: 4 pad: 1", (2, 3, 7, 8)),
    "padded-drops-and-leaves-rows": ("kernel_size: 2 stride: 5 pad: 1", (2, 2, 9, 9)),
    "padded-drops-and-rounds-up": (
        "kernel_h: 2 kernel_w: 3 stride_h: 5 stride_w: 2 pad_h: 1 pad_w: 1",
        (2, 2, 9, 6),
    ),
    "padded-widely": ("kernel_size: 5 stride: 3 pad: 4", (2, 3, 7, 9)),
    "padded-one-axis": ("kernel_size: 3 stride: 2 pad_h: 0 pad_w: 2", (2, 3, 6, 8)),
    "one-axis-padded-drops-the-other": (
        "kernel_h: 1 kernel_w: 3 stride_h: 3 stride_w: 1 pad_h: 0 pad_w: 1",
        (2, 3, 6, 8),
    ),
    "h-w": ("kernel_h: 2 kernel_w: 4 stride_h: 1 stride_w: 3", (2, 3, 7, 9)),
    "global": ("global_pooling: true", (2, 3, 7, 5)),
    "whole": ("kernel_h: 7 kernel_w: 5", (2, 3, 7, 5)),
    "kernel-beyond-bottom": ("kernel_size: 4 stride: 3", (2, 3, 2, 3)),
    "kernel-beyond-bottom-padded": ("kernel_size: 5 stride: 2 pad: 1", (2, 3, 3, 2)),
    "empty-last": ("kernel_size: 1 stride: 3", (2, 3, 6, 7)),
    "empty-last-both": ("kernel_size: 1 stride: 3", (2, 3, 6, 9)),
    "empty-last-far-behind": ("kernel_size: 1 stride: 5", (2, 2, 7, 6)),
    "empty-last-far-and-near": ("kernel_size: 1 stride_h: 5 stride_w: 3", (2, 2, 7, 6)),
    "empty-last-near-and-far": ("kernel_size: 1 stride_h: 3 stride_w: 5", (2, 2, 6, 7)),
    "empty-last-mixed": ("kernel_h: 2 kernel_w: 3 stride_h: 4 stride_w: 2", (2, 2, 8, 6)),
}

CASES = {
    f"{method.lower()}-{name}": _pooling(f"pool: {method} {text}", *shape)
    for method in ("MAX", "AVE")
    for name, (text, shape) in _WINDOWS.items()
} | {
    f"mask-{name}": _pooling(f"pool: MAX {text}", *shape, top="top mask")
    for name, (text, shape) in _WINDOWS.items()
    if name in ("plain", "rounds-up", "padded-rounds-up", "padded-drops-one-axis", "global", "empty-last")
}
CASES |= {
    "mask-first-of-equals": Case(
        layer("Pooling", "pooling_param { pool: MAX kernel_size: 3 stride: 2 pad: 1 }", top="top mask"),
        {"data": (2, 1, 5, 6)},
        values={"data": (np.arange(60, dtype=np.float32) // 7 % 3).reshape(2, 1, 5, 6)},
    ),
    "max-of-negatives-padded": Case(
        layer("Pooling", "pooling_param { pool: MAX kernel_size: 3 stride: 2 pad: 1 }"),
        {"data": (2, 1, 5, 6)},
        values={"data": -1 - np.arange(60, dtype=np.float32).reshape(2, 1, 5, 6)},
    ),
    "fork-rounds-down": _pooling("pool: MAX kernel_size: 3 stride: 2 ceil_mode: false", 2, 3, 6, 8),
    "fork-rounds-down-padded": _pooling(
        "pool: AVE kernel_size: 3 stride: 2 pad: 1 ceil_mode: false", 2, 3, 6, 8
    ),
    "fork-rounds-up": _pooling("pool: AVE kernel_size: 3 stride: 2 ceil_mode: true", 2, 3, 6, 8),
    "many-channels": Case(
        layer("Convolution", "convolution_param { num_output: 16 kernel_size: 3 }", top="c", name="c")
        + layer("Pooling", "pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }", "c", "a", "a")
        + layer("Pooling", "pooling_param { pool: MAX kernel_size: 3 stride: 2 pad: 1 }", "c", "m", "m")
        + layer("Pooling", "pooling_param { pool: AVE kernel_size: 2 stride: 2 }", "c", "u", "u"),
        {"data": (2, 3, 8, 9)},
    ),
    "spp-1": _spp("pyramid_height: 1", 2, 3, 7, 9),
    "spp-2": _spp("pyramid_height: 2", 2, 3, 7, 9),
    "spp-3": _spp("pyramid_height: 3", 2, 3, 8, 9),
    "spp-average": _spp("pyramid_height: 3 pool: AVE", 2, 3, 10, 11),
    "spp-drops-windows": _spp("pyramid_height: 3 pool: AVE", 2, 2, 9, 13),
}
