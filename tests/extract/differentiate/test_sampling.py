"""Gradients of GridSample."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from .numbers import values
from .oracle import check_against

A = -0.75


def cubic(distance: float) -> float:
    d = abs(distance)
    if d <= 1:
        return (A + 2) * d**3 - (A + 3) * d**2 + 1
    return A * d**3 - 5 * A * d**2 + 8 * A * d - 4 * A


def neighbours(mode: str, u: float) -> list[tuple[int, float]]:
    """Return the pixels around a position on an axis, and their weights."""
    first = int(np.floor(u))
    t = u - first
    if mode == "nearest":
        return [(int(np.rint(u)), 1.0)]
    if mode == "linear":
        return [(first, 1 - t), (first + 1, t)]
    return [(first + i, cubic(t - i)) for i in (-1, 0, 1, 2)]


def inside(padding: str, i: int, size: int, align: int) -> int | None:
    """Return the pixel that stands in for one outside."""
    if 0 <= i < size:
        return i
    if padding == "zeros":
        return None
    if padding == "border":
        return min(max(i, 0), size - 1)
    while not 0 <= i < size:
        i = (-i if align else -1 - i) if i < 0 else (2 * size - 2 - i if align else 2 * size - 1 - i)
    return i


def sampled(x: np.ndarray, grid: np.ndarray, mode: str, padding: str, align: int) -> np.ndarray:
    """Return what torch says of grid_sample, in any number of axes."""
    result = np.zeros((*x.shape[:2], *grid.shape[1:-1]))
    for n, *place in np.ndindex(*grid.shape[:-1]):
        axes = []
        for c, size in zip(grid[(n, *place)][::-1], x.shape[2:], strict=True):
            u = (c + 1) / 2 * (size - 1) if align else ((c + 1) * size - 1) / 2
            axes.append([(inside(padding, i, size, align), w) for i, w in neighbours(mode, u)])
        for corner in itertools.product(*axes):
            where = tuple(i for i, _ in corner)
            if None not in where:
                weight = np.prod([w for _, w in corner])
                result[(n, slice(None), *place)] += weight * x[(n, slice(None), *where)]
    return result


@pytest.mark.parametrize("align", [0, 1])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize(
    ("mode", "sizes", "samples"),
    [
        ("nearest", (4, 5), (3, 4)),
        ("linear", (4, 5), (3, 4)),
        ("cubic", (4, 5), (3, 4)),
        ("nearest", (4, 5, 3), (3, 2, 2)),
        ("linear", (4, 5, 3), (3, 2, 2)),
    ],
)
def test_grid_sample(
    mode: str, sizes: tuple[int, ...], samples: tuple[int, ...], padding: str, align: int
) -> None:
    rng = np.random.default_rng(0)
    grid = rng.uniform(-2.4, 2.4, (2, *samples, len(sizes))).astype(np.float32)

    def forward(x: np.ndarray, grid: np.ndarray) -> np.ndarray:
        return sampled(x, grid, mode, padding, align)

    check_against(
        forward,
        "GridSample",
        {"x": values(2, 2, *sizes), "grid": grid},
        wrt=("x", "grid"),
        # positions in pixels are rounded to some 1e-6 in float32
        bound=3e-5,
        open_axes=(0, 2, 3),
        mode=mode,
        padding_mode=padding,
        align_corners=align,
        opset=20,
    )


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_old_names_of_modes(mode: str) -> None:
    grid = np.random.default_rng(0).uniform(-1.2, 1.2, (2, 3, 4, 2)).astype(np.float32)
    new = {"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode)

    def forward(x: np.ndarray, grid: np.ndarray) -> np.ndarray:
        return sampled(x, grid, new, "zeros", 0)

    inputs = {"x": values(2, 2, 4, 5), "grid": grid}
    check_against(forward, "GridSample", inputs, wrt=("x", "grid"), bound=3e-5, mode=mode, opset=18)
