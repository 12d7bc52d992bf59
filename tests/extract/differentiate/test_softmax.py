"""Gradients of softmax and its logarithm."""

from __future__ import annotations

import numpy as np
import pytest

from .check import check_node

_X = np.random.default_rng(8).normal(0, 1.5, (2, 3, 4)).astype(np.float32)


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("axis", [None, 0, 1, -2])
def test_axes(operator: str, axis: int | None) -> None:
    attributes = {} if axis is None else {"axis": axis}

    check_node(operator, {"x": _X}, **attributes)
    check_node(operator, {"x": _X}, open_axes=(0, 1, 2), **attributes)


def test_large_scores() -> None:
    check_node("Softmax", {"x": np.array([[900.0, 899.0, -900.0]], np.float32)})
