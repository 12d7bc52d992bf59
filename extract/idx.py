"""IDX files, plain or by gzip: the form in which MNIST and its successors come."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import one_line, show_shape
from .errors import ImageError
from .files import check_file

# after two zero bytes: the type of the values, which are big-endian
_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"


def read_idx(path: Path) -> NDArray[Any]:
    """Read an IDX file into memory.

    Parameters
    ----------
    path : Path
        The file, packed by gzip or not, whatever its name.

    Returns
    -------
    ndarray
        Of the file's own shape and type, in this machine's byte order.

    Raises
    ------
    ImageError
        If the file is missing, no IDX file, or holds fewer or more values than it says.
    """
    check_file(path, "an IDX file")
    try:
        with path.open("rb") as plain:
            packed = plain.read(2) == _GZIP
        with gzip.open(path) if packed else path.open("rb") as file:
            head = file.read(4)
            if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES or not head[3]:
                raise ImageError(f"{path}: not an IDX file")
            kind = np.dtype(_TYPES[head[2]])
            sizes = file.read(4 * head[3])
            shape = tuple(map(int, np.frombuffer(sizes[: len(sizes) // 4 * 4], ">u4")))
            wanted = math.prod(shape) * kind.itemsize
            # never more than the header declares, whatever gzip would make of it
            data = file.read(wanted) if len(shape) == head[3] else b""
            if len(shape) != head[3] or len(data) < wanted or file.read(1):
                raise ImageError(f"{path}: damaged IDX file: it does not hold the values that it declares")
    except (MemoryError, OverflowError) as error:
        raise ImageError(f"{path}: declares more values than memory holds: {show_shape(shape)}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise ImageError(f"{path}: cannot be read ({one_line(error)})") from error
    values = np.frombuffer(data, kind).reshape(shape)
    return values.astype(kind.newbyteorder("="), copy=False)
