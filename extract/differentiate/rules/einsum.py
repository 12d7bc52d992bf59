"""Sums of products by Einstein's convention."""

from __future__ import annotations

import functools
import string
from collections.abc import Sequence
from dataclasses import dataclass

from ..facts import Shape
from ..registry import rule
from ..step import Gradient, Step

# Names of the axes that an ellipsis stands for.
_FREE = string.ascii_uppercase[::-1] + string.ascii_lowercase[::-1]


@dataclass(frozen=True)
class _Operand:
    name: str
    letters: str
    shape: Shape = ()


@dataclass(frozen=True)
class _Equation:
    """Operands and output with a letter for each axis; `free` are the letters of the ellipsis."""

    operands: tuple[_Operand, ...]
    output: str
    free: str


@rule("Einsum", per_image=True)
def einsum(step: Step) -> Sequence[Gradient]:
    """The sum of products of the output's gradient and all other operands, by the letters of the operand.

    Along an axis that the operand alone has, and that is summed, it is repeated; along axes that share a
    letter it lies on the diagonal; along an axis of size 1 that was repeated it is summed.
    """
    equation = _equation(step)
    return [_gradient(step, equation, i) if step.wants(i) else None for i in range(len(step.inputs))]


def _equation(step: Step) -> _Equation:
    left, arrow, right = step.attribute("equation").replace(" ", "").partition("->")
    terms = left.split(",")
    if not arrow:
        letters = left.replace(",", "").replace(".", "")
        once = sorted(letter for letter in set(letters) if letters.count(letter) == 1)
        right = ("..." if "..." in left else "") + "".join(once)
    shapes = [_shape(step, x) for x in step.inputs]
    covered = [len(s) - len(t) + 3 if "..." in t else 0 for s, t in zip(shapes, terms, strict=True)]
    free = "".join(letter for letter in _FREE if letter not in left)[: max(covered)]
    operands = tuple(
        _Operand(name, term.replace("...", free[len(free) - n :]), shape)
        for name, term, n, shape in zip(step.inputs, terms, covered, shapes, strict=True)
    )
    return _Equation(operands, right.replace("...", free), free)


def _shape(step: Step, tensor: str) -> Shape:
    shape = step.shape(tensor)
    if shape is None:
        raise step.unsupported(f"the number of axes of {tensor!r} must be known")
    return shape


def _gradient(step: Step, equation: _Equation, index: int) -> str:
    """Return the gradient with respect to one operand."""
    (g,), own = step.gradients, equation.operands[index]
    assert g is not None
    others = [o for i, o in enumerate(equation.operands) if i != index]
    known = {*equation.output, *(letter for o in others for letter in o.letters)}
    axes = [
        i
        for i, letter in enumerate(own.letters)
        if letter in known and own.shape[i] != 1 and letter not in own.letters[:i]
    ]
    letters = "".join(own.letters[i] for i in axes)
    images = _images(step, equation, index, letters)
    found = _product(step, [_Operand(g, equation.output), *others], images + letters)
    missing = [i + len(images) for i in range(len(own.letters)) if i not in axes]
    if missing:
        found = step.add("Unsqueeze", found, step.integers(missing))
    if any(own.shape[i] is None and own.letters[i] in equation.free for i in axes) and not images:
        found = _summed(step, found, own.name)
    if _is_repeated(own, equation.output, others):
        shape = step.shape_of(own.name)
        found = step.add("Expand", found, _behind_images(step, shape, found) if images else shape)
    return _on_diagonals(step, found, own)


def _images(step: Step, equation: _Equation, index: int, letters: str) -> str:
    """Return the letter of the axis of images, if the gradient has one."""
    if not step.shared[index]:
        return ""
    if not equation.output or equation.output[0] in letters:
        raise step.apart("its output has no axis of images in front")
    return equation.output[0]


def _product(step: Step, operands: Sequence[_Operand], letters: str) -> str:
    """Return the sum of products; numbers are multiplied apart, as some tools take no empty terms."""
    tensors = [o for o in operands if o.letters]
    factors = [o.name for o in operands if not o.letters]
    if [o.letters for o in tensors] == [letters]:
        factors.append(tensors[0].name)
    elif tensors:
        equation = ",".join(o.letters for o in tensors) + "->" + letters
        factors.append(step.add("Einsum", *(o.name for o in tensors), equation=equation))
    return functools.reduce(lambda a, b: step.add("Mul", a, b), factors)


def _summed(step: Step, found: str, tensor: str) -> str:
    """Sum over axes that turn out to be repeated when the graph runs."""
    repeated = step.add("Not", step.add("Equal", step.shape_of(tensor), step.add("Shape", found)))
    is_one = step.add("Equal", step.shape_of(tensor), step.integers(1))
    axes = step.add("Squeeze", step.add("NonZero", step.add("And", repeated, is_one)), step.integers([0]))
    return step.add("ReduceSum", found, axes, keepdims=1, noop_with_empty_axes=1)


def _is_repeated(own: _Operand, output: str, others: Sequence[_Operand]) -> bool:
    """Return whether the operand has an axis along which all others are repeated, and that is summed."""
    sizes: dict[str, list[int | None]] = {}
    for other in others:
        for letter, size in zip(other.letters, other.shape, strict=True):
            sizes.setdefault(letter, []).append(size)
    return any(
        size != 1 and letter not in output and all(other == 1 for other in sizes.get(letter, []))
        for letter, size in zip(own.letters, own.shape, strict=True)
    )


def _behind_images(step: Step, shape: str, gradient: str) -> str:
    return step.add("Concat", step.add("Shape", gradient, start=0, end=1), shape, axis=0)


def _on_diagonals(step: Step, found: str, own: _Operand) -> str:
    """Set the gradient to 0 where axes that share a letter have different indices."""
    for axis, letter in enumerate(own.letters):
        before = own.letters.index(letter)
        if before != axis and own.shape[axis] != 1:
            size = step.add("Gather", step.shape_of(own.name), step.integers(axis))
            numbers = step.add("Range", step.integers(0), size, step.integers(1))
            same = step.add("Equal", *(_along(step, numbers, own, i) for i in (before, axis)))
            zero = step.constant(0, own.name)
            found = step.add("Where", same, found, zero)
    return found


def _along(step: Step, numbers: str, own: _Operand, axis: int) -> str:
    """Return numbers as a tensor of the operand's axes that changes along one of them."""
    shape = [1] * len(own.letters)
    shape[axis] = -1
    return step.add("Reshape", numbers, step.integers(shape))
