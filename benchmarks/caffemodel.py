"""Writing .caffemodel files of any size, for measurements."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extract.wire import BYTES, varint

# Field numbers of caffe.proto.
_NET_LAYER = 100
_LAYER_NAME, _LAYER_BLOBS = 1, 7
_BLOB_DATA, _BLOB_SHAPE = 5, 7
_SHAPE_DIM = 1


def write_caffemodel(path: Path, layers: Iterable[tuple[str, Iterable[NDArray[Any]]]]) -> None:
    """Write weights as Caffe does, layer by layer, without a copy of all in memory.

    Parameters
    ----------
    path : Path
        The file.
    layers : iterable of (str, iterable of ndarray)
        Each layer's name and parameters; they are stored as float32.
    """
    with path.open("wb") as file:
        for name, parameters in layers:
            blobs = [_field(_LAYER_BLOBS, *_blob(np.asarray(values, "<f4"))) for values in parameters]
            parts = [*_field(_LAYER_NAME, name.encode()), *(part for blob in blobs for part in blob)]
            file.writelines(_field(_NET_LAYER, *parts))


def _blob(values: NDArray[np.float32]) -> list[bytes | memoryview]:
    sizes = b"".join(varint(size) for size in values.shape)
    data = np.ascontiguousarray(values).reshape(-1).view(np.uint8).data
    return [*_field(_BLOB_SHAPE, *_field(_SHAPE_DIM, sizes)), *_field(_BLOB_DATA, data)]


def _field(number: int, *parts: bytes | memoryview) -> list[bytes | memoryview]:
    """Return the pieces of a field that has the given pieces for its value."""
    return [varint(number << 3 | BYTES), varint(sum(map(len, parts))), *parts]
