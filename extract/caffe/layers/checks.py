"""Checks of Caffe that several layers share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..call import Blob, Call

# Caffe counts the values of a blob in an int.
_MOST_VALUES = 2**31 - 1


def bottoms(call: Call, least: int, most: float | None = None) -> Sequence[Blob]:
    """Return a layer's bottoms.

    Parameters
    ----------
    call : Call
        The layer.
    least : int
        How many it needs.
    most : int or inf, optional
        How many it may have; as many as it needs unless given.

    Raises
    ------
    ModelError
        If there are fewer or more.
    """
    most = least if most is None else most
    given = len(call.bottoms)
    if not least <= given <= most:
        needed = {least: f"{least}", math.inf: f"{least} or more"}.get(most, f"{least} to {most}")
        raise call.error(f"needs {needed} bottom{'s' * (most != 1)}, not {given}")
    return call.bottoms


def canonical_axis(call: Call, axis: int, blob: Blob) -> int:
    """Return the axis of a blob that a number means, counted from 0; negative ones count from the end.

    Raises
    ------
    ModelError
        If the blob has no such axis.
    """
    if not -blob.rank <= axis < blob.rank:
        raise call.error(f"axis {axis} does not exist: its bottom has {blob.rank} axes")
    return axis % blob.rank


def one_of_two_axes(call: Call, field: Any, old: str, blob: Blob) -> int:
    """Return the axis that a message gives as ``axis``, or by the name that this had once.

    Parameters
    ----------
    call : Call
        The layer.
    field : protobuf message
        Holds both.
    old : str
        The older name.
    blob : Blob
        Whose axis it is.

    Raises
    ------
    ModelError
        If both are given, or the blob has no such axis.
    """
    if not field.HasField(old):
        return canonical_axis(call, field.axis, blob)
    if field.HasField("axis"):
        raise call.error(f"gives both axis and {old}")
    return canonical_axis(call, getattr(field, old), blob)


def refuse_in_place(call: Call) -> None:
    """Raise a ModelError if a layer writes what it reads."""
    if set(call.layer.bottom) & set(call.layer.top):
        raise call.error("cannot work in place")


def blob_shape(call: Call, sizes: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of a blob that the network's description gives.

    Raises
    ------
    ModelError
        If a size is negative, or Caffe could not count the values.
    """
    if min(sizes, default=0) < 0 or math.prod(sizes) > _MOST_VALUES:
        raise call.error(f"no blob can have the shape {'x'.join(map(str, sizes))}")
    return tuple(sizes)
