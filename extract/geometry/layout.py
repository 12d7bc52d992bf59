"""Operators that move, drop, split or copy whole axes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from fractions import Fraction

from .call import Call, Rule, Shape, Unplaced
from .place import Axes, Axis, AxisPlace, moved, window


def transpose(call: Call) -> list[Axes]:
    """Place the output of Transpose."""
    axes = call.input(0)
    order = call.numbers("perm") or tuple(reversed(range(len(axes))))
    if sorted(order) != list(range(len(axes))):
        raise Unplaced(f"perm {order} for {len(axes)} axes")
    return [tuple(axes[i] for i in order)]


def reshape(call: Call) -> list[Axes]:
    """Place the output of Reshape or Flatten.

    An axis that is merged with others loses its place, unless it is the outermost of them and the others
    have none, as in pixel shuffling by Reshape and Transpose. One that is split leaves its place to the
    outermost part.
    """
    before, after = call.known_shape(0), call.known_output_shape()
    if math.prod(before) != math.prod(after) or 0 in before:
        raise Unplaced(f"it makes {after} of {before}")
    placed: list[Axis] = [None] * len(after)
    for old, new in _groups(before, after):
        outer, *inner = old
        if all(call.input(0)[i] is None for i in inner if before[i] > 1):
            placed[new[0]] = _regrouped(call.input(0)[outer], before[outer], after[new[0]])
    return [tuple(placed)]


def _groups(before: Shape, after: Shape) -> Iterator[tuple[list[int], list[int]]]:
    """Yield the shortest runs of axes of equally many elements, before and after; not lone axes of 1."""
    old, new = 0, 0
    while old < len(before) and new < len(after):
        if before[old] != after[new] and 1 in (before[old], after[new]):
            old, new = old + (before[old] == 1), new + (after[new] == 1)
            continue
        first_old, first_new = old, new
        old, new = old + 1, new + 1
        while (surplus := math.prod(before[first_old:old]) - math.prod(after[first_new:new])) != 0:
            old, new = old + (surplus < 0), new + (surplus > 0)
        yield list(range(first_old, old)), list(range(first_new, new))


def _regrouped(axis: Axis, before: int, after: int) -> Axis:
    """Return the place of the outermost axis of a group, given its lengths."""
    ratio = Fraction(before, after)
    if ratio.denominator == 1:
        return moved(axis, window(ratio, 0, ratio - 1))
    if ratio.numerator == 1:
        return moved(axis, window(ratio, ratio - 1, 0))
    return None


def squeeze(call: Call) -> list[Axes]:
    """Place the output of Squeeze."""
    axes = call.input(0)
    given = call.integers("axes", 1)
    if given is None:
        given = tuple(i for i, size in enumerate(call.known_shape(0)) if size == 1)
    dropped = {call.axis(i, len(axes)) for i in given}
    return [tuple(axis for i, axis in enumerate(axes) if i not in dropped)]


def unsqueeze(call: Call) -> list[Axes]:
    """Place the output of Unsqueeze."""
    given = call.integers("axes", 1) or ()
    rank = len(call.input(0)) + len(given)
    new = {call.axis(i, rank) for i in given}
    if len(new) < len(given):
        raise Unplaced(f"axes {given} are not different")
    old = iter(call.input(0))
    return [tuple(None if i in new else next(old) for i in range(rank))]


def split(call: Call) -> list[Axes]:
    """Place the pieces of Split."""
    axes = call.input(0)
    along = call.axis(call.number("axis", 0), len(axes))
    if not isinstance(axes[along], AxisPlace):
        return [axes] * len(call.node.output)
    shapes = [call.output_shape(i) or () for i in range(len(call.node.output) - 1)]
    if any(len(shape) != len(axes) for shape in shapes):
        raise Unplaced("the lengths of its pieces are unknown")
    firsts = itertools.accumulate((shape[along] for shape in shapes), initial=0)
    return [
        (*axes[:along], moved(axes[along], window(1, first, first)), *axes[along + 1 :]) for first in firsts
    ]


def reduce(call: Call) -> list[Axes]:
    """Place what an operator leaves that pools whole axes."""
    axes = call.input(0)
    given = call.integers("axes", 1)
    if not given and call.number("noop_with_empty_axes", 0):
        return [axes]
    chosen = {call.axis(i, len(axes)) for i in given or range(len(axes))}
    return [_pooled(axes, chosen, keep=bool(call.number("keepdims", 1)))]


def choose(call: Call) -> list[Axes]:
    """Place the output of ArgMax or ArgMin."""
    axes = call.input(0)
    chosen = {call.axis(call.number("axis", 0), len(axes))}
    return [_pooled(axes, chosen, keep=bool(call.number("keepdims", 1)))]


def top(call: Call) -> list[Axes]:
    """Place the values and the indices of TopK."""
    axes = call.input(0)
    kept = _pooled(axes, {call.axis(call.number("axis", -1), len(axes))}, keep=True)
    return [kept, kept]


def _pooled(axes: Axes, chosen: set[int], keep: bool) -> Axes:
    return tuple(None if i in chosen else axis for i, axis in enumerate(axes) if keep or i not in chosen)


def gather(call: Call) -> list[Axes]:
    """Place the output of Gather: an axis of the data gives way to those of the indices."""
    data, indices = call.input(0), call.input(1)
    along = call.axis(call.number("axis", 0), len(data))
    shape = call.shape(1)
    if shape is None:
        raise Unplaced(f"the shape of its input {call.node.input[1]!r} is unknown")
    if shape and data[along] is not None:
        raise Unplaced("it picks units along an axis of the picture")
    return [(*data[:along], *(indices or (None,) * len(shape)), *data[along + 1 :])]


def repeat(call: Call) -> list[Axes]:
    """Place the output of Tile or Expand: an axis of size 1 that is repeated loses its place."""
    after = call.known_output_shape()
    if len(after) < len(call.input(0)):
        raise Unplaced(f"it makes {len(after)} axes of {len(call.input(0))}")
    axes = (None,) * (len(after) - len(call.input(0))) + call.input(0)
    before = (1,) * (len(after) - len(call.input(0))) + call.known_shape(0)
    repeated = [
        axis is not None and 1 < size != new for axis, size, new in zip(axes, before, after, strict=True)
    ]
    if any(repeated):
        raise Unplaced("it repeats the picture")
    return [tuple(axis if size == new else None for axis, size, new in zip(axes, before, after, strict=True))]


REDUCING = """
ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
ReduceSumSquare
"""

RULES: dict[str, Rule] = {
    "Transpose": transpose,
    "Reshape": reshape,
    "Flatten": reshape,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Split": split,
    **dict.fromkeys(REDUCING.split(), reduce),
    "ArgMax": choose,
    "ArgMin": choose,
    "TopK": top,
    "Gather": gather,
    "Tile": repeat,
    "Expand": repeat,
}
