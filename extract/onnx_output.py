"""Writing ONNX files weight by weight: never more than one of them is in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from . import wire
from .errors import ModelError
from .external import SMALL, entries, is_external, refer
from .graph import graphs

if TYPE_CHECKING:
    import onnx

# Bytes. Protobuf holds no message of 2 GB, and beside the weights there must be room for the graph.
LARGEST = 2**31 - 2**26
# Bytes. ONNX's documentation of external data recommends it, so that operating systems can map each weight.
_ALIGNMENT = 4096
# Bytes copied at a time.
_PIECE = 2**20
# Field numbers of onnx.proto.
_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9


def data_path(path: Path) -> Path:
    """Return the file that holds the weights of an ONNX file where they are too large for it."""
    return path.with_name(path.name + ".data")


def stored_weight(name: str, value: NDArray[Any], data: BinaryIO, location: str) -> onnx.TensorProto:
    """Return a weight; the values of a large one are appended to a file, and it refers to them.

    Parameters
    ----------
    name : str
        The tensor's name.
    value : ndarray
        Its values; of any type that ONNX has.
    data : binary file
        Where large ones go.
    location : str
        The name of that file.
    """
    import onnx

    if value.size <= SMALL or value.dtype.hasobject:
        return onnx.numpy_helper.from_array(np.asarray(value), name)
    kind = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
    tensor = onnx.TensorProto(name=name, data_type=kind, dims=value.shape)
    data.write(bytes(-data.tell() % _ALIGNMENT))
    begin = data.tell()
    data.write(_raw(value))
    refer(tensor, location, begin, data.tell() - begin)
    return tensor


def finish(proto: onnx.ModelProto, path: Path) -> None:
    """Check a model and write it; its weights lie in `data_path` and stay there only if they are too large.

    Parameters
    ----------
    proto : onnx.ModelProto
        The model, whose large weights `stored_weight` has made.
    path : Path
        The file.

    Raises
    ------
    ModelError
        If ONNX's checker finds fault with it. It sees all of the model but the values of large weights.
    """
    import onnx

    data = data_path(path)
    path.write_bytes(proto.SerializeToString())
    try:
        onnx.checker.check_model(path, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelError(f"ONNX's checker refuses it: {' '.join(str(error).split())}") from error
    if proto.ByteSize() + data.stat().st_size <= LARGEST:
        with data.open("rb") as source, path.open("wb") as target:
            _write_whole(proto, source, target)
        data.unlink()


def _raw(value: NDArray[Any]) -> memoryview | bytes:
    """Return values as ONNX stores them: little-endian, and packed where several share a byte."""
    import onnx

    if value.dtype.kind in "fiu":
        return value.astype(value.dtype.newbyteorder("<"), order="C", copy=False).data
    return bytes(onnx.numpy_helper.from_array(value).raw_data)


def _write_whole(proto: onnx.ModelProto, source: BinaryIO, target: BinaryIO) -> None:
    """Write a model with all its weights inside, those of its graph copied piece by piece."""
    import onnx

    weights = [tensor for tensor in proto.graph.initializer if is_external(tensor)]
    rest = onnx.ModelProto()
    rest.CopyFrom(proto)
    graph = rest.graph
    del graph.initializer[:]
    graph.initializer.extend(tensor for tensor in proto.graph.initializer if not is_external(tensor))
    for tensor in inner_tensors(graph):
        if is_external(tensor):
            _take_in(tensor, source)
    lead = graph.SerializeToString()
    rest.ClearField("graph")
    heads = [_head(tensor) for tensor in weights]
    sizes = [len(head) + _length(tensor) for head, tensor in zip(heads, weights, strict=True)]
    target.write(rest.SerializeToString())
    target.write(_tag(_GRAPH, len(lead) + sum(len(_tag(_INITIALIZER, size)) + size for size in sizes)) + lead)
    for tensor, head, size in zip(weights, heads, sizes, strict=True):
        target.write(_tag(_INITIALIZER, size) + head)
        source.seek(int(entries(tensor)["offset"]))
        left = _length(tensor)
        while piece := source.read(min(left, _PIECE)):
            target.write(piece)
            left -= len(piece)


def inner_tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Yield the weights of all graphs inside a graph's nodes, and the parts of sparse ones."""
    _, *inner = graphs(graph)
    for one in inner:
        yield from one.initializer
        for sparse in one.sparse_initializer:
            yield from (sparse.values, sparse.indices)


def _take_in(tensor: onnx.TensorProto, source: BinaryIO) -> None:
    """Put a weight's bytes into itself."""
    source.seek(int(entries(tensor)["offset"]))
    tensor.raw_data = source.read(_length(tensor))
    tensor.ClearField("data_location")
    del tensor.external_data[:]


def _head(tensor: onnx.TensorProto) -> bytes:
    """Return all of a weight's message that comes before its bytes."""
    import onnx

    plain = onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    return plain.SerializeToString() + _tag(_RAW_DATA, _length(tensor))


def _length(tensor: onnx.TensorProto) -> int:
    return int(entries(tensor)["length"])


def _tag(number: int, size: int) -> bytes:
    """Return what stands before the bytes of a field."""
    return wire.varint(number << 3 | wire.BYTES) + wire.varint(size)
