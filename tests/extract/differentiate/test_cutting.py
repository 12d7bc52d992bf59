"""Gradients of operators that cut out a box or put a border around it."""

from __future__ import annotations

import numpy as np
import pytest

from .check import check_node
from .numbers import values, whole
from .oracle import check_against

OPEN = pytest.mark.parametrize("open_axes", [(0,), (0, 1, 2), None])


@OPEN
@pytest.mark.parametrize(
    ("starts", "ends", "axes", "steps"),
    [
        ((1, 0), (3, -1), (1, 2), (1, 1)),
        ((-1,), (-100,), (1,), (-1,)),
        ((-2, 9), (-100, 1), (2, 1), (-2, -3)),
        ((1, -3), (100, 100), (2, 0), (3, 2)),
        ((100,), (0,), (1,), (-2,)),
        ((-100,), (100,), (-2,), (2,)),
        ((5,), (2,), (1,), (1,)),
    ],
)
def test_slice(
    starts: tuple[int, ...],
    ends: tuple[int, ...],
    axes: tuple[int, ...],
    steps: tuple[int, ...],
    open_axes: tuple[int, ...] | None,
) -> None:
    box = {"!starts": starts, "!ends": ends, "!axes": axes, "!steps": steps}
    stored = {name: whole(*numbers) for name, numbers in box.items()}
    check_node("Slice", {"x": values(3, 7, 6)}, stored, open_axes=open_axes)


def test_slice_that_is_known_when_it_runs() -> None:
    check_node("Slice", {"x": values(3, 7, 6), "!starts": whole(1, 2), "!ends": whole(9, 5)})
    inputs = {"x": values(3, 7, 6), "!starts": np.int32([5]), "!ends": np.int32([-9])}
    check_node("Slice", inputs, {"!axes": np.int32([-1]), "!steps": np.int32([-2])})


@OPEN
@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "wrap"])
@pytest.mark.parametrize("pads", [(0, 2, 1, 0, 1, 2), (0, 0, 1, 0, 0, 0), (0, 0, 0, 0, 0, 0)])
def test_pad(mode: str, pads: tuple[int, ...], open_axes: tuple[int, ...] | None) -> None:
    check_node(
        "Pad", {"x": values(3, 4, 5)}, {"!pads": whole(*pads)}, mode=mode, open_axes=open_axes, opset=19
    )


def test_pad_of_some_axes() -> None:
    stored = {"!pads": whole(1, 0, 0, 2), "!fill": None, "!axes": whole(-1, 1)}
    check_node("Pad", {"x": values(3, 4, 5)}, stored, opset=19, mode="edge")
    check_node("Pad", {"x": values(3, 4, 5)}, stored, opset=19)


def padded(x: np.ndarray, pads: np.ndarray, fill: np.ndarray, axes: np.ndarray | None = None) -> np.ndarray:
    """Return what ONNX says of Pad, negative numbers included, which numpy does not know."""
    count = len(pads) // 2
    for axis, before, after in zip(
        range(x.ndim) if axes is None else axes, pads[:count], pads[count:], strict=True
    ):
        x = np.moveaxis(x, axis, 0)
        x = x[max(-before, 0) : len(x) - max(-after, 0)]
        ends = [np.full((max(size, 0), *x.shape[1:]), fill) for size in (before, after)]
        x = np.moveaxis(np.concatenate([ends[0], x, ends[1]]), 0, axis)
    return x


@OPEN
@pytest.mark.parametrize("pads", [(0, -1, 1, 0, 2, -2), (-1, 1, 0, 2, -1, 1)])
def test_pad_that_also_cuts(pads: tuple[int, ...], open_axes: tuple[int, ...] | None) -> None:
    stored = {"!pads": whole(*pads), "fill": np.float32(2)}
    options = {"wrt": ("x", "fill"), "opset": 19, "open_axes": open_axes}
    check_against(padded, "Pad", {"x": values(3, 4, 5)}, stored, **options)


def test_pad_that_is_known_when_it_runs() -> None:
    fill, options = np.float32(2), {"wrt": ("x", "fill"), "opset": 19}
    check_against(
        padded, "Pad", {"x": values(3, 4, 5), "!pads": whole(1, -1, 0, 2, 0, 1)}, {"fill": fill}, **options
    )
    stored = {"fill": fill, "!axes": whole(2, 0)}
    check_against(padded, "Pad", {"x": values(3, 4, 5), "!pads": whole(1, -1, -1, 2)}, stored, **options)


@pytest.mark.parametrize("shape", [(10, 7, 8), (3, 2, 9), (9, 8, 2), (4, 4, 4)])
def test_center_crop_pad(shape: tuple[int, ...]) -> None:
    check_node("CenterCropPad", {"x": values(5, 6, 7)}, {"!shape": whole(*shape)})


def test_center_crop_pad_of_some_axes() -> None:
    check_node("CenterCropPad", {"x": values(5, 6, 7)}, {"!shape": whole(9, 3)}, axes=[-1, 1])
