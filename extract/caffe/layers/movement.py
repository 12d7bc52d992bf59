"""Layers that put whole values elsewhere: together, apart, again, or by index."""

from __future__ import annotations

import itertools
import math

import numpy as np

from ..call import Blob, Call
from ..rules import rule
from .checks import bottoms, canonical_axis, one_of_two_axes, refuse_in_place


@rule("Concat")
def concat(call: Call) -> list[Blob]:
    """Return the bottoms one behind the other along an axis."""
    given = bottoms(call, 1, math.inf)
    first = given[0]
    axis = one_of_two_axes(call, call.layer.concat_param, "concat_dim", first)
    for other in given[1:]:
        if _without(other.shape, axis) != _without(first.shape, axis) or other.rank != first.rank:
            raise call.error(
                f"its bottoms {first.shape} and {other.shape} differ in more than the size of axis {axis}"
            )
    if len(given) == 1:
        return [first]
    y = call.node("Concat", [x.tensor for x in given], axis=axis)
    return [Blob(y, _resized(first.shape, axis, sum(x.shape[axis] for x in given)))]


@rule("Slice")
def slice_(call: Call) -> list[Blob]:
    """Return the parts of a blob along an axis: equal ones, or between given points."""
    (x,) = bottoms(call, 1)
    param = call.layer.slice_param
    axis = one_of_two_axes(call, param, "slice_dim", x)
    points = list(param.slice_point)
    sizes = _between(call, points, x.shape[axis]) if points else _equal(call, x.shape[axis])
    if len(sizes) == 1:
        return [x]
    inputs = [x.tensor, call.constant(sizes, np.int64)] if points else [x.tensor]
    parts = call.many("Split", inputs, call.tops, axis=axis)
    return [Blob(part, _resized(x.shape, axis, size)) for part, size in zip(parts, sizes, strict=True)]


@rule("Split")
def split(call: Call) -> list[Blob]:
    """Return the same value several times."""
    (x,) = bottoms(call, 1)
    refuse_in_place(call)
    return [x] * call.tops


@rule("Silence")
def silence(call: Call) -> list[Blob]:
    """Return nothing: the layer only keeps its bottoms from being outputs."""
    bottoms(call, 1, math.inf)
    return []


@rule("Tile")
def tile(call: Call) -> list[Blob]:
    """Return the values several times, one behind the other along an axis."""
    (x,) = bottoms(call, 1)
    param = call.layer.tile_param
    axis = canonical_axis(call, param.axis, x)
    if param.tiles < 1:
        raise call.error("needs its number of tiles, 1 or more")
    repeats = _resized((1,) * x.rank, axis, param.tiles)
    y = call.node("Tile", [x.tensor, call.constant(repeats, np.int64)])
    return [Blob(y, _resized(x.shape, axis, x.shape[axis] * param.tiles))]


@rule("BatchReindex")
def batch_reindex(call: Call) -> list[Blob]:
    """Return items of the first bottom's batch, chosen by the numbers that the second one holds."""
    x, chosen = bottoms(call, 2)
    if chosen.rank != 1 or not x.rank:
        raise call.error(f"cannot choose items of {x.shape} by {chosen.shape}: needs one axis of numbers")
    call.mixes_images(x)
    index = call.node("Cast", [chosen.tensor], to=_int64())
    return [Blob(call.node("Gather", [x.tensor, index], axis=0), chosen.shape + x.shape[1:])]


@rule("Filter")
def filter_(call: Call) -> list[Blob]:
    """Return the items of each bottom's batch for which the last bottom is not 0.

    How many these are is known only when the network runs. As Caffe does on loading, layers behind count with
    all of them.
    """
    *given, selector = bottoms(call, 2, math.inf)
    if any(x.shape[:1] != selector.shape[:1] for x in given) or set(selector.shape[1:]) - {1}:
        raise call.error("needs one value for each item of its bottoms' batch in the last one")
    call.mixes_images(selector)
    values = call.node("Reshape", [selector.tensor, call.constant([-1], np.int64)])
    places = call.node("NonZero", [values])
    index = call.node("Reshape", [places, call.constant([-1], np.int64)])
    return [Blob(call.node("Gather", [x.tensor, index], axis=0), x.shape) for x in given]


@rule("ShuffleChannel")
def shuffle_channel(call: Call) -> list[Blob]:
    """Return the channels in another order: the first of each group, then the second of each, ..."""
    (x,) = bottoms(call, 1)
    groups = call.layer.shuffle_channel_param.group
    if x.rank < 2 or groups < 1 or x.shape[1] % groups:
        raise call.error(f"cannot part the channels of its bottom, {x.shape}, into {groups} groups")
    size = x.shape[1] // groups
    apart = call.node("Reshape", [x.tensor, call.constant([0, groups, size, -1], np.int64)])
    turned = call.node("Transpose", [apart], perm=[0, 2, 1, 3])
    y = call.node("Reshape", [turned, call.constant([0, *x.shape[1:]], np.int64)])
    return [Blob(y, x.shape)]


def _equal(call: Call, size: int) -> list[int]:
    """Return the sizes of as many equal parts as there are tops."""
    if not call.tops or size % call.tops:
        raise call.error(f"cannot part {size} into {call.tops} equal parts")
    return [size // call.tops] * call.tops


def _between(call: Call, points: list[int], size: int) -> list[int]:
    """Return the sizes of the parts between points."""
    if len(points) != call.tops - 1:
        raise call.error(f"has {len(points)} slice points for {call.tops} tops: needs one less than tops")
    sizes = [end - start for start, end in itertools.pairwise([0, *points, size])]
    if min(sizes) < 1:
        raise call.error(f"its slice points {points} must rise, inside an axis of size {size}")
    return sizes


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]


def _resized(shape: tuple[int, ...], axis: int, size: int) -> tuple[int, ...]:
    return (*shape[:axis], size, *shape[axis + 1 :])


def _int64() -> int:
    import onnx

    return int(onnx.TensorProto.INT64)
