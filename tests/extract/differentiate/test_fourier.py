"""Gradients of Fourier transforms."""

from __future__ import annotations

import numpy as np
import pytest

from .check import check_node
from .numbers import values

OPEN = [None, (0, 1, 2)]


@pytest.mark.parametrize("open_axes", OPEN, ids=["sizes", "open sizes"])
@pytest.mark.parametrize("length", [None, 4, 5, 8, 9])
@pytest.mark.parametrize(
    ("parts", "inverse", "onesided"), [(1, 0, 0), (2, 0, 0), (1, 0, 1), (1, 1, 0), (2, 1, 0), (2, 1, 1)]
)
def test_transforms(
    parts: int, inverse: int, onesided: int, length: int | None, open_axes: tuple[int, ...] | None
) -> None:
    """Of whole, cut and filled up signals, real and complex ones."""
    check_node(
        "DFT",
        {"x": values(2, 6, 3, parts)},
        {"length": None if length is None else np.array(length), "axis": np.array(1)},
        wrt=["x"],
        opset=20,
        open_axes=open_axes,
        # onnxruntime 1.32 gives other values of odd and much shorter transforms of half a spectrum
        runtime=not (inverse and onesided) or length in (None, 8),
        inverse=inverse,
        onesided=onesided,
    )


@pytest.mark.parametrize("opset", [17, 20])
def test_the_axis_by_default(opset: int) -> None:
    check_node("DFT", {"x": values(2, 5, 3, 1)}, opset=opset)


@pytest.mark.parametrize("axis", [1, -2])
def test_the_axis_of_old_sets(axis: int) -> None:
    check_node("DFT", {"x": values(2, 5, 3, 2)}, opset=18, axis=axis)


@pytest.mark.parametrize("open_axes", OPEN, ids=["sizes", "open sizes"])
@pytest.mark.parametrize(("parts", "onesided"), [(1, 1), (1, 0), (2, 0)])
@pytest.mark.parametrize("window", [True, False])
def test_short_time(window: bool, parts: int, onesided: int, open_axes: tuple[int, ...] | None) -> None:
    shape = values(6) if window else None
    check_node(
        "STFT",
        {"x": values(2, 17, parts), "!step": np.array(3), "window": shape, "!length": np.array(6)},
        ["!step", "window", "!length"],
        wrt=["x", "window"] if window else ["x"],
        open_axes=open_axes,
        onesided=onesided,
    )
