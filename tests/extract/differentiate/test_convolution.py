"""Gradients of convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from extract.differentiate.rules import weight_gradient

from .check import check_node


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


CONVS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "1-D": ((2, 3, 9), (4, 3, 3), {}),
    "1-D strides": ((2, 3, 10), (4, 3, 4), {"strides": [3], "pads": [2, 1]}),
    "2-D": ((2, 5, 7, 6), (4, 5, 3, 2), {}),
    "asymmetric pads": ((2, 5, 7, 6), (3, 5, 3, 2), {"pads": [2, 0, 1, 1]}),
    "strides": ((2, 5, 9, 8), (3, 5, 3, 2), {"strides": [2, 3], "pads": [0, 1, 1, 0]}),
    "strides that leave some over": ((2, 5, 10, 9), (3, 5, 2, 3), {"strides": [3, 4]}),
    "stride past the kernel": ((2, 5, 10, 9), (3, 5, 1, 2), {"strides": [3, 4]}),
    "dilations": ((2, 5, 9, 8), (3, 5, 3, 2), {"dilations": [2, 3], "pads": [1, 1, 0, 2]}),
    "strides and dilations": ((2, 5, 11, 12), (3, 5, 2, 3), {"strides": [3, 2], "dilations": [2, 3]}),
    "groups": ((2, 6, 7, 6), (4, 3, 3, 2), {"group": 2, "strides": [2, 1], "pads": [1, 1, 1, 0]}),
    "groups of many channels": ((2, 10, 5, 6), (4, 5, 3, 2), {"group": 2, "dilations": [1, 2]}),
    "depthwise": ((2, 6, 7, 6), (6, 1, 3, 3), {"group": 6, "pads": [1, 1, 1, 0]}),
    "depthwise strides": ((2, 4, 9, 8), (4, 1, 5, 3), {"group": 4, "strides": [2, 2], "pads": [2, 1, 2, 1]}),
    "depthwise dilations": (
        (2, 4, 9, 8),
        (4, 1, 3, 2),
        {"group": 4, "dilations": [2, 3], "pads": [2, 1, 2, 3]},
    ),
    "depthwise multiplier": ((2, 3, 7, 6), (6, 1, 3, 3), {"group": 3, "strides": [1, 2]}),
    "depthwise multiplier of many": ((2, 3, 7, 6), (15, 1, 3, 3), {"group": 3, "strides": [1, 2]}),
    "depthwise, pads past the kernel": ((2, 4, 5, 5), (4, 1, 2, 2), {"group": 4, "pads": [2, 2, 1, 3]}),
    "pads past the kernel": ((2, 4, 5, 5), (3, 4, 1, 2), {"pads": [2, 2, 1, 3]}),
    "large depthwise": ((2, 3, 30, 31), (3, 1, 3, 3), {"group": 3, "pads": [1, 1, 1, 1]}),
    "1 x 1": ((2, 5, 4, 6), (3, 5, 1, 1), {}),
    "1 x 1 strides": ((2, 5, 4, 7), (3, 5, 1, 1), {"strides": [2, 3]}),
    "1 x 1 depthwise": ((2, 5, 4, 7), (5, 1, 1, 1), {"group": 5}),
    "few channels": ((2, 3, 13, 12), (4, 3, 5, 5), {"strides": [4, 3], "pads": [1, 0, 2, 1]}),
    "3-D": ((2, 5, 5, 6, 4), (3, 5, 2, 3, 2), {"strides": [1, 2, 1], "pads": [1, 0, 0, 0, 1, 1]}),
    "3-D groups, dilations": ((2, 4, 5, 6, 5), (4, 2, 2, 3, 2), {"dilations": [2, 1, 3], "group": 2}),
    "3-D depthwise": ((2, 4, 5, 6, 5), (4, 1, 2, 3, 2), {"strides": [2, 1, 3], "group": 4}),
    "valid": ((2, 5, 7, 6), (3, 5, 3, 2), {"auto_pad": "VALID", "strides": [2, 1]}),
    "same upper": ((2, 5, 8, 7), (3, 5, 4, 3), {"auto_pad": "SAME_UPPER", "strides": [3, 2]}),
    "same lower": ((2, 5, 8, 7), (3, 5, 4, 3), {"auto_pad": "SAME_LOWER", "strides": [3, 2]}),
    "same, stride 1": ((2, 5, 8, 7), (3, 5, 4, 3), {"auto_pad": "SAME_UPPER"}),
    "same depthwise": ((2, 3, 8, 7), (3, 1, 4, 3), {"auto_pad": "SAME_LOWER", "group": 3}),
    "same, stride past the kernel": (
        (2, 5, 8, 9),
        (3, 5, 1, 1),
        {"auto_pad": "SAME_UPPER", "strides": [3, 2]},
    ),
}


@pytest.mark.parametrize("open_axes", [None, (0,), (0, 2, 3, 4)], ids=["sizes", "open batch", "open sizes"])
@pytest.mark.parametrize("case", CONVS)
def test_conv(case: str, open_axes: tuple[int, ...] | None) -> None:
    x, w, attributes = CONVS[case]

    check_node(
        "Conv",
        {"x": numbers(*x)},
        {"w": numbers(*w, seed=1), "b": numbers(w[0], seed=2)},
        open_axes=open_axes,
        per_image=True,
        **attributes,
    )


TRANSPOSED: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "1-D": ((2, 3, 5), (3, 4, 3), {"strides": [2], "pads": [1, 0], "output_padding": [1]}),
    "2-D": ((2, 5, 4, 3), (5, 4, 3, 2), {}),
    "strides": ((2, 5, 4, 3), (5, 6, 3, 2), {"strides": [2, 3], "pads": [1, 0, 0, 1]}),
    "output padding": ((2, 5, 4, 3), (5, 6, 3, 2), {"strides": [2, 3], "output_padding": [1, 2]}),
    "dilations": ((2, 5, 4, 3), (5, 6, 3, 2), {"dilations": [2, 3], "strides": [1, 2], "pads": [1, 2, 2, 0]}),
    "3-D": ((2, 5, 3, 2, 4), (5, 6, 2, 3, 2), {"strides": [2, 1, 2], "output_padding": [1, 0, 0]}),
    "valid": ((2, 5, 4, 3), (5, 6, 3, 2), {"strides": [2, 3], "auto_pad": "VALID"}),
    "same upper": ((2, 5, 4, 3), (5, 6, 4, 4), {"strides": [1, 3], "auto_pad": "SAME_UPPER"}),
    "same lower": ((2, 5, 4, 3), (5, 6, 4, 4), {"strides": [1, 3], "auto_pad": "SAME_LOWER"}),
    "output shape, same upper": (
        (2, 5, 4, 3),
        (5, 6, 4, 4),
        {"strides": [2, 3], "output_shape": [7, 9], "auto_pad": "SAME_UPPER"},
    ),
    "output shape, same lower": (
        (2, 5, 4, 3),
        (5, 6, 4, 4),
        {"strides": [2, 3], "output_shape": [7, 9], "auto_pad": "SAME_LOWER"},
    ),
    "output shape": ((2, 5, 4, 3), (5, 6, 4, 4), {"strides": [2, 3], "output_shape": [7, 9]}),
    "groups": ((2, 6, 4, 3), (6, 2, 3, 2), {"group": 3, "strides": [2, 1], "output_padding": [1, 0]}),
    "depthwise": ((2, 6, 4, 3), (6, 1, 4, 4), {"group": 6, "strides": [2, 2], "pads": [1, 1, 1, 1]}),
}


@pytest.mark.parametrize("open_axes", [None, (0,), (0, 2, 3, 4)], ids=["sizes", "open batch", "open sizes"])
@pytest.mark.parametrize("case", TRANSPOSED)
def test_conv_transpose(case: str, open_axes: tuple[int, ...] | None) -> None:
    x, w, attributes = TRANSPOSED[case]
    if "output_shape" in attributes and open_axes == (0, 2, 3, 4):
        open_axes = (0,)

    check_node(
        "ConvTranspose",
        {"x": numbers(*x)},
        {"w": numbers(*w, seed=1), "b": numbers(w[1] * attributes.get("group", 1), seed=2)},
        open_axes=open_axes,
        per_image=True,
        **attributes,
    )


@pytest.mark.parametrize("way", weight_gradient.WAYS)
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_all_ways_to_a_weight_gradient(way: str, groups: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_gradient, "way", lambda step, correlation: way)

    check_node(
        "Conv",
        {"x": numbers(3, 6, 11, 12)},
        {"w": numbers(12, 6 // groups, 2, 3, seed=1)},
        open_axes=None,
        per_image=True,
        group=groups,
        strides=[3, 2],
        dilations=[2, 1],
        pads=[1, 0, 2, 1],
    )


def test_a_batch_that_is_convolved_with_computed_weights() -> None:
    check_node(
        "Conv", {"x": numbers(2, 3, 5, 6), "w": numbers(4, 3, 2, 3, seed=1)}, strides=[2, 1], open_axes=None
    )


def test_half_precision() -> None:
    x, w = numbers(2, 3, 5, 6).astype(np.float16), numbers(4, 3, 2, 3, seed=1).astype(np.float16)

    check_node("Conv", {"x": x}, {"w": w}, runtime=False)
