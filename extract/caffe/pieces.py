"""Blobs whose values lie in one or more pieces of a file: checked at once, read when they are needed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..weight import Weight
from .stored import Piece, StoredBlob

Shape = tuple[int, ...]

FLOAT = np.dtype("<f4")
# Caffe's own limits.
_MOST_AXES = 32
_MOST_VALUES = 2**31 - 1


def stored_blob(path: Path, shape: Shape, pieces: Sequence[Piece], where: str) -> StoredBlob:
    """Return a blob of a file, to be read as float32.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        The blob's shape, as the file gives it.
    pieces : sequence of Piece
        Where its values lie.
    where : str
        What a message begins with: the file, and whose blob it is.

    Raises
    ------
    ModelError
        If the shape is one that no blob can have, or the values are not as many as it needs.
    """
    check_shape(shape, where)
    needed, held = math.prod(shape), sum(piece.count for piece in pieces)
    if held != needed:
        raise ModelError(f"{where}holds {held} values where its shape {shape} needs {needed}")
    plain = len(pieces) == 1 and pieces[0].dtype == FLOAT
    weight = Weight(shape, partial(_read, path, shape, tuple(pieces)))
    return StoredBlob(weight, pieces[0].offset if plain else None, tuple(pieces))


def check_shape(shape: Shape, where: str) -> None:
    """Raise a ModelError for a shape that no blob of Caffe can have.

    Parameters
    ----------
    shape : tuple of int
        The shape, as a file gives it.
    where : str
        What the message begins with: the file, and whose blob it is.
    """
    if len(shape) > _MOST_AXES:
        raise ModelError(f"{where}has {len(shape)} axes; Caffe allows {_MOST_AXES}")
    if min(shape, default=0) < 0 or math.prod(max(size, 1) for size in shape) > _MOST_VALUES:
        raise ModelError(f"{where}has the impossible shape {shape}")


def _read(path: Path, shape: Shape, pieces: Iterable[Piece]) -> NDArray[np.float32]:
    try:
        with path.open("rb") as file:
            values = [_read_piece(file, piece) for piece in pieces]
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    if sum(map(len, values)) != math.prod(shape):
        raise ModelError(f"{path}: has become shorter since it was opened")
    joined = values[0] if len(values) == 1 else np.concatenate([np.empty(0, np.float32), *values])
    return joined.reshape(shape)


def _read_piece(file: BinaryIO, piece: Piece) -> NDArray[np.float32]:
    file.seek(piece.offset)
    values = np.fromfile(file, piece.dtype, piece.count)
    # A double may be beyond float32; it becomes infinite, as in Caffe.
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(values["value"] if piece.dtype.names else values, np.float32)
