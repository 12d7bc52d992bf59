"""Weights that lie in files beside or inside a model's own."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx


def is_external(tensor: onnx.TensorProto) -> bool:
    """Return whether a tensor's values lie in a file."""
    import onnx

    return bool(tensor.data_location == onnx.TensorProto.EXTERNAL)


def size_of(tensor: onnx.TensorProto) -> int | None:
    """Return how many bytes a tensor's values take; None if it is of no type that numpy itself has."""
    import onnx

    if tensor.data_type not in _numpy_types():
        return None
    return math.prod(tensor.dims) * int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)


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
    import onnx

    if not is_external(tensor) or tensor.data_type not in _numpy_types():
        return False
    size = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    return int(entries(tensor).get("offset", 0)) % size != 0


def mapped(tensor: onnx.TensorProto, folder: Path) -> np.memmap[Any, Any]:
    """Return an external weight as it lies in its file."""
    import onnx

    place = entries(tensor)
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    return np.memmap(folder / place["location"], dtype, "r", int(place.get("offset", 0)), tuple(tensor.dims))


def unmapped(tensor: onnx.TensorProto, folder: Path) -> NDArray[Any]:
    """Return an external weight in memory of its own."""
    source = mapped(tensor, folder)
    with (folder / entries(tensor)["location"]).open("rb") as file:
        return np.fromfile(file, source.dtype, source.size, offset=source.offset).reshape(source.shape)


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
