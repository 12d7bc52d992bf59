"""Coordinates: affine grids, rotary embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..registry import rule
from ..step import Gradient, Step
from .movement import only


@rule("AffineGrid")
def affine_grid(step: Step) -> Sequence[Gradient]:
    """d/dtheta = G^T (x, y, 1), where (x, y) is the grid that theta = unit matrix makes."""
    theta, size = step.inputs
    shape = step.shape(theta)
    if shape is None or shape[1] is None:
        raise step.unsupported("the number of its spatial axes must be known")
    count = shape[1]
    spatial = step.add("Slice", size, step.integers([2]), step.integers([count + 2]))
    single = step.add("Concat", step.integers([1, 1]), spatial, axis=0)
    unit = step.constant(np.eye(count, count + 1)[None], theta)
    grid = step.add("AffineGrid", unit, single, align_corners=step.attribute("align_corners"))
    points = step.add("Reshape", grid, step.integers([1, -1, count]))
    beside = step.integers([0] * 5 + [1])
    points = step.add("Pad", points, beside, step.constant(1, theta))
    g = step.add("Reshape", only(step), step.integers([0, -1, count]))
    return [step.add("MatMul", step.add("Transpose", g, perm=[0, 2, 1]), points), None]


@rule("RotaryEmbedding")
def rotary_embedding(step: Step) -> Sequence[Gradient]:
    """y1 = c x1 - s x2, y2 = s x1 + c x2: dx is G turned back; dc = G1 x1 + G2 x2, ds = G2 x1 - G1 x2."""
    x, cosine, sine = step.inputs[:3]
    g = only(step)
    options = {name: step.attribute(name) for name in ("interleaved", "num_heads", "rotary_embedding_dim")}
    dx = None
    if step.wants(0):
        dx = step.add("RotaryEmbedding", g, cosine, step.add("Neg", sine), *step.inputs[3:], **options)
    if not (step.wants(1) or step.wants(2)):
        return [dx, *([None] * (len(step.inputs) - 1))]
    (g1, g2), (x1, x2) = _turned(step, g), _turned(step, x)
    found = [
        step.add("Add", step.add("Mul", g1, x1), step.add("Mul", g2, x2)),
        step.add("Sub", step.add("Mul", g2, x1), step.add("Mul", g1, x2)),
    ]
    caches = [
        _to_cache(step, gradient, cosine) if step.wants(i) else None for i, gradient in enumerate(found, 1)
    ]
    return [dx, *caches, *([None] * (len(step.inputs) - 3))]


def _turned(step: Step, tensor: str) -> tuple[str, str]:
    """Return the two parts of each pair that is turned: (images, positions, heads, pairs)."""
    shape = step.shape(step.inputs[1])
    if shape is None or shape[-1] is None:
        raise step.unsupported("the last size of its cosine cache must be known")
    pairs = shape[-1]
    if step.rank(step.inputs[0]) == 3:
        apart = step.add("Reshape", tensor, step.integers([0, 0, step.attribute("num_heads"), -1]))
    else:
        apart = step.add("Transpose", tensor, perm=[0, 2, 1, 3])
    axis = step.integers([3])
    if step.attribute("interleaved", 0):
        spans = [(0, 2 * pairs, 2), (1, 2 * pairs, 2)]
    else:
        spans = [(0, pairs, 1), (pairs, 2 * pairs, 1)]
    first, second = (
        step.add("Slice", apart, step.integers([a]), step.integers([b]), axis, step.integers([stride]))
        for a, b, stride in spans
    )
    return first, second


def _to_cache(step: Step, gradient: str, cache: str) -> str:
    """Sum over heads, and where positions are given add each to its row."""
    summed = step.add("ReduceSum", gradient, step.integers([2]), keepdims=0)
    if not step.has(3):
        return summed
    rows = step.add("Unsqueeze", step.inputs[3], step.integers([2]))
    return step.add("ScatterND", step.zeros_like(cache), rows, summed, reduction="add")


@rule("Range")
def range_(step: Step) -> Sequence[Gradient]:
    """y_i = start + i delta: d/dstart = sum(G), d/ddelta = sum(i G)."""
    start, g = step.inputs[0], only(step)
    summed = step.add("ReduceSum", g, keepdims=0) if step.wants(0) else None
    if not step.wants(2):
        return [summed, None, None]
    count = step.add("Squeeze", step.add("Shape", g))
    steps = step.add("Range", step.integers(0), count, step.integers(1))
    weighted = step.add("Mul", g, step.add("CastLike", steps, start))
    return [summed, None, step.add("ReduceSum", weighted, keepdims=0)]
