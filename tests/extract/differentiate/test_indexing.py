"""Gradients of operators that pick values by index, or put them there."""

from __future__ import annotations

import numpy as np
import pytest

from extract.differentiate import SharedGradientError

from .check import check_node
from .numbers import indices, values, whole

SHAPE = (3, 4, 5)
REDUCTIONS = ["none", "add", "mul", "min", "max"]


def along(axis: int, size: int = 2) -> tuple[int, ...]:
    """Return `SHAPE` with another size of an axis."""
    return tuple(size if i == axis else n for i, n in enumerate(SHAPE))


def distinct(axis: int) -> np.ndarray:
    """Return indices that do not come twice at a place: what is written last is not said."""
    order = np.argsort(np.random.default_rng(0).random(SHAPE), axis=axis)
    return order.take([0, 1], axis=axis)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("open_axes", [(0,), (0, 1, 2)])
def test_gather(axis: int, open_axes: tuple[int, ...]) -> None:
    options = {"axis": axis, "open_axes": open_axes}
    check_node("Gather", {"x": values(*SHAPE), "!i": indices(SHAPE[axis], 2, 3)}, **options)
    check_node("Gather", {"x": values(*SHAPE), "!i": np.int32(-1)}, **options)
    check_node("Gather", {"x": values(*SHAPE)}, {"!i": indices(SHAPE[axis], 7).astype(np.int32)}, **options)


@pytest.mark.parametrize("shape", [(2,), (2, 4), (2, 4, 3)])
def test_a_table_of_which_each_image_reads_other_rows(shape: tuple[int, ...]) -> None:
    check_node("Gather", {"table": values(6, 3), "!i": indices(6, *shape)}, ["table"], per_image=True)


def test_a_table_that_is_not_read_by_rows() -> None:
    inputs = {"table": values(6, 3), "!i": indices(3, 2)}
    with pytest.raises(SharedGradientError, match="no axis of images"):
        check_node("Gather", inputs, ["table"], axis=1, per_image=True)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_gather_elements(axis: int) -> None:
    check_node("GatherElements", {"x": values(*SHAPE), "!i": indices(SHAPE[axis], *along(axis))}, axis=axis)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_scatter_elements(axis: int, reduction: str) -> None:
    places = distinct(axis) if reduction == "none" else indices(SHAPE[axis], *along(axis))
    inputs = {"x": values(*SHAPE), "!i": places, "updates": values(*along(axis), seed=1)}
    check_node("ScatterElements", inputs, axis=axis, reduction=reduction)


def test_products_with_zeros() -> None:
    x, updates = values(3, 4), values(3, 2, seed=1)
    x[:2, 0] = updates[0] = updates[1, 0] = 0
    inputs = {"x": x, "!i": np.array([[0, 1], [0, 2], [1, 3]]), "updates": updates}
    check_node("ScatterElements", inputs, axis=1, reduction="mul")


@pytest.mark.parametrize(
    ("places", "batch_dims"),
    [
        (np.stack([indices(3, 2, 2), indices(4, 2, 2)], -1), 0),
        (indices(3, 4, 1), 0),
        (indices(4, 3, 2, 1), 1),
        (indices(5, 3, 4, 1), 2),
    ],
)
def test_gather_nd(places: np.ndarray, batch_dims: int) -> None:
    check_node("GatherND", {"x": values(*SHAPE), "!i": places}, batch_dims=batch_dims)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_scatter_nd(reduction: str) -> None:
    last = [1, 1] if reduction == "none" else [0, 1]
    inputs = {"x": values(*SHAPE), "!i": np.array([[0, 1], [2, -1], last]), "updates": values(3, 5)}
    check_node("ScatterND", inputs, reduction=reduction)


@pytest.mark.parametrize(("mode", "first"), [("linear", (1, 4)), ("circular", (1, 5))])
def test_tensor_scatter(mode: str, first: tuple[int, int]) -> None:
    inputs = {"x": values(2, 3, 6, 4), "update": values(2, 3, 2, 4), "!first": whole(*first)}
    check_node("TensorScatter", inputs, mode=mode, opset=24)


def test_tensor_scatter_at_the_start() -> None:
    check_node("TensorScatter", {"x": values(2, 6, 3), "update": values(2, 2, 3)}, opset=24, axis=1)


@pytest.mark.parametrize("axis", [1, -2, None])
@pytest.mark.parametrize("open_axes", [(0,), (0, 1, 2)])
def test_compress(axis: int | None, open_axes: tuple[int, ...]) -> None:
    # shorter than the axis: what it does not name is left out
    condition = np.array([True, False, True])
    options = {"open_axes": open_axes, **({} if axis is None else {"axis": axis})}
    check_node("Compress", {"x": values(*SHAPE)}, {"!condition": condition}, **options)


def test_reverse_sequence() -> None:
    check_node("ReverseSequence", {"x": values(4, 3, 2)}, {"!lengths": whole(2, 4, 1)})
    axes = {"batch_axis": 0, "time_axis": 1}
    check_node("ReverseSequence", {"x": values(3, 4, 2)}, {"!lengths": whole(2, 4, 1)}, **axes)
