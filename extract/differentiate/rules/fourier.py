"""Fourier transforms."""

from __future__ import annotations

from collections.abc import Sequence

from ..registry import rule
from ..step import Gradient, Step
from .movement import only


@rule("DFT")
def fourier(step: Step) -> Sequence[Gradient]:
    """The transform is linear: d/dx is its adjoint. Of the transform n times the inverse one, and vice versa.

    What a one-sided transform leaves out counts as 0 on the way back; where it is the input, its values count
    twice, but for the first and (of an even length) the last one. Source: ONNX, DFT.
    """
    x, g = step.inputs[0], only(step)
    axis = _axis(step)
    inverse, onesided = step.attribute("inverse", 0), step.attribute("onesided", 0)
    length = _length(step, axis, inverse and onesided)
    number = step.add("CastLike", length, step.constant(0, x))
    if inverse:
        found = _transformed(step, g, axis, onesided=onesided)
        found = step.add("Div", found, number)
        found = step.add("Mul", found, _twice(step, found, axis, length)) if onesided else found
    else:
        whole = _fitted(step, g, axis, length) if onesided else g
        found = step.add("Mul", _transformed(step, whole, axis, inverse=1), number)
    if (step.has(1) and step.inputs[1]) or onesided:
        found = _fitted(step, found, axis, step.add("Gather", step.shape_of(x), step.integers(axis)))
    if step.shape(x) is None or (step.shape(x) or [None])[-1] == 2:
        return [found, *[None] * (len(step.inputs) - 1)]
    parts = step.add("Gather", step.shape_of(x), step.integers([-1]))
    real = step.add("Slice", found, step.integers([0]), parts, step.integers([-1]))
    return [real, *[None] * (len(step.inputs) - 1)]


def _axis(step: Step) -> int:
    if not step.has(2):
        return step.rank(step.inputs[0]) - 2
    value = step.value(step.inputs[2])
    if value is None:
        raise step.unsupported("its axis must be a constant")
    return int(value.item()) % step.rank(step.inputs[0])


def _length(step: Step, axis: int, from_half: bool) -> str:
    """Return the length of the transform, an int64 without axes."""
    if step.has(1):
        return step.add("Squeeze", step.add("Cast", step.inputs[1], to=7))
    size = step.add("Gather", step.shape_of(step.inputs[0]), step.integers(axis))
    return step.add("Gather", step.shape_of(step.outputs[0]), step.integers(axis)) if from_half else size


def _transformed(step: Step, tensor: str, axis: int, **attributes: int) -> str:
    return step.add("DFT", tensor, "", step.integers(axis), **attributes)


def _twice(step: Step, half: str, axis: int, length: str) -> str:
    """Return 2 for values that stand for two, else 1, in a shape that broadcasts."""
    count = step.add("Gather", step.add("Shape", half), step.integers(axis))
    numbers = step.add("Range", step.integers(0), count, step.integers(1))
    middle = step.add("Equal", step.add("Mul", numbers, step.integers(2)), length)
    single = step.add("Or", step.add("Equal", numbers, step.integers(0)), middle)
    times = step.add("Where", single, step.constant(1, step.inputs[0]), step.constant(2, step.inputs[0]))
    behind = step.rank(step.inputs[0]) - 1 - axis
    return step.add("Reshape", times, step.integers([-1, *[1] * behind]))


def _fitted(step: Step, tensor: str, axis: int, size: str) -> str:
    """Cut an axis, or fill it up with zeros, to a size."""
    where = step.integers([axis])
    wanted = step.add("Unsqueeze", size, step.integers([0]))
    cut = step.add("Slice", tensor, step.integers([0]), wanted, where)
    missing = step.add("Sub", wanted, step.add("Gather", step.add("Shape", cut), where))
    return step.add("Pad", cut, step.add("Concat", step.integers([0]), missing, axis=0), "", where)
