"""Parsing an ONNX file without its large weights: they stay where they lie in the file."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from . import wire
from .external import SMALL, refer, size_of

if TYPE_CHECKING:
    import onnx

# Field numbers of onnx.proto.
_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9


def parse(path: Path) -> onnx.ModelProto:
    """Parse an ONNX file; its large weights become external data that lie in the file itself.

    Parameters
    ----------
    path : Path
        A file of protobuf's binary form, whose name is UTF-8: the weights' place is written by that name.

    Raises
    ------
    WireError, DecodeError
        If it is not of that form.
    """
    import onnx

    if not path.stat().st_size:
        return onnx.ModelProto()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
        return onnx.ModelProto.FromString(b"".join(_model(buffer, path.name)))


def _model(buffer: mmap.mmap, name: str) -> Iterator[bytes]:
    for field, span in _spans(buffer, 0, len(buffer)):
        if (field.number, field.kind) == (_GRAPH, wire.BYTES):
            yield _message(_GRAPH, b"".join(_graph(buffer, field, name)))
        else:
            yield buffer[span]


def _graph(buffer: mmap.mmap, graph: wire.Field, name: str) -> Iterator[bytes]:
    for field, span in _spans(buffer, graph.start, graph.end):
        # no element takes less than a byte
        large = (field.number, field.kind) == (_INITIALIZER, wire.BYTES) and field.end - field.start > SMALL
        tensor = _lean(buffer, field, name) if large else None
        yield buffer[span] if tensor is None else _message(_INITIALIZER, tensor.SerializeToString())


def _lean(buffer: mmap.mmap, field: wire.Field, name: str) -> onnx.TensorProto | None:
    """Return a weight that refers to its bytes; None where they are not one plain array."""
    import onnx

    rest, raw = [], []
    for inner, span in _spans(buffer, field.start, field.end):
        if (inner.number, inner.kind) == (_RAW_DATA, wire.BYTES):
            raw.append(inner)
        else:
            rest.append(buffer[span])
    tensor = onnx.TensorProto.FromString(b"".join(rest))
    size = size_of(tensor)
    plain = len(raw) == 1 and not tensor.external_data and size == raw[0].end - raw[0].start
    if not plain or math.prod(tensor.dims) <= SMALL:
        return None
    refer(tensor, name, raw[0].start, raw[0].end - raw[0].start)
    return tensor


def _spans(buffer: mmap.mmap, start: int, end: int) -> Iterator[tuple[wire.Field, slice]]:
    """Yield the fields of a message, each with all its bytes: tag, length and, of a group, closing tag."""
    found = list(wire.fields(buffer, start, end))
    stops = [field.begin for field in found[1:]] + [end]
    for field, stop in zip(found, stops, strict=False):
        yield field, slice(field.begin, stop)


def _message(number: int, value: bytes) -> bytes:
    return wire.varint(number << 3 | wire.BYTES) + wire.varint(len(value)) + value
