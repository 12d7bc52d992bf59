"""The shapes of a network's inputs: what its file tells, what a user gives, and what weights tell."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from converters.errors import CnnVisWarning

from ..errors import ModelError
from .net import NetInput, NetLayer
from .readings import Reading, reading_of
from .sources import PartialShape, Source
from .stored import StoredWeights

Sizes = Mapping[str, Sequence[int]] | Sequence[int] | None

_AXES = ("batch", "channels", "height", "width")
# Caffe counts the values of a blob in an int.
_MOST_VALUES = 2**31 - 1


def inputs_of(
    sources: Iterable[Source],
    dropped: set[str],
    sizes: Sizes,
    path: Path,
    layers: Sequence[NetLayer] = (),
    stored: StoredWeights | None = None,
) -> tuple[NetInput, ...]:
    """Return the inputs that sources make, with full shapes.

    Parameters
    ----------
    sources : iterable of Source
        What feeds the network.
    dropped : set of str
        Blobs that are no inputs, such as labels.
    sizes : mapping of str to sequence of int, or sequence of int, optional
        Sizes by blob, or of the first input; each replaces the last axes of a shape, or all. Where the file
        does not tell how many axes there are, height and width, or channels and these, make a single picture
        if layers read one.
    path : Path
        Where the network is from, for messages.
    layers : sequence of NetLayer, optional
        What reads the inputs.
    stored : StoredWeights, optional
        The weights, which tell numbers of channels and values.

    Returns
    -------
    tuple of NetInput
        The inputs, in the order of the sources.

    Raises
    ------
    ModelError
        If an extent is not known or not possible, or a size is for none of the inputs.
    """
    found = [
        (blob, shape, source)
        for source in sources
        for blob, shape in zip(source.blobs, source.shapes, strict=True)
        if blob not in dropped
    ]
    blobs = [blob for blob, _, _ in found]
    named = isinstance(sizes, Mapping)
    given = sizes if isinstance(sizes, Mapping) else {blobs[0]: sizes} if sizes and blobs else {}
    for blob in given:
        if blob not in blobs:
            raise ModelError(f"{path}: has no input {blob!r}; it has {', '.join(map(repr, blobs)) or 'none'}")
    result = []
    for i, (blob, told, source) in enumerate(found):
        size, where = given.get(blob, ()), f"{path}: {source.where}"
        shape = told if told is None else _resized(told, size)
        if not named and len(size) == 2 and len(told or _AXES) < 4:
            raise ModelError(f"{path}: input {blob!r} has no height and width")
        if shape is None or None in shape:
            reading = reading_of(blob, layers, stored)
            shape = _sized(size, reading, named=named) if shape is None else shape
            shape = _with_channels(blob, shape, reading, where)
        result.append(NetInput(blob, _full(blob, shape, size, where, _hint(source, told, first=i == 0))))
    return tuple(result)


def _resized(shape: tuple[int | None, ...], size: Sequence[int]) -> PartialShape:
    """Return a shape with a size in place of its last axes, or of all."""
    return (*shape[: max(len(shape) - len(size), 0)], *size)


def _sized(size: Sequence[int], reading: Reading, *, named: bool) -> PartialShape:
    """Return the shape of an input of which the file tells nothing, None if nothing else does."""
    count, values = math.prod(size), reading.values
    if not size:
        return None if values is None else (1, values)
    if reading.is_picture and len(size) in (2, 3):
        return (1, *[None] * (3 - len(size)), *size)
    if len(size) == 2 and values and count and values % count == 0 and size[1] != values:
        return (1, values // count, *size)
    if len(size) == 3 and count == values:
        return (1, *size)
    # two numbers that nothing explains may be height and width, or all of a shape
    return tuple(size) if named or values is not None or len(size) != 2 else None


def _with_channels(blob: str, shape: PartialShape, reading: Reading, where: str) -> PartialShape:
    """Return a shape with the number of channels, if that is what is missing."""
    if shape is None or len(shape) != 4 or shape[1] is not None:
        return shape
    batch, _, height, width = shape
    channels = reading.channels
    if channels is None and height is not None and width is not None:
        pixels = height * width
        if reading.values and pixels and reading.values % pixels == 0:
            channels = reading.values // pixels
        else:
            warnings.warn(
                f"{where} does not tell how many channels {blob!r} has; taken as 3",
                CnnVisWarning,
                stacklevel=2,
            )
            channels = 3
    return (batch, channels, height, width)


def _hint(source: Source, told: PartialShape, *, first: bool) -> str:
    """Say how to give what is missing of a shape."""
    if not first:
        return "give it in the file, by input_shape or an Input layer"
    if told is None:
        return "give it: --size HxW or CxHxW of a picture, 1xCxHxW, or 1xNx1x1 for N plain values"
    return "take the network's deploy.prototxt, or give the height and width: --size HxW"


def _full(blob: str, shape: PartialShape, size: Sequence[int], where: str, hint: str) -> tuple[int, ...]:
    """Return a shape of which all is known, or raise a ModelError."""
    known = tuple(extent for extent in shape or () if extent is not None)
    if shape is None or len(known) < len(shape):
        # channels that nothing tells are taken as 3
        axes = zip(_AXES, shape or (), strict=False)
        unknown = [axis for axis, extent in axes if extent is None and axis != "channels"]
        what = f"does not tell the {' and '.join(unknown) or 'shape'} of input {blob!r}"
        if size:
            what += f", and {'x'.join(map(str, size))} may be a height and width, or not"
        raise ModelError(f"{where} {what}; {hint}")
    if any(extent < 1 for extent in known) or math.prod(known) > _MOST_VALUES:
        raise ModelError(f"{where}: input {blob!r} cannot have the shape {'x'.join(map(str, known))}")
    return known
