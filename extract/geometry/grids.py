"""Operators that lay a new grid over the same picture: resizing, cutting, padding, pixel shuffling."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

import numpy as np

from .call import Call, Rule, Shape, Unplaced
from .place import Axes, AxisPlace, Window, moved, window

T = TypeVar("T")

HALF = Fraction(1, 2)


@dataclass(frozen=True)
class Line:
    """One axis that Resize changes: lengths before and after, and their ratio as the operator takes it."""

    before: int
    after: int
    scale: Fraction


@dataclass(frozen=True)
class Support:
    """Where a resizing kernel is not zero, in input units around the sampled position."""

    low: Fraction
    high: Fraction
    low_counts: bool = False
    high_counts: bool = False


NEAREST = {
    "floor": Support(Fraction(-1), Fraction(0), high_counts=True),
    "ceil": Support(Fraction(0), Fraction(1), low_counts=True),
    "round_prefer_floor": Support(-HALF, HALF, low_counts=True),
    "round_prefer_ceil": Support(-HALF, HALF, high_counts=True),
}

REACH = {"linear": Fraction(1), "cubic": Fraction(2)}


def _half_pixel(line: Line) -> tuple[Fraction, Fraction]:
    return 1 / line.scale, HALF / line.scale - HALF


def _half_pixel_symmetric(line: Line) -> tuple[Fraction, Fraction]:
    step, start = _half_pixel(line)
    return step, start + (line.before - line.after * step) / 2


def _pytorch_half_pixel(line: Line) -> tuple[Fraction, Fraction]:
    return _half_pixel(line) if line.after > 1 else _asymmetric(line)


def _asymmetric(line: Line) -> tuple[Fraction, Fraction]:
    return 1 / line.scale, Fraction(0)


def _align_corners(line: Line) -> tuple[Fraction, Fraction]:
    if min(line.before, line.after) < 2:
        return _asymmetric(line)
    return Fraction(line.before - 1, line.after - 1), Fraction(0)


def _half_pixel_for_nearest(line: Line) -> tuple[Fraction, Fraction]:
    return 1 / line.scale, HALF / line.scale


POSITIONS: dict[str, Callable[[Line], tuple[Fraction, Fraction]]] = {
    "half_pixel": _half_pixel,
    "half_pixel_symmetric": _half_pixel_symmetric,
    "pytorch_half_pixel": _pytorch_half_pixel,
    "asymmetric": _asymmetric,
    "align_corners": _align_corners,
    "tf_half_pixel_for_nn": _half_pixel_for_nearest,
}
"""For each coordinate_transformation_mode the step and the first of the sampled positions, in input units."""


def resize(call: Call) -> list[Axes]:
    """Place the output of Resize, or of Upsample, its forerunner."""
    axes = call.input(0)
    before, after = call.known_shape(0), call.known_output_shape(len(axes))
    if 0 in before + after:
        raise Unplaced(f"it makes {after} of {before}")
    lines = {i: Line(before[i], after[i], scale) for i, scale in _scales(call, before, after).items()}
    return [
        tuple(
            moved(axis, _sampled(call, lines[i])) if i in lines and isinstance(axis, AxisPlace) else axis
            for i, axis in enumerate(axes)
        )
    ]


def _scales(call: Call, before: Shape, after: Shape) -> dict[int, Fraction]:
    axes = [call.axis(axis, len(before)) for axis in call.numbers("axes") or range(len(before))]
    given = _given_scales(call)
    if given:
        if len(given) != len(axes) or not all(0 < scale < math.inf for scale in given):
            raise Unplaced(f"its scales are {given} for {len(axes)} axes")
        return dict(zip(axes, map(simplest, given), strict=True))
    policy = call.text("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return {axis: Fraction(after[axis], before[axis]) for axis in axes}
    sizes = call.integers("sizes", 3) or ()
    if len(sizes) != len(axes) or min(sizes) < 1:
        raise Unplaced(f"its sizes are {sizes} for {len(axes)} axes")
    ratios = [Fraction(size, before[axis]) for axis, size in zip(axes, sizes, strict=True)]
    return dict.fromkeys(axes, min(ratios) if policy == "not_larger" else max(ratios))


def _given_scales(call: Call) -> list[float]:
    """Return the scales that the call is given, none where it is given sizes."""
    if "scales" in call.attributes:
        return list(call.attributes["scales"].floats)
    index = 1 if _old(call) else 2
    return [float(scale) for scale in call.constant(index).ravel()] if call.has(index) else []


def simplest(number: float) -> Fraction:
    """Return the simplest fraction that a float32 stands for: 1/3 for 0.33333334."""
    exact = np.float32(number)
    candidates = (Fraction(float(exact)).limit_denominator(10**digits) for digits in range(1, 12))
    return next((it for it in candidates if np.float32(float(it)) == exact), Fraction(float(exact)))


def _sampled(call: Call, line: Line) -> Window:
    step, start = _position(call)(line)
    widened = bool(call.number("antialias", 0)) and line.scale < 1
    if step.denominator == start.denominator == 1 and not widened:
        return window(step, start, start)  # every kernel is 0 at the whole numbers around its centre
    low, high = reach(step, start, _support(call, line.scale, widened))
    return Window(step, start + low, start + high)


def _old(call: Call) -> bool:
    """Return whether the call is of an opset that had one way of sampling and no names for it."""
    return call.node.op_type == "Upsample" or call.opset < 11


def _known(table: Mapping[str, T], key: str, what: str) -> T:
    if key not in table:
        raise Unplaced(f"no rule for {what} {key}")
    return table[key]


def _position(call: Call) -> Callable[[Line], tuple[Fraction, Fraction]]:
    name = "coordinate_transformation_mode"
    return _known(POSITIONS, call.text(name, "asymmetric" if _old(call) else "half_pixel"), name)


def _support(call: Call, scale: Fraction, widened: bool) -> Support:
    mode = call.text("mode", "nearest")
    if mode == "nearest":
        # the old opsets leave it open; onnxruntime and onnx's own cases do this
        old = "floor" if scale >= 1 else "ceil"
        nearest = call.text("nearest_mode", old if _old(call) else "round_prefer_floor")
        return _known(NEAREST, nearest, "nearest_mode")
    far = _known(REACH, mode, "mode") / (scale if widened else 1)
    return Support(-far, far)


def reach(step: Fraction, start: Fraction, support: Support) -> tuple[Fraction, Fraction]:
    """Return how far below and above its sampled position any unit looks.

    A unit at position x = start + i * step looks at the whole numbers within the support around x. For
    step = p / q these lie at x + m / q - start, m any integer, if all units are taken together.

    Parameters
    ----------
    step, start : Fraction
        The sampled positions, in input units.
    support : Support
        Of the kernel.

    Returns
    -------
    low, high : Fraction
        In input units, relative to x.
    """
    grid = step.denominator
    first, last = (support.low + start) * grid, (support.high + start) * grid
    low = math.ceil(first) if support.low_counts else math.floor(first) + 1
    high = math.floor(last) if support.high_counts else math.ceil(last) - 1
    return Fraction(low, grid) - start, Fraction(high, grid) - start


def depth_to_space(call: Call) -> list[Axes]:
    """Place pixels that DepthToSpace takes out of the channels."""
    block = _block(call)
    return [_shuffled(call, window(Fraction(1, block), Fraction(1 - block, block), 0))]


def space_to_depth(call: Call) -> list[Axes]:
    """Place blocks that SpaceToDepth makes one unit each; a receptive field is that of all channels."""
    block = _block(call)
    return [_shuffled(call, window(block, 0, block - 1))]


def _block(call: Call) -> int:
    block = call.number("blocksize", 0)
    if block < 1:
        raise Unplaced(f"blocksize is {block}")
    return block


def _shuffled(call: Call, by: Window) -> Axes:
    axes = call.input(0)
    if len(axes) < 3:
        raise Unplaced(f"its input has {len(axes)} axes")
    return (axes[0], None, *(moved(axis, by) for axis in axes[2:]))


def pad(call: Call) -> list[Axes]:
    """Place the output of Pad; a negative amount cuts."""
    axes = list(call.input(0))
    pads = call.integers("pads", 1) or ()
    chosen = call.integers("axes", 3) or range(len(axes))
    if len(pads) != 2 * len(chosen):
        raise Unplaced(f"{len(pads)} amounts for {len(chosen)} axes")
    for i, amount in zip(chosen, pads, strict=False):
        axis = call.axis(i, len(axes))
        axes[axis] = moved(axes[axis], window(1, -amount, -amount))
    return [tuple(axes)]


def cut(call: Call) -> list[Axes]:
    """Place the output of Slice."""
    axes = list(call.input(0))
    chosen = call.integers("axes", 3)
    if chosen and not any(axes[call.axis(i, len(axes))] for i in chosen):
        return [call.input(0)]
    starts = call.integers("starts", 1) or ()
    steps = call.integers("steps", 4) or (1,) * len(starts)
    if len({len(starts), len(steps), len(chosen or starts)}) != 1 or 0 in steps:
        raise Unplaced(f"starts {starts}, steps {steps} and axes {chosen} do not fit")
    for i, start, step in zip(chosen or range(len(starts)), starts, steps, strict=True):
        axis = call.axis(i, len(axes))
        first = _first(call, axis, start, step)
        axes[axis] = moved(axes[axis], window(step, first, first))
    return [tuple(axes)]


def _first(call: Call, axis: int, start: int, step: int) -> int:
    """Return the index at which a slice starts, counted from 0."""
    if start >= 0 and step > 0:
        return start
    size = call.known_shape(0)[axis]
    return slice(start, None, step).indices(size)[0]


def center(call: Call) -> list[Axes]:
    """Place the output of CenterCropPad."""
    before, after = call.known_shape(0), call.known_output_shape(len(call.input(0)))
    shifts = [
        (size - new) // 2 if size > new else -((new - size) // 2)
        for size, new in zip(before, after, strict=True)
    ]
    return [
        tuple(moved(axis, window(1, shift, shift)) for axis, shift in zip(call.input(0), shifts, strict=True))
    ]


RULES: dict[str, Rule] = {
    "Resize": resize,
    "Upsample": resize,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
    "Pad": pad,
    "Slice": cut,
    "CenterCropPad": center,
}
