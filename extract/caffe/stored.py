"""Blobs as a file of weights holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..weight import Weight


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
    """

    weight: Weight
    offset: int | None = None


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
