"""Operators that cut out a box or put a border around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..registry import rule
from ..step import Gradient, Step
from .movement import only

_END = int(np.iinfo(np.int64).max)


@rule("Slice")
def slice_(step: Step) -> Sequence[Gradient]:
    """Zeros of the input's shape, with G where it was cut out."""
    data = step.inputs[0]
    steps, axes = _steps(step), _slice_axes(step)
    g = _dilated(step, _flipped(step, only(step), axes, steps), axes, np.abs(steps).tolist())
    return [
        step.add("Pad", g, _slice_pads(step, g, axes, steps), step.constant(0, data), step.integers(axes))
    ]


@rule("CenterCropPad")
def center_crop_pad(step: Step) -> Sequence[Gradient]:
    """G cropped where the input was padded, padded where it was cropped: the operator does so itself."""
    axes = step.attribute("axes")
    shape = step.shape_of(step.inputs[0])
    if axes is not None:
        shape = step.add("Gather", shape, step.integers(axes))
    return [step.add("CenterCropPad", only(step), shape, axes=axes), None]


@rule("Pad")
def pad(step: Step) -> Sequence[Gradient]:
    """G without the border, which adds to the values that it repeats, or to the constant."""
    repeats = step.attribute("mode", "constant") != "constant"
    data = (_folded(step) if repeats else _cropped(step)) if step.wants(0) else None
    return [data, None, _border_sum(step) if step.wants(2) else None]


def _steps(step: Step) -> list[int]:
    """Return the steps of a Slice."""
    if not step.has(4):
        return [1] * step.sizes(step.inputs[1])[0]
    steps = step.value(step.inputs[4])
    if steps is None:
        raise step.unsupported("its steps must be constant")
    return [int(size) for size in steps]


def _slice_axes(step: Step) -> list[int]:
    """Return the axes of a Slice, counted from the front."""
    if not step.has(3):
        return list(range(step.sizes(step.inputs[1])[0]))
    axes = step.value(step.inputs[3])
    if axes is None:
        raise step.unsupported("its axes must be constant")
    rank = step.rank(step.inputs[0])
    return [int(axis) % rank for axis in axes]


def _flipped(step: Step, g: str, axes: Sequence[int], steps: Sequence[int]) -> str:
    """Turn round the axes that a Slice went through backwards."""
    back = [axis for axis, size in zip(axes, steps, strict=True) if size < 0]
    if not back:
        return g
    first = step.integers([-1] * len(back))
    ends = step.integers([-_END] * len(back))
    return step.add("Slice", g, first, ends, step.integers(back), first)


def _dilated(step: Step, g: str, axes: Sequence[int], strides: Sequence[int]) -> str:
    """Put zeros between values, as many as a Slice left out."""
    wide = {axis: size for axis, size in zip(axes, strides, strict=True) if size > 1}
    if not wide:
        return g
    output = step.outputs[0]
    apart = [axis + i + 1 for i, axis in enumerate(sorted(wide))]
    pads = [0] * len(apart) + [wide[axis] - 1 for axis in sorted(wide)]
    spread = step.add("Unsqueeze", g, step.integers(apart))
    spread = step.add("Pad", spread, step.integers(pads), step.constant(0, output), step.integers(apart))
    scale = [wide.get(axis, 1) for axis in range(step.rank(output))]
    spread = step.add("Reshape", spread, _scaled_shape(step, output, scale))
    first, last = step.integers([0] * len(wide)), step.integers([1 - wide[axis] for axis in sorted(wide)])
    return step.add("Slice", spread, first, last, step.integers(sorted(wide)))


def _scaled_shape(step: Step, tensor: str, scale: Sequence[int]) -> str:
    """Return the shape of a tensor times some numbers, as a tensor."""
    shape = step.shape(tensor)
    known = [size for size in shape or () if size is not None]
    if shape is not None and len(known) == len(shape):
        return step.integers(np.multiply(known, scale))
    return step.add("Mul", step.shape_of(tensor), step.integers(scale))


def _slice_pads(step: Step, g: str, axes: Sequence[int], steps: Sequence[int]) -> str:
    """Return how many zeros go before and after the gradient along each axis of a Slice."""
    data, output = step.shape(step.inputs[0]), step.shape(step.outputs[0])
    starts = step.value(step.inputs[1])
    if data is None or output is None or starts is None:
        return _open_slice_pads(step, g, axes, steps)
    lengths, taken = [data[axis] for axis in axes], [output[axis] for axis in axes]
    before, after = [], []
    for start, size, length, count in zip(starts, steps, lengths, taken, strict=True):
        if length is None or count is None:
            return _open_slice_pads(step, g, axes, steps)
        first = slice(int(start), None, size).indices(length)[0]
        lowest = first if size > 0 else first + 1 - _span(count, -size)
        before.append(lowest)
        after.append(length - lowest - _span(count, abs(size)))
    return step.integers(before + after)


def _open_slice_pads(step: Step, g: str, axes: Sequence[int], steps: Sequence[int]) -> str:
    """Return `_slice_pads` where they turn out when the graph runs."""
    data, starts = step.inputs[:2]
    where, zero, one = step.integers(axes), step.integers(0), step.integers(1)
    strides, forwards = np.abs(steps), np.greater(steps, 0)
    length = step.add("Gather", step.shape_of(data), where)
    given = step.add("Cast", starts, to=7) if step.dtype(starts) != np.int64 else starts
    first = step.add("Where", step.add("Less", given, zero), step.add("Add", given, length), given)
    # a start beyond the end is cut to the end, or to the last value where the Slice goes backwards
    first = step.add("Max", first, step.integers(np.where(forwards, 0, -1)))
    first = step.add("Min", first, step.add("Sub", length, step.integers(np.where(forwards, 0, 1))))
    taken = step.add("Gather", step.shape_of(step.outputs[0]), where)
    span = step.add("Add", step.add("Mul", step.add("Sub", taken, one), step.integers(strides)), one)
    span = step.add("Max", span, zero)
    back = step.add("Mul", step.add("Sub", span, one), step.integers(np.where(forwards, 0, 1)))
    before = step.add("Sub", first, back)
    return step.add("Concat", before, step.add("Sub", length, step.add("Add", before, span)), axis=0)


def _span(count: int, stride: int) -> int:
    """Return how many positions some values take up."""
    return max((count - 1) * stride + 1, 0)


def _cropped(step: Step) -> str:
    """Cut off what a Pad added, and add zeros where it cut off."""
    g, pads = only(step), step.value(step.inputs[1])
    axes = _axes_input(step)
    if pads is not None:
        first, last = np.split(pads, 2)
        return _moved(step, g, first, last, axes)
    before, after = step.many("Split", [step.inputs[1]], 2, axis=0, num_outputs=2)
    zero = step.integers(0)
    length = step.add("Gather", step.add("Shape", g), axes[0]) if axes else step.add("Shape", g)
    ends = step.add("Sub", length, step.add("Max", after, zero))
    inner = step.add("Slice", g, step.add("Max", before, zero), ends, *axes)
    added = step.add("Max", step.add("Neg", step.inputs[1]), zero)
    return step.add("Pad", inner, added, step.constant(0, step.inputs[0]), *axes)


def _moved(step: Step, g: str, before: NDArray[Any], after: NDArray[Any], axes: Sequence[str]) -> str:
    """Cut off some values at the ends of axes, or add zeros where their numbers are negative."""
    if (before > 0).any() or (after > 0).any():
        last = np.where(after > 0, -after, _END)
        g = step.add("Slice", g, step.integers(np.maximum(before, 0)), step.integers(last), *axes)
    added = np.maximum(-np.concatenate([before, after]), 0)
    if not added.any():
        return g
    return step.add("Pad", g, step.integers(added), step.constant(0, step.inputs[0]), *axes)


def _border_sum(step: Step) -> str:
    """Return the sum of the gradient over the border."""
    data, pads, fill = step.inputs[:3]
    border = step.add("Pad", step.zeros_like(data), pads, step.constant(1, data), *_axes_input(step))
    summed = step.add("ReduceSum", step.add("Mul", only(step), border), keepdims=0)
    return summed if step.shape(fill) == () else step.add("Reshape", summed, step.shape_of(fill))


def _axes_input(step: Step) -> list[str]:
    """Return the axes of a Pad as int64, if they are given."""
    if not step.has(3):
        return []
    axes = step.value(step.inputs[3])
    return [step.add("Cast", step.inputs[3], to=7) if axes is None else step.integers(axes)]


def _folded(step: Step) -> str:
    """Cut off a border and add it to the values that it repeats, one axis after another."""
    g = only(step)
    for axis, before, after in _padded_axes(step):
        inner = _moved(step, g, np.array([before]), np.array([after]), [step.integers([axis])])
        ends = [(0, before)] if before > 0 else []
        ends += [(-after, _END)] if after > 0 else []
        positions = _positions(step, axis, before, after)
        if ends:
            border, repeated = _ends(step, g, axis, ends), _ends(step, positions, 0, ends)
            g = _added_at(step, inner, repeated, border, axis)
        else:
            g = inner
    return g


def _padded_axes(step: Step) -> list[tuple[int, int, int]]:
    """Return (axis, values added before, values added after) of a Pad."""
    pads = step.value(step.inputs[1])
    axes = step.value(step.inputs[3]) if step.has(3) else np.arange(step.rank(step.inputs[0]))
    if pads is None or axes is None:
        raise step.unsupported("its pads and axes must be constant")
    before, after = np.split(pads, 2)
    numbers = zip(axes.tolist(), before.tolist(), after.tolist(), strict=True)
    rank = step.rank(step.inputs[0])
    return [(axis % rank, first, last) for axis, first, last in numbers if first or last]


def _positions(step: Step, axis: int, before: int, after: int) -> str:
    """Return which value of an axis each padded position repeats, by padding the positions themselves."""
    data, mode = step.inputs[0], step.attribute("mode")
    length = step.add("Gather", step.shape_of(data), step.integers(axis))
    own = step.add("Range", step.integers(0), length, step.integers(1))
    return step.add("Pad", own, step.integers([before, after]), mode=mode)


def _ends(step: Step, tensor: str, axis: int, ends: Sequence[tuple[int, int]]) -> str:
    """Return the ends of a tensor along an axis, joined."""
    where = step.integers([axis])
    parts = [step.add("Slice", tensor, step.integers([a]), step.integers([b]), where) for a, b in ends]
    return step.add("Concat", *parts, axis=axis)


def _added_at(step: Step, tensor: str, positions: str, values: str, axis: int) -> str:
    """Add values to those at some positions of an axis."""
    others = [i for i in range(step.rank(step.inputs[0])) if i != axis]
    indices = step.add("Unsqueeze", positions, step.integers(others)) if others else positions
    indices = step.add("Expand", indices, step.add("Shape", values))
    return step.add("ScatterElements", tensor, indices, values, axis=axis, reduction="add")
