"""GridSample: values between pixels, at places that another tensor gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import Polynomial

from ..registry import rule
from ..step import Gradient, Step
from .movement import only, reshaped_like

_LINEAR = (Polynomial([1, -1]), Polynomial([0, 1]))


def _cubic(a: float = -0.75) -> tuple[Polynomial, ...]:
    """Return the weights of four neighbours: R. Keys, IEEE Trans. ASSP 29 (1981) 1153, with torch's a."""
    near, far = Polynomial([1, 0, -(a + 3), a + 2]), Polynomial([-4 * a, 8 * a, -5 * a, a])
    t = Polynomial([0, 1])
    return far(1 + t), near(t), near(1 - t), far(2 - t)


# For each mode the first neighbour, counted from the pixel before, and the weight of each neighbour, a
# polynomial of the distance from there.
_NEIGHBOURS: dict[str, tuple[int, tuple[Polynomial, ...]]] = {
    "nearest": (0, (Polynomial([1]),)),
    "linear": (0, _LINEAR),
    "bilinear": (0, _LINEAR),
    "cubic": (-1, _cubic()),
    "bicubic": (-1, _cubic()),
}


@dataclass(frozen=True)
class _Axis:
    """The neighbours of each sample along an axis, as tensors of (images, neighbours, samples).

    Parameters
    ----------
    places : str
        Their positions, inside the image.
    weights : str
        Their weights; 0 outside, if outside is nothing.
    slopes : str
        Derivatives of the weights with respect to the grid.
    """

    places: str
    weights: str
    slopes: str


@rule("GridSample")
def grid_sample(step: Step) -> Sequence[Gradient]:
    """d/dx: G of each sample spread over its neighbours by weight; d/dgrid: by the weights' derivatives.

    Padding gives neighbours outside their values, as in torch and onnxruntime; onnx's reference evaluator
    moves samples inside first, which is not the same for cubic ones at a border. Where a sample falls on a
    pixel, linear weights take the derivative towards the next one, as in torch. The nearest neighbour's
    derivative is 0.
    """
    count = step.rank(step.inputs[0]) - 2
    axes = [_axis(step, i, count) for i in range(count)]
    flat = step.add("Reshape", only(step), step.integers([0, 0, 1, -1]))
    places = _flat_places(step, axes)
    return [
        _spread(step, axes, flat, places) if step.wants(0) else None,
        _moved(step, axes, flat, places) if step.wants(1) else None,
    ]


def _spread(step: Step, axes: Sequence[_Axis], g: str, places: str) -> str:
    """Return the gradient of the image; g is of (images, channels, 1, samples)."""
    x = step.inputs[0]
    weights = step.add("Unsqueeze", _product(step, [axis.weights for axis in axes]), step.integers([1]))
    values = step.add("Reshape", step.add("Mul", g, weights), step.integers([0, 0, -1]))
    flat = step.add("Reshape", step.zeros_like(x), step.integers([0, 0, -1]))
    where = step.add("Expand", step.add("Unsqueeze", places, step.integers([1])), step.add("Shape", values))
    return reshaped_like(step, step.add("ScatterElements", flat, where, values, axis=2, reduction="add"), x)


def _moved(step: Step, axes: Sequence[_Axis], g: str, places: str) -> str:
    """Return the gradient of the grid; g is of (images, channels, 1, samples)."""
    x, grid = step.inputs
    image = step.add("Reshape", x, step.integers([0, 0, -1]))
    channels = step.add("Slice", step.shape_of(x), step.integers([0]), step.integers([2]))
    many = step.add("Concat", channels, step.integers([1]), axis=0)
    where = step.add("Expand", step.add("Unsqueeze", places, step.integers([1])), many)
    neighbours = step.add("GatherElements", image, where, axis=2)
    count = _count(step) ** len(axes)
    neighbours = step.add("Reshape", neighbours, step.integers([0, 0, count, -1]))
    by_neighbour = step.add("ReduceSum", step.add("Mul", neighbours, g), step.integers([1]), keepdims=0)
    parts = []
    for i in reversed(range(len(axes))):
        factors = [axis.slopes if j == i else axis.weights for j, axis in enumerate(axes)]
        slope = step.add("Mul", by_neighbour, _product(step, factors))
        parts.append(step.add("ReduceSum", slope, step.integers([1]), keepdims=0))
    stacked = step.add("Concat", *(step.add("Unsqueeze", p, step.integers([2])) for p in parts), axis=2)
    return reshaped_like(step, stacked, grid)


def _axis(step: Step, index: int, count: int) -> _Axis:
    """Return the neighbours along a spatial axis of the image; the grid counts axes from the last."""
    x, grid = step.inputs
    mode, align = step.attribute("mode", "linear"), step.attribute("align_corners", 0)
    first, weights = _NEIGHBOURS[mode]
    coordinate = step.add("Gather", grid, step.integers(count - 1 - index), axis=count + 1)
    coordinate = step.add("Reshape", coordinate, step.integers([0, 1, -1]))
    length = step.add("Gather", step.shape_of(x), step.integers(index + 2))
    size = step.add("CastLike", length, grid)
    one, half = step.constant(1, grid), step.constant(0.5, grid)
    # from [-1, 1] to pixels: (c + 1) / 2 (size - 1), or ((c + 1) size - 1) / 2
    slope = step.add("Mul", step.add("Sub", size, one) if align else size, half)
    position = step.add("Mul", step.add("Add", coordinate, one), slope)
    position = position if align else step.add("Sub", position, half)
    before = step.add("Round" if mode == "nearest" else "Floor", position)
    distance = step.add("Sub", position, before)
    offsets = first + np.arange(len(weights)).reshape(1, -1, 1)
    places = step.add("Add", step.add("Cast", before, to=7), step.integers(offsets))
    inside, valid = _PADDINGS[step.attribute("padding_mode", "zeros")](step, places, length)
    values = _polynomials(step, distance, weights)
    slopes = step.add("Mul", _polynomials(step, distance, [weight.deriv() for weight in weights]), slope)
    if valid is not None:
        values, slopes = (step.add("Mul", tensor, valid) for tensor in (values, slopes))
    return _Axis(inside, values, slopes)


def _count(step: Step) -> int:
    """Return the number of neighbours along an axis."""
    return len(_NEIGHBOURS[step.attribute("mode", "linear")][1])


def _polynomials(step: Step, distance: str, polynomials: Sequence[Polynomial]) -> str:
    """Return some polynomials of (images, 1, samples), by Horner's scheme: (images, polynomials, samples)."""
    grid = step.inputs[1]
    degree = max(len(polynomial.coef) for polynomial in polynomials)
    table = np.array([np.pad(p.coef, (0, degree - len(p.coef))) for p in polynomials]).T.reshape(
        degree, 1, -1, 1
    )
    zero = step.add("Mul", distance, step.constant(0, grid))
    value = step.add("Add", zero, step.constant(table[-1], grid))
    for row in table[-2::-1]:
        value = step.add("Add", step.add("Mul", value, distance), step.constant(row, grid))
    return value


_Padding = Callable[[Step, str, str], tuple[str, Gradient]]


def _nothing(step: Step, places: str, length: str) -> tuple[str, Gradient]:
    inside, _ = _border(step, places, length)
    return inside, step.add("CastLike", step.add("Equal", places, inside), step.inputs[1])


def _border(step: Step, places: str, length: str) -> tuple[str, Gradient]:
    last = step.add("Sub", length, step.integers(1))
    return step.add("Min", step.add("Max", places, step.integers(0)), last), None


def _reflection(step: Step, places: str, length: str) -> tuple[str, Gradient]:
    """Reflect at the centres of the outermost pixels if corners are aligned, else at their outer edges."""
    one, two, aligned = step.integers(1), step.integers(2), step.attribute("align_corners", 0)
    turn = step.add("Sub", length, one) if aligned else length
    period = step.add("Max", step.add("Mul", turn, two), one)
    here = step.add("Mod", places, period)
    back = step.add("Sub", period, here if aligned else step.add("Add", here, one))
    return step.add("Min", here, back), None


_PADDINGS: dict[str, _Padding] = {"zeros": _nothing, "border": _border, "reflection": _reflection}


def _flat_places(step: Step, axes: Sequence[_Axis]) -> str:
    """Return the positions of all neighbours in an image laid flat: (images, neighbours x samples)."""
    count = len(axes)
    total = _placed(step, axes[0].places, 0, count)
    for i in range(1, count):
        length = step.add("Gather", step.shape_of(step.inputs[0]), step.integers(i + 2))
        total = step.add("Add", step.add("Mul", total, length), _placed(step, axes[i].places, i, count))
    return step.add("Reshape", total, step.integers([0, -1]))


def _product(step: Step, tensors: Sequence[str]) -> str:
    """Return the products over all combinations of neighbours: (images, neighbours, samples)."""
    total = _placed(step, tensors[0], 0, len(tensors))
    for i, tensor in enumerate(tensors[1:], 1):
        total = step.add("Mul", total, _placed(step, tensor, i, len(tensors)))
    return step.add("Reshape", total, step.integers([0, _count(step) ** len(tensors), -1]))


def _placed(step: Step, tensor: str, index: int, count: int) -> str:
    """Return a tensor of (images, neighbours, samples) with room for the neighbours along other axes."""
    others = [i + 1 for i in range(count) if i != index]
    return step.add("Unsqueeze", tensor, step.integers(others)) if others else tensor
