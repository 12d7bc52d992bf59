"""Gradients of running sums and products, and of choice along an axis."""

from __future__ import annotations

import numpy as np
import pytest

from .check import check_node
from .gradient_of import gradient_of

_X = np.random.default_rng(6).uniform(0.4, 2.0, (2, 3, 4)).astype(np.float32)


@pytest.mark.parametrize("axis", [0, 2, -2])
@pytest.mark.parametrize("exclusive", [0, 1])
@pytest.mark.parametrize("reverse", [0, 1])
@pytest.mark.parametrize("operator", ["CumSum", "CumProd"])
def test_running_sums_and_products(operator: str, axis: int, exclusive: int, reverse: int) -> None:
    # onnxruntime 1.32 does not have CumProd
    is_sum = operator == "CumSum"

    check_node(
        operator,
        {"x": _X},
        {"axis": np.array(axis)},
        exclusive=exclusive,
        reverse=reverse,
        opset=18 if is_sum else 26,
        runtime=is_sum,
    )


@pytest.mark.parametrize("exclusive", [0, 1])
@pytest.mark.parametrize("reverse", [0, 1])
def test_running_products_with_zeros(exclusive: int, reverse: int) -> None:
    x = np.array([[2, 0, 3, 5], [0, 0, 2, 3], [2, 3, 4, 0], [0, 2, 3, 0]], np.float32)

    check_node(
        "CumProd",
        {"x": x},
        {"axis": np.array(1, np.int32)},
        exclusive=exclusive,
        reverse=reverse,
        opset=26,
        runtime=False,
    )


@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("largest", [0, 1])
def test_largest_values(axis: int, largest: int) -> None:
    x = np.random.default_rng(7).permutation(24).reshape(2, 3, 4).astype(np.float32) / 10
    settings = {"axis": axis, "largest": largest, "outputs": ["y", "places"]}

    check_node("TopK", {"x": x}, {"k": np.array([2])}, **settings)
    # tools may give unsorted values in any order
    check_node("TopK", {"x": x}, {"k": np.array([2])}, sorted=0, runtime=False, **settings)


@pytest.mark.parametrize(("largest", "slopes"), [(1, [0, 1, 1, 0, 0]), (0, [1, 0, 0, 1, 0])])
def test_of_equal_values_the_first_are_taken(largest: int, slopes: list[int]) -> None:
    x = np.array([0, 3, 3, 1, 3], np.float32)
    settings = {"axis": 0, "largest": largest, "outputs": ["y", "places"]}

    assert gradient_of("TopK", {"x": x}, {"k": np.array([2])}, wrt="x", **settings).tolist() == slopes
