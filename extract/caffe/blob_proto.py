"""BlobProto: where a blob's shape and values lie in a file, found without reading the values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from .. import wire
from ..errors import ModelError
from . import pieces
from .stored import Piece, StoredBlob

# Field numbers of BlobProto; raw_data and its type are NVCaffe's.
_LEGACY_AXES = (1, 2, 3, 4)
_DATA, _SHAPE, _DOUBLE_DATA, _RAW_TYPE, _RAW_DATA = 5, 7, 8, 10, 12
# Field number of BlobShape.
_DIM = 1
_DATA_TYPES: Mapping[int, np.dtype] = {_DATA: pieces.FLOAT, _DOUBLE_DATA: np.dtype("<f8")}
# By the values of NVCaffe's enumeration Type.
_RAW_TYPES: Mapping[int, np.dtype] = {0: np.dtype("<f8"), 1: pieces.FLOAT, 2: np.dtype("<f2")}
# More axes than any blob has: a damaged file may claim millions.
_MANY_AXES = 100


@dataclass
class _Draft:
    """What is known of a blob so far."""

    legacy: dict[int, int] = field(default_factory=dict)
    dims: list[int] = field(default_factory=list)
    pieces: dict[int, list[Piece]] = field(default_factory=dict)
    raw: wire.Field | None = None
    raw_type: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape: as in Caffe, the four old numbers count before the newer list."""
        if self.legacy:
            return tuple(self.legacy.get(axis, 0) for axis in _LEGACY_AXES)
        return tuple(self.dims)


def read_blob_proto(path: Path, buffer: wire.Buffer, start: int, end: int, owner: str = "") -> StoredBlob:
    """Find a blob's shape and values.

    Parameters
    ----------
    path : Path
        The file, from which the values are read when they are needed.
    buffer : bytes-like or memory map
        All of the file.
    start, end : int
        Where the BlobProto lies in it.
    owner : str
        Whose blob it is, for messages: ``"layer 'conv1', blob 0: "``.

    Raises
    ------
    ModelError
        If the shape is one that no blob can have, or the values are not as many as it needs.
    wire.WireError
        If the message is damaged.
    """
    draft, where = _Draft(), f"{path}: {owner}"
    for item in wire.fields(buffer, start, end):
        if add := _ADD.get((item.number, item.kind)):
            add(draft, buffer, item)
    return pieces.stored_blob(path, draft.shape, _values(draft, where), where)


def _values(draft: _Draft, where: str) -> list[Piece]:
    """Return where the values lie: as in Caffe, doubles count before floats."""
    found = draft.pieces.get(_DOUBLE_DATA) or draft.pieces.get(_DATA) or []
    if found or draft.raw is None:
        return found
    if draft.raw_type not in _RAW_TYPES:
        raise ModelError(
            f"{where}its raw data are of type {draft.raw_type}, which is not one of {[*_RAW_TYPES]}"
        )
    return [_packed(draft.raw, _RAW_TYPES[draft.raw_type])]


def _add_legacy_axis(draft: _Draft, buffer: wire.Buffer, item: wire.Field) -> None:
    draft.legacy[item.number] = wire.signed(item.value, 32)


def _add_shape(draft: _Draft, buffer: wire.Buffer, item: wire.Field) -> None:
    """Add the axes of a BlobShape: protobuf joins several."""
    for dim in wire.fields(buffer, item.start, item.end):
        if dim.number == _DIM and dim.kind == wire.VARINT:
            draft.dims.append(wire.signed(dim.value))
        elif dim.number == _DIM and dim.kind == wire.BYTES:
            sizes = islice(wire.varints(buffer, dim.start, dim.end), _MANY_AXES + 1)
            draft.dims += map(wire.signed, sizes)
        if len(draft.dims) > _MANY_AXES:
            raise wire.WireError(f"the shape at byte {item.start} has more than {_MANY_AXES} axes")


def _add_packed(draft: _Draft, buffer: wire.Buffer, item: wire.Field) -> None:
    if item.end > item.start:
        draft.pieces.setdefault(item.number, []).append(_packed(item, _DATA_TYPES[item.number]))


def _add_tagged(draft: _Draft, buffer: wire.Buffer, item: wire.Field) -> None:
    """Add values with a tag before each, which is read with them; a tag of other length stands alone."""
    dtype = _DATA_TYPES[item.number]
    piece = Piece(item.start, 1, dtype)
    if item.start == item.begin + 1:
        tagged = np.dtype([("tag", "u1"), ("value", dtype)])
        piece = Piece(item.begin, (item.end - item.begin) // tagged.itemsize, tagged)
    draft.pieces.setdefault(item.number, []).append(piece)


def _add_raw(draft: _Draft, buffer: wire.Buffer, item: wire.Field) -> None:
    draft.raw = item


def _add_raw_type(draft: _Draft, buffer: wire.Buffer, item: wire.Field) -> None:
    draft.raw_type = item.value


def _packed(item: wire.Field, dtype: np.dtype) -> Piece:
    size = item.end - item.start
    if size % dtype.itemsize:
        raise wire.WireError(f"the {size} bytes at byte {item.start} are no whole number of values")
    return Piece(item.start, size // dtype.itemsize, dtype)


_ADD: Mapping[tuple[int, int], Callable[[_Draft, wire.Buffer, wire.Field], None]] = {
    **{(axis, wire.VARINT): _add_legacy_axis for axis in _LEGACY_AXES},
    (_SHAPE, wire.BYTES): _add_shape,
    (_DATA, wire.BYTES): _add_packed,
    (_DATA, wire.FIXED32): _add_tagged,
    (_DOUBLE_DATA, wire.BYTES): _add_packed,
    (_DOUBLE_DATA, wire.FIXED64): _add_tagged,
    (_RAW_TYPE, wire.VARINT): _add_raw_type,
    (_RAW_DATA, wire.BYTES): _add_raw,
}
