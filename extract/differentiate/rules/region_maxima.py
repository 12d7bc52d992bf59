"""Maxima of regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..registry import rule
from ..step import Gradient, Step
from .movement import only


@dataclass(frozen=True)
class Candidates:
    """Rows, or columns, among whose values maxima are taken, as tensors of (regions, bins, candidates).

    Parameters
    ----------
    places : str
        Which row or column of the picture, int64.
    weights : str
        What the values there are multiplied by.
    taken : str
        Whether a candidate is one; regions with fewer than others are filled up.
    """

    places: str
    weights: str
    taken: str


@rule("MaxRoiPool")
def max_roi_pool(step: Step) -> Sequence[Gradient]:
    """G goes to where each bin's maximum came from, of equal values to the first, as in Caffe and torch.

    Bins are those of onnxruntime: from floor(i size / bins) to ceil((i + 1) size / bins) behind the region's
    rounded start, cut to the picture; an empty one gives 0. Regions are held fixed.
    Source: R. Girshick, Fast R-CNN, ICCV 2015, sec. 2.1.
    """
    if not step.wants(0):
        return [None, None]
    regions = step.inputs[1]
    images = step.add("Cast", step.add("Gather", regions, step.integers(0), axis=1), to=7)
    height, width = step.attribute("pooled_shape")
    rows, columns = _inside(step, 2, 2, height), _inside(step, 1, 3, width)
    return [add_to_images(step, of_maxima(step, only(step), images, rows, columns), images), None]


def of_maxima(step: Step, g: str, images: str, rows: Candidates, columns: Candidates) -> str:
    """Return the gradient of each region's own copy of its picture: (regions, channels, height, width).

    Parameters
    ----------
    step : Step
        The node; its first input holds the pictures.
    g : str
        (regions, channels, bins of rows, bins of columns).
    images : str
        (regions,), the number of each region's picture.
    rows, columns : Candidates
        What the maxima are taken of.
    """
    x = step.inputs[0]
    size = step.add("Slice", step.shape_of(x), step.integers([2]), step.integers([4]))
    width = step.add("Gather", step.shape_of(x), step.integers(3))
    picture = step.add("Reshape", step.add("Gather", x, images, axis=0), step.integers([0, 0, -1]))
    starts = step.add("Mul", rows.places, width)
    places = _pairs(step, "Add", starts, columns.places)
    weights = _pairs(step, "Mul", rows.weights, columns.weights)
    taken = _pairs(step, "And", rows.taken, columns.taken)
    channels = step.add("Slice", step.shape_of(x), step.integers([1]), step.integers([2]))
    all_channels = step.add("Concat", step.integers([1]), channels, step.integers([1, 1]), axis=0)
    places, weights = (step.add("Expand", tensor, all_channels) for tensor in (places, weights))
    flat = step.add("Reshape", places, step.integers([0, 0, -1]))
    values = step.add("GatherElements", picture, flat, axis=2)
    values = step.add("Mul", step.add("Reshape", values, step.add("Shape", places)), weights)
    values = step.add("Where", taken, values, step.constant(float("-inf"), x))
    best = step.add("ArgMax", values, axis=3, keepdims=1)
    weight, place = (step.add("GatherElements", tensor, best, axis=3) for tensor in (weights, places))
    share = step.add("Mul", step.add("Reshape", g, step.integers([0, 0, -1, 1])), weight)
    nothing = step.add("Expand", step.constant(0, x), step.add("Shape", picture))
    place, share = (step.add("Squeeze", tensor, step.integers([3])) for tensor in (place, share))
    found = step.add("ScatterElements", nothing, place, share, axis=2, reduction="add")
    return step.add("Reshape", found, step.add("Concat", step.integers([0, 0]), size, axis=0))


def add_to_images(step: Step, parts: str, images: str) -> str:
    """Return the sum of what regions give to the pictures that they lie in."""
    where = step.add("Unsqueeze", images, step.integers([1]))
    return step.add("ScatterND", step.zeros_like(step.inputs[0]), where, parts, reduction="add")


def _pairs(step: Step, operator: str, rows: str, columns: str) -> str:
    """Join each bin's rows with its columns: (regions, 1, bins, candidates)."""
    joined = step.add(
        operator,
        step.add("Unsqueeze", rows, step.integers([2, 4])),
        step.add("Unsqueeze", columns, step.integers([1, 3])),
    )
    height, width = (step.add("Shape", tensor, start=1, end=2) for tensor in (rows, columns))
    bins = step.add("Mul", height, width)
    shape = step.add("Concat", step.integers([0, 1]), bins, step.integers([-1]), axis=0)
    return step.add("Reshape", joined, shape)


def _inside(step: Step, column: int, axis: int, bins: int) -> Candidates:
    """Return the rows (or columns) in each bin; `column` of the table of regions holds where they begin."""
    x, regions = step.inputs
    scale = step.constant(step.attribute("spatial_scale", 1.0), x)
    zero, one = step.constant(0, x), step.constant(1, x)
    start, end = (
        _rounded(step, step.add("Mul", _column(step, regions, i), scale)) for i in (column, column + 2)
    )
    length = step.add("Max", step.add("Add", step.add("Sub", end, start), one), one)
    each = step.add("Div", length, step.constant(bins, x))
    numbers = step.constant(range(bins), x)
    size = step.add("CastLike", step.add("Gather", step.shape_of(x), step.integers(axis)), zero)
    low, high = (
        step.add("Min", step.add("Max", step.add("Add", start, edge), zero), size)
        for edge in (
            step.add("Floor", step.add("Mul", numbers, each)),
            step.add("Ceil", step.add("Mul", step.add("Add", numbers, one), each)),
        )
    )
    most = step.add("ReduceMax", step.add("Max", step.add("Sub", high, low), one), keepdims=0)
    further = step.add("Range", step.integers(0), step.add("Cast", most, to=7), step.integers(1))
    low, high = (step.add("Unsqueeze", tensor, step.integers([2])) for tensor in (low, high))
    places = step.add("Add", low, step.add("CastLike", further, zero))
    taken = step.add("Less", places, high)
    inside = step.add("Min", places, step.add("Sub", size, one))
    return Candidates(step.add("Cast", inside, to=7), step.add("CastLike", taken, zero), taken)


def _column(step: Step, regions: str, index: int) -> str:
    return step.add("Gather", regions, step.integers([index]), axis=1)


def _rounded(step: Step, tensor: str) -> str:
    """Round halves away from 0, as C does; ONNX's Round takes the even neighbour."""
    half = step.constant(0.5, step.inputs[0])
    return step.add(
        "Mul", step.add("Sign", tensor), step.add("Floor", step.add("Add", step.add("Abs", tensor), half))
    )
