"""Gradients of deformable convolution."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from .check import check_node
from .numbers import values


def offsets(*shape: int) -> np.ndarray:
    """Return shifts of up to two pixels that put no sample near a pixel, where the slope jumps."""
    rng = np.random.default_rng(0)
    return (rng.integers(-2, 2, shape) + rng.uniform(0.1, 0.9, shape)).astype(np.float32)


@pytest.mark.parametrize("open_axes", [None, (0, 2, 3)], ids=["sizes", "open sizes"])
@pytest.mark.parametrize("opset", [19, 22])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    ("groups", "attributes", "places"),
    [
        ((1, 1), {}, (4, 5)),
        ((2, 1), {"strides": [2, 1], "pads": [1, 0, 2, 1], "dilations": [1, 2]}, (4, 5)),
        ((1, 2), {"pads": [0, 1, 1, 0]}, (5, 6)),
        ((2, 4), {"strides": [1, 2]}, (4, 3)),
    ],
)
def test_deform_conv(
    groups: tuple[int, int],
    attributes: dict[str, Any],
    places: tuple[int, int],
    masked: bool,
    opset: int,
    open_axes: tuple[int, ...] | None,
) -> None:
    group, offset_group = groups
    size = offset_group * 2 * 2
    check_node(
        "DeformConv",
        {
            "x": values(2, 4, 5, 6),
            "weight": values(6, 4 // group, 2, 2, seed=1),
            "offset": offsets(2, 2 * size, *places),
            "bias": values(6, seed=2),
            "mask": values(2, size, *places, seed=3) if masked else None,
        },
        ["weight", "bias"],
        opset=opset,
        open_axes=open_axes,
        per_image=True,
        group=group,
        offset_group=offset_group,
        **attributes,
    )
