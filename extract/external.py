"""Weights that lie in files beside or inside a model's own."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import ModelError

if TYPE_CHECKING:
    import onnx


# Elements. Shape inference reads the values of constants up to this size: shapes, axes, scales. So they stay
# in the graph, and larger ones, which it never reads, need not.
SMALL = 1024


def is_external(tensor: onnx.TensorProto) -> bool:
    """Return whether a tensor's values lie in a file."""
    import onnx

    return bool(tensor.data_location == onnx.TensorProto.EXTERNAL)


def size_of(tensor: onnx.TensorProto) -> int | None:
    """Return how many bytes a tensor's values take; None if it is of no type that numpy itself has."""
    if tensor.data_type not in _numpy_types():
        return None
    return math.prod(tensor.dims) * _dtype(tensor).itemsize


def refer(tensor: onnx.TensorProto, file: str, offset: int, length: int) -> None:
    """Say of a tensor that its values lie in a file, `length` bytes from `offset`."""
    import onnx

    tensor.data_location = onnx.TensorProto.EXTERNAL
    del tensor.external_data[:]
    for key, value in (("location", file), ("offset", str(offset)), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)


def entries(tensor: onnx.TensorProto) -> dict[str, str]:
    """Return what a tensor says of its file: location, offset, length."""
    return {entry.key: entry.value for entry in tensor.external_data}


def is_askew(tensor: onnx.TensorProto) -> bool:
    """Return whether a weight's place in its file is no multiple of its type's size.

    onnxruntime would still map it, and read it from odd addresses.
    """
    if not is_external(tensor) or tensor.data_type not in _numpy_types():
        return False
    return int(entries(tensor).get("offset", 0)) % _dtype(tensor).itemsize != 0


def mapped(tensor: onnx.TensorProto, folder: Path) -> np.memmap[Any, Any]:
    """Return an external weight as it lies in its file.

    Raises
    ------
    ModelError
        If the file is gone, or shorter than it was when the model was loaded.
    """
    place = entries(tensor)
    file, offset = folder / place["location"], int(place.get("offset", 0))
    try:
        return np.memmap(file, _dtype(tensor), "r", offset, tuple(tensor.dims))
    except (OSError, ValueError) as error:
        raise _changed(tensor, file) from error


def unmapped(tensor: onnx.TensorProto, folder: Path) -> NDArray[Any]:
    """Return an external weight in memory of its own; raises as `mapped` does."""
    place = entries(tensor)
    file, shape = folder / place["location"], tuple(tensor.dims)
    try:
        values = np.fromfile(file, _dtype(tensor), math.prod(shape), offset=int(place.get("offset", 0)))
        return values.reshape(shape)
    except (OSError, ValueError) as error:
        raise _changed(tensor, file) from error


def _changed(tensor: onnx.TensorProto, file: Path) -> ModelError:
    return ModelError(
        f"{file} no longer holds weight {tensor.name!r}: it has changed since the model was loaded"
    )


def _dtype(tensor: onnx.TensorProto) -> np.dtype[Any]:
    import onnx

    return onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)


@functools.cache
def _numpy_types() -> frozenset[int]:
    import onnx

    kinds = onnx.TensorProto
    return frozenset(
        {
            *(kinds.FLOAT, kinds.DOUBLE, kinds.FLOAT16, kinds.INT8, kinds.INT16, kinds.INT32, kinds.INT64),
            *(kinds.UINT8, kinds.UINT16, kinds.UINT32, kinds.UINT64),
        }
    )
