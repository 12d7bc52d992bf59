"""Resize: the transposed linear map, an axis at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..registry import rule
from ..step import Gradient, Step
from .movement import interleaved, only

_PASSED_ON = (
    "antialias",
    "coordinate_transformation_mode",
    "cubic_coeff_a",
    "exclude_outside",
    "keep_aspect_ratio_policy",
    "mode",
    "nearest_mode",
)
# With these a scale of 1 is not always the identity.
_NEVER_IDENTITY = ("tf_crop_and_resize", "tf_half_pixel_for_nn")
# Nearest neighbours that repeat each value k times where the scale is a whole number k.
_REPEATING = frozenset(
    {
        ("asymmetric", "floor"),
        ("half_pixel", "round_prefer_floor"),
        ("half_pixel", "round_prefer_ceil"),
        ("half_pixel_symmetric", "round_prefer_floor"),
        ("half_pixel_symmetric", "round_prefer_ceil"),
    }
)


@rule("Resize")
def resize(step: Step) -> Sequence[Gradient]:
    """d/dx = A^T G along each axis, A the matrix of weights that resizing the unit matrix gives.

    Nearest neighbours at a whole scale: the sum of G over the repeats. No gradient is known with respect to
    scales and the region of interest.
    """
    if step.wants(1) or step.wants(2):
        raise step.unsupported("only the gradient with respect to its first input is known")
    g, axes = only(step), _axes(step)
    factors = _repeats(step, axes)
    if factors is not None:
        return _first(step, _summed_repeats(step, g, factors))
    for position, axis in enumerate(axes):
        if not _is_identity(step, position, axis):
            g = _along(step, g, _matrix(step, position, axis, axes), axis)
    return _first(step, g)


def _first(step: Step, gradient: str) -> Sequence[Gradient]:
    return [gradient, *([None] * (len(step.inputs) - 1))]


def _axes(step: Step) -> list[int]:
    rank = step.rank(step.inputs[0])
    return [axis % rank for axis in step.attribute("axes", range(rank))]


def _mode(step: Step) -> str:
    return str(step.attribute("coordinate_transformation_mode", "half_pixel"))


def _scale(step: Step, position: int, axis: int) -> float | None:
    """Return the scale along an axis, None if it is not known."""
    if step.has(2):
        scales = step.value(step.inputs[2])
        return None if scales is None else float(scales[position])
    before, after = step.shape(step.inputs[0]), step.shape(step.outputs[0])
    if before is None or after is None or before[axis] is None or after[axis] is None:
        return None
    return after[axis] / before[axis]  # type: ignore[operator]


def _is_identity(step: Step, position: int, axis: int) -> bool:
    if _mode(step) == "tf_crop_and_resize":
        roi = step.value(step.inputs[1])
        whole = roi is not None and [roi[position], roi[len(roi) // 2 + position]] == [0, 1]
        return whole and _scale(step, position, axis) == 1
    return _mode(step) not in _NEVER_IDENTITY and _scale(step, position, axis) == 1


def _repeats(step: Step, axes: Sequence[int]) -> list[int] | None:
    """Return how often each value is repeated along each axis; None if that is not all that happens."""
    modes = (_mode(step), step.attribute("nearest_mode", "round_prefer_floor"))
    if step.attribute("mode", "nearest") != "nearest" or modes not in _REPEATING:
        return None
    factors = [1] * step.rank(step.inputs[0])
    for position, axis in enumerate(axes):
        scale = _scale(step, position, axis)
        if scale is None or scale < 1 or scale != int(scale):
            return None
        factors[axis] = int(scale)
    return factors


def _summed_repeats(step: Step, g: str, factors: Sequence[int]) -> str:
    rank = len(factors)
    apart = step.add("Reshape", g, interleaved(step, step.inputs[0], factors))
    return step.add("ReduceSum", apart, step.integers(list(range(1, 2 * rank, 2))), keepdims=0)


def _along(step: Step, g: str, matrix: str, axis: int) -> str:
    """Multiply by the transpose of a matrix along an axis."""
    rank = step.rank(step.inputs[0])
    if axis == rank - 1:
        return step.add("MatMul", g, matrix)
    if axis == rank - 2:
        return step.add("MatMul", step.add("Transpose", matrix, perm=[1, 0]), g)
    order = list(range(rank))
    order[axis], order[-1] = order[-1], order[axis]
    moved = step.add("MatMul", step.add("Transpose", g, perm=order), matrix)
    return step.add("Transpose", moved, perm=order)


def _matrix(step: Step, position: int, axis: int, axes: Sequence[int]) -> str:
    """Return the weights along an axis, (output, input), by resizing the rows of a unit matrix."""
    options = {name: step.attribute(name) for name in _PASSED_ON}
    if options.pop("keep_aspect_ratio_policy") not in (None, "stretch"):
        return _kept_aspect_matrix(step, axis, axes, options)
    unit = step.add("Unsqueeze", _unit(step, axis), step.integers([0, 1]))
    roi = _roi(step, position) if _mode(step) == "tf_crop_and_resize" else ""
    if step.has(2):
        one = step.workshop.constant([1], np.float32)
        own = step.add("Gather", step.inputs[2], step.integers([position]))
        target = [step.add("Concat", one, one, own, one, axis=0)]
    else:
        own, length = _length(step, step.outputs[0], axis), _length(step, step.inputs[0], axis)
        target = ["", step.add("Concat", step.integers([1, 1]), own, length, axis=0)]
    resized = step.add("Resize", unit, roi, *target, **options)
    return step.add("Squeeze", resized, step.integers([0, 1]))


def _kept_aspect_matrix(step: Step, axis: int, axes: Sequence[int], options: dict[str, Any]) -> str:
    """Return `_matrix` where all axes have the scale of one of them, and rounded sizes.

    The unit matrix gets a second axis, of the sizes that decide on the scale, along which it is constant.
    """
    wanted, shape = step.value(step.inputs[3]), step.shape(step.inputs[0])
    lengths = [None if shape is None else shape[i] for i in axes]
    if wanted is None or None in lengths:
        raise step.unsupported("with keep_aspect_ratio_policy, the sizes of its input must be known")
    policy = step.attribute("keep_aspect_ratio_policy")
    larger = policy == "not_smaller"
    ratios = wanted / np.array(lengths)
    deciding = int((np.argmax if larger else np.argmin)(ratios))
    own, other = lengths[list(axes).index(axis)], lengths[deciding]
    assert own is not None
    assert other is not None
    unit = step.add("Unsqueeze", _unit(step, axis), step.integers([1, 2]))
    unit = step.add("Expand", unit, step.integers([own, 1, other, own]))
    # a size of its own that leaves the decision to the other axis
    free = 1 if larger else own * (int(ratios[deciding]) + 2)
    target = step.integers([int(wanted[deciding]), free])
    resized = step.add(
        "Resize", unit, "", "", target, axes=[2, 3], keep_aspect_ratio_policy=policy, **options
    )
    columns = step.add("Gather", resized, step.integers(0), axis=2)
    return step.add("Transpose", step.add("Squeeze", columns, step.integers([1])), perm=[1, 0])


def _unit(step: Step, axis: int) -> str:
    """Return a unit matrix as large as an axis of the input."""
    import onnx

    length = step.add("Squeeze", _length(step, step.inputs[0], axis), step.integers([0]))
    along = step.add("Range", step.integers(0), length, step.integers(1))
    same = step.add("Equal", step.add("Unsqueeze", along, step.integers([1])), along)
    return step.add("Cast", same, to=onnx.helper.np_dtype_to_tensor_dtype(step.dtype(step.inputs[0])))


def _length(step: Step, tensor: str, axis: int) -> str:
    """Return the size of an axis, as a tensor of one value."""
    shape = step.shape(tensor)
    size = None if shape is None else shape[axis]
    if size is not None:
        return step.integers([size])
    return step.add("Gather", step.shape_of(tensor), step.integers([axis]))


def _roi(step: Step, position: int) -> str:
    """Return the region of interest of the unit matrix: that of an axis at its place, all of the others."""
    roi = step.inputs[1]
    kind = step.dtype(roi)
    count = step.sizes(roi)[0] // 2
    start, end = (step.add("Gather", roi, step.integers([i])) for i in (position, count + position))
    zero, one = step.workshop.constant([0], kind), step.workshop.constant([1], kind)
    return step.add("Concat", zero, zero, start, zero, one, one, end, one, axis=0)
