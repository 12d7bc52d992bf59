"""Gradients of affine grids and rotary embeddings."""

from __future__ import annotations

import numpy as np
import pytest

from .check import check_node
from .numbers import values, whole
from .oracle import check_against


@pytest.mark.parametrize("align", [0, 1])
@pytest.mark.parametrize("size", [(2, 3, 4, 5), (2, 3, 4, 5, 3)])
def test_affine_grid(align: int, size: tuple[int, ...]) -> None:
    def forward(x: np.ndarray, size: np.ndarray) -> np.ndarray:
        axes = [np.linspace(-1, 1, n) if align else (2 * np.arange(n) + 1) / n - 1 for n in size[2:]]
        places = np.meshgrid(*axes, indexing="ij")[::-1]
        points = np.stack([*places, np.ones(tuple(size[2:]))], -1)
        return np.einsum("...j,nij->n...i", points, x)

    count = len(size) - 2
    inputs = {"x": values(2, count, count + 1)}
    check_against(forward, "AffineGrid", inputs, {"!size": whole(*size)}, align_corners=align, opset=20)


@pytest.mark.parametrize("interleaved", [0, 1])
def test_rotary_embedding(interleaved: int) -> None:
    inputs = {"x": values(2, 3, 4, 6), "cosine": values(2, 4, 3), "sine": values(2, 4, 3, seed=1)}
    check_node("RotaryEmbedding", inputs, opset=23, interleaved=interleaved)


@pytest.mark.parametrize("interleaved", [0, 1])
def test_rotary_embedding_by_positions(interleaved: int) -> None:
    inputs = {"x": values(2, 4, 12), "cosine": values(7, 2), "sine": values(7, 2, seed=1)}
    positions = {"!positions": np.array([[0, 1, 2, 3], [3, 2, 6, 1]])}
    options = {"num_heads": 2, "rotary_embedding_dim": 4, "interleaved": interleaved}
    check_node("RotaryEmbedding", inputs, positions, opset=23, **options)


def test_range() -> None:
    inputs = {"start": np.float32(0.3), "!limit": np.float32(2), "delta": np.float32(0.4)}
    check_node("Range", inputs, open_axes=None)


def test_attention_has_no_loops() -> None:
    inputs = {"q": values(2, 3, 4, 8), "k": values(2, 3, 6, 8), "v": values(2, 3, 6, 5)}
    check_node("Attention", inputs, opset=23, is_causal=1)
