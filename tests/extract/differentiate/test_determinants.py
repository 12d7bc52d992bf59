"""Gradients of determinants."""

from __future__ import annotations

import numpy as np
import pytest

from .check import check_node


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 3), (2, 1, 1), (2, 4, 4), (2, 3, 5, 5)])
def test_determinants(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(11).uniform(-1.0, 1.0, shape).astype(np.float32)

    check_node("Det", {"x": x}, open_axes=(0,) if len(shape) > 2 else None)


def test_singular_matrices() -> None:
    x = np.array([[1, 2, 3], [2, 4, 6], [0, 1, 5]], np.float32)

    check_node("Det", {"x": x}, open_axes=None)
