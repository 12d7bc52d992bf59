"""Pooling of regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..registry import rule
from ..step import Gradient, Step
from .movement import only
from .region_maxima import Candidates, add_to_images, of_maxima


@dataclass(frozen=True)
class Side:
    """One direction of regions: rows or columns of the picture.

    Parameters
    ----------
    low, high : int
        Columns of the table of regions that hold where they begin and end.
    axis : int
        Of the picture.
    bins : int
        How many values a region gets.
    """

    low: int
    high: int
    axis: int
    bins: int


@rule("RoiAlign")
def roi_align(step: Step) -> Sequence[Gradient]:
    """d/dx = the sum over regions of rows^T g columns, with the weights of bilinear interpolation.

    Averages over a grid of samples are separable: a region is rows x columns^T. In mode max, g goes, times
    its weight, to the neighbour of a sample whose value times weight is the largest; to the first of equals.
    That maximum is not one of interpolated values, but it is what onnxruntime and onnx's reference compute.
    Regions are held fixed, as in torch. Source: ONNX, RoiAlign; K. He et al., Mask R-CNN, ICCV 2017.
    """
    g = only(step)
    if not step.wants(0):
        return [None, None, None]
    down, across = (
        Side(1, 3, 2, step.attribute("output_height", 1)),
        Side(0, 2, 3, step.attribute("output_width", 1)),
    )
    if step.attribute("mode", "avg") == "max":
        parts = of_maxima(step, g, step.inputs[2], _corners(step, down), _corners(step, across))
    else:
        rows, columns = _weights(step, down), _weights(step, across)
        # (regions, channels, height, width)
        parts = step.add(
            "MatMul", step.add("Transpose", rows, perm=[0, 1, 3, 2]), step.add("MatMul", g, columns)
        )
    return [add_to_images(step, parts, step.inputs[2]), None, None]


def _weights(step: Step, side: Side) -> str:
    """Return how much each row (or column) of the picture counts in each bin: (regions, 1, bins, size)."""
    at, inside, samples = _sampled(step, side)
    weights = step.add("Mul", _interpolated(step, at, side), inside)
    mean = step.add(
        "Div", step.add("ReduceSum", weights, step.integers([2]), keepdims=0), _flat(step, samples)
    )
    return step.add("Unsqueeze", mean, step.integers([1]))


def _corners(step: Step, side: Side) -> Candidates:
    """Return the two neighbours of each sample; their weights are 0 if it is more than a pixel outside."""
    x = step.inputs[0]
    at, inside, _ = _sampled(step, side)
    zero, one = step.constant(0, x), step.constant(1, x)
    last = step.add("Sub", _size(step, side), one)
    near = step.add("Min", step.add("Max", at, zero), last)
    low = step.add("Floor", near)
    beyond = step.add("Sub", near, low)
    places = step.add("Concat", low, step.add("Min", step.add("Add", low, one), last), axis=3)
    weights = step.add("Concat", step.add("Sub", one, beyond), beyond, axis=3)
    seen = step.add("CastLike", _is_seen(step, at, side), zero)
    taken = step.add("Expand", inside, step.add("Shape", weights))
    flat = step.integers([0, 0, -1])
    return Candidates(
        step.add("Cast", step.add("Reshape", places, flat), to=7),
        step.add("Reshape", step.add("Mul", weights, seen), flat),
        step.add("Cast", step.add("Reshape", taken, flat), to=9),
    )


def _sampled(step: Step, side: Side) -> tuple[str, str, str]:
    """Return where samples are taken, 1 for those that the region takes (else 0), and how many it takes.

    Samples are of (regions, bins, samples in a bin, 1).
    """
    x, regions = step.inputs[:2]
    half_pixel = step.attribute("coordinate_transformation_mode", "half_pixel") == "half_pixel"
    scale = step.constant(step.attribute("spatial_scale", 1.0), x)
    ends = [
        step.add("Mul", step.add("Gather", regions, step.integers([column]), axis=1), scale)
        for column in (side.low, side.high)
    ]
    length = step.add("Sub", ends[1], ends[0])
    start = step.add("Sub", ends[0], step.constant(0.5 if half_pixel else 0, x))
    if not half_pixel:
        length = step.add("Max", length, step.constant(1, x))
    # axes from here on: regions, bins, samples in a bin, places in the picture
    start, length = (step.add("Unsqueeze", value, step.integers([2, 3])) for value in (start, length))
    bin_size = step.add("Div", length, step.constant(side.bins, x))
    samples, sample = _samples(step, bin_size)
    within = step.add("Div", step.add("Add", sample, step.constant(0.5, x)), samples)
    bins = step.constant([[[i]] for i in range(side.bins)], x)
    at = step.add("Add", start, step.add("Mul", step.add("Add", bins, within), bin_size))
    return at, _inside(step, sample, samples), samples


def _samples(step: Step, bin_size: str) -> tuple[str, str]:
    """Return how many samples a bin takes in each region, and their numbers (samples, 1)."""
    x, fixed = step.inputs[0], step.attribute("sampling_ratio", 0)
    if fixed > 0:
        return step.constant(fixed, x), step.constant([[i] for i in range(fixed)], x)
    counts = step.add("Max", step.add("Ceil", bin_size), step.constant(1, x))
    most = step.add("Cast", step.add("ReduceMax", counts, keepdims=0), to=7)
    numbers = step.add("Range", step.integers(0), most, step.integers(1))
    column = step.add("Unsqueeze", numbers, step.integers([1]))
    return counts, step.add("CastLike", column, step.constant(0, x))


def _inside(step: Step, sample: str, samples: str) -> str:
    """Return 1 for the samples that a region takes, 0 for those that only others do."""
    return step.add("CastLike", step.add("Less", sample, samples), step.constant(0, step.inputs[0]))


def _flat(step: Step, samples: str) -> str:
    """Return the numbers of samples as (regions, 1, 1), or the one number that holds for all."""
    if step.attribute("sampling_ratio", 0) > 0:
        return samples
    return step.add("Squeeze", samples, step.integers([2]))


def _interpolated(step: Step, at: str, side: Side) -> str:
    """Return the weights of linear interpolation; 0 for samples more than a pixel outside."""
    x = step.inputs[0]
    zero, one = step.constant(0, x), step.constant(1, x)
    size = step.add("Gather", step.shape_of(x), step.integers(side.axis))
    places = step.add("CastLike", step.add("Range", step.integers(0), size, step.integers(1)), zero)
    near = step.add("Min", step.add("Max", at, zero), step.add("Sub", _size(step, side), one))
    apart = step.add("Abs", step.add("Sub", near, places))
    weights = step.add("Max", step.add("Sub", one, apart), zero)
    return step.add("Where", _is_seen(step, at, side), weights, zero)


def _is_seen(step: Step, at: str, side: Side) -> str:
    """Return whether a sample is at most a pixel outside."""
    low = step.add("GreaterOrEqual", at, step.constant(-1, step.inputs[0]))
    return step.add("And", low, step.add("LessOrEqual", at, _size(step, side)))


def _size(step: Step, side: Side) -> str:
    """Return the size of the picture, in the type of its values."""
    size = step.add("Gather", step.shape_of(step.inputs[0]), step.integers(side.axis))
    return step.add("CastLike", size, step.constant(0, step.inputs[0]))
