"""Blobs as a file of weights holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..weight import Weight


@dataclass(frozen=True)
class Piece:
    """Numbers that lie one behind the other.

    Parameters
    ----------
    offset : int
        Where they begin in the file, in bytes.
    count : int
        How many there are.
    dtype : np.dtype
        Their type. If it has fields, the one called ``value`` is the number.
    """

    offset: int
    count: int
    dtype: np.dtype


@dataclass(frozen=True)
class StoredBlob:
    """A parameter in a file of weights.

    Parameters
    ----------
    weight : Weight
        Its shape, as the file gives it, and its values.
    offset : int, optional
        Where its values lie in the file, in bytes, if they lie there as float32, little-endian and in one
        piece.
    pieces : tuple of Piece
        Where its values lie in the file, of any type; empty if they lie there in another form.
    """

    weight: Weight
    offset: int | None = None
    pieces: tuple[Piece, ...] = ()


@dataclass(frozen=True)
class StoredWeights:
    """A file of weights.

    Parameters
    ----------
    path : Path
        The file.
    layers : mapping of str to tuple of StoredBlob or None
        The blobs of each layer that has any, by the layer's name. None stands where the file leaves one out
        that another layer shares.
    """

    path: Path
    layers: Mapping[str, tuple[StoredBlob | None, ...]]
