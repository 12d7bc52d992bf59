"""What the formats share when they read files that may be damaged or lie."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import CnnVisError, VolumeError

# deflate makes data at most 1032 times smaller; other methods pass it, but hardly for data above the floor
MAX_RATIO = 1100
FLOOR = 64 * 2**20


def raw(stored: NDArray[Any]) -> memoryview:
    """Return the bytes of an array as raw files have them: little-endian, last axis fastest."""
    little = stored.astype(stored.dtype.newbyteorder("<"), copy=False)
    return np.ascontiguousarray(little).data.cast("B")


def check_size(declared: int, available: int) -> None:
    """Raise VolumeError if a header declares more bytes of data than the file holds."""
    if declared > available:
        raise VolumeError(f"the header declares {declared} bytes of data, the file holds {available}")


def check_compressed(declared: int, compressed: int) -> None:
    """Raise VolumeError if so many bytes of data cannot come out of so few compressed ones."""
    if declared > max(FLOOR, MAX_RATIO * compressed):
        raise VolumeError(
            f"the header declares {declared} bytes of data, too many for {compressed} compressed bytes"
        )


def inflate(decompressor: Any, packed: bytes, limit: int) -> bytes:
    """Return decompressed data, never more than `limit` bytes.

    Parameters
    ----------
    decompressor
        A fresh decompressor of `zlib`, `bz2` or `lzma`.
    packed : bytes
        All of the compressed data.
    limit : int
        How many bytes there may be.

    Raises
    ------
    VolumeError
        If there are more, or the compressed data are cut.
    """
    data: bytes = decompressor.decompress(packed, limit + 1)
    if len(data) > limit:
        raise VolumeError("its compressed data hold more than the header declares")
    if not decompressor.eof:
        raise VolumeError("its compressed data end too early")
    return data


def beside(path: Path, name: str) -> Path:
    """Return the data file that a header names.

    Parameters
    ----------
    path : Path
        The header.
    name : str
        What the header says: a path relative to it.

    Raises
    ------
    VolumeError
        If the file is missing or does not lie in the header's folder or below it.
    """
    folder = path.parent.resolve()
    file = (folder / name).resolve()
    if not file.is_relative_to(folder):
        raise VolumeError(f"its data file {name} lies outside the header's folder")
    if not file.is_file():
        raise VolumeError(f"its data file {name} is missing")
    return file


@contextlib.contextmanager
def guarded(kind: str) -> Iterator[None]:
    """Turn whatever a library raises over a damaged file into a VolumeError of one line.

    Parameters
    ----------
    kind : str
        What the file should be, for the message: "NRRD".
    """
    try:
        yield
    except (CnnVisError, MemoryError):
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise VolumeError(f"not a readable {kind} file ({lines[-1].strip()})") from error
