"""Files of weights: .caffemodel of every generation, walked in place, and .binaryproto."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import wire
from ..errors import ModelError
from ..files import check_file
from .blob_proto import read_blob_proto
from .content import BLOB, CAFFEMODEL, is_hdf5, looks_like
from .hdf5_weights import read_hdf5_weights
from .schema import message
from .stored import StoredBlob, StoredWeights

_LAYER, _LAYERS = 100, 2


@dataclass(frozen=True)
class _Form:
    """Field numbers of a generation of layers; one layer can lie in another, of an older generation."""

    name: int
    blobs: int
    inner: dict[int, _Form]


_V0 = _Form(name=1, blobs=50, inner={})
_V1 = _Form(name=4, blobs=6, inner={1: _V0})
_V2 = _Form(name=1, blobs=7, inner={})
_NET = {_LAYER: _V2, _LAYERS: _V1}


@dataclass(frozen=True)
class _Entry:
    """A layer in the file: its name, and where its blobs lie."""

    name: str
    blobs: tuple[wire.Field, ...]


def read_weights(path: Path) -> StoredWeights:
    """Find the weights in a .caffemodel or in HDF5; they are read when they are needed.

    Parameters
    ----------
    path : Path
        The file. Its content shows which of the two it is.

    Returns
    -------
    StoredWeights
        The blobs of each layer that has any. Of layers of the same name the last counts, as in Caffe.

    Raises
    ------
    ModelError
        If the file is no file of weights, or damaged, or a blob's values do not fit its shape.
    """
    buffer = _mapped(path, "a file of weights")
    if is_hdf5(buffer):
        return read_hdf5_weights(path)
    try:
        entries = _entries(path, buffer)
        layers = {entry.name: _blobs(path, buffer, entry) for entry in entries if entry.blobs}
    except wire.WireError as error:
        raise _mistaken(path, buffer, CAFFEMODEL, f"damaged or cut off: {error}") from error
    if not layers:
        reason = "none of its layers has weights" if entries else "it holds no layers"
        raise _mistaken(path, buffer, CAFFEMODEL, reason)
    return StoredWeights(path, layers)


def carried_net(path: Path) -> Any:
    """Return the network that a .caffemodel describes beside its weights.

    Caffe writes the phase in which it saved a network into every layer that has none of its own; it is left
    out, since it is none that the network asks for.

    Parameters
    ----------
    path : Path
        The file of weights.

    Returns
    -------
    NetParameter
        Without blobs, in the form that the file has, with unknown fields in it.

    Raises
    ------
    ModelError
        If the file is no caffemodel, or damaged, or holds only weights.
    """
    from google.protobuf.message import DecodeError

    buffer = _mapped(path, "a file of weights")
    if is_hdf5(buffer):
        raise _no_net(path)
    net = message("NetParameter")
    try:
        net.ParseFromString(_without_blobs(buffer, 0, len(buffer), _NET, None))
    except (wire.WireError, DecodeError) as error:
        raise _mistaken(path, buffer, CAFFEMODEL, f"damaged or cut off: {error}") from error
    if not (net.layer or net.layers):
        raise _mistaken(path, buffer, CAFFEMODEL, "it holds no layers")
    for layer in net.layer:
        layer.ClearField("phase")
    kinds = (*net.layer, *net.layers, *(layer.layer for layer in net.layers))
    if not any(kind.HasField("type") for kind in kinds):
        raise _no_net(path)
    return net


def read_blob_file(path: Path) -> NDArray[np.float32]:
    """Read a file of a single blob: a .binaryproto, as Caffe keeps the mean of a data set.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    ndarray
        float32, of the shape that the file gives: of a mean (1, C, H, W).

    Raises
    ------
    ModelError
        If the file is something else, or damaged.
    """
    buffer = _mapped(path, "a mean")
    try:
        blob = read_blob_proto(path, buffer, 0, len(buffer))
    except (wire.WireError, ModelError) as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise _mistaken(path, buffer, BLOB, reason) from error
    if 0 in blob.weight.shape:
        raise _mistaken(path, buffer, BLOB, "it holds no values")
    return blob.weight.read()


def _mapped(path: Path, what: str) -> wire.Buffer:
    check_file(path, what, ModelError)
    try:
        with path.open("rb") as file:
            if not path.stat().st_size:
                raise ModelError(f"{path}: the file is empty")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error


def _no_net(path: Path) -> ModelError:
    return ModelError(f"{path}: holds weights but no description of their network; give its .prototxt too")


def _mistaken(path: Path, buffer: wire.Buffer, wanted: str, reason: str) -> ModelError:
    """Return the error over a file that could not be read: what else it is, or what is wrong with it."""
    kind = looks_like(buffer)
    if kind == wanted:
        return ModelError(f"{path}: {reason}")
    return ModelError(f"{path}: not {wanted} ({f'it looks like {kind}' if kind else reason})")


def _entries(path: Path, buffer: wire.Buffer) -> list[_Entry]:
    layers = [item for item in wire.fields(buffer) if item.kind == wire.BYTES and item.number in _NET]
    if len({item.number for item in layers}) > 1:
        raise ModelError(f"{path}: holds both 'layer' and 'layers', of which Caffe would drop one")
    return [_entry(buffer, item.start, item.end, _NET[item.number]) for item in layers]


def _entry(buffer: wire.Buffer, start: int, end: int, form: _Form) -> _Entry:
    name, blobs, inner = b"", [], None
    for item in wire.fields(buffer, start, end):
        if item.kind != wire.BYTES:
            continue
        if item.number == form.name:
            name = bytes(buffer[item.start : item.end])
        elif item.number == form.blobs:
            blobs.append(item)
        elif item.number in form.inner:
            inner = _entry(buffer, item.start, item.end, form.inner[item.number])
    return inner or _Entry(name.decode("utf-8", "backslashreplace"), tuple(blobs))


def _blobs(path: Path, buffer: wire.Buffer, entry: _Entry) -> tuple[StoredBlob, ...]:
    return tuple(
        read_blob_proto(path, buffer, blob.start, blob.end, f"layer {entry.name!r}, blob {index}: ")
        for index, blob in enumerate(entry.blobs)
    )


def _without_blobs(
    buffer: wire.Buffer, start: int, end: int, inner: dict[int, _Form], dropped: int | None
) -> bytes:
    """Return a message without a field, which is taken out of the layers in it too."""
    kept, copied = [], start
    for item in wire.fields(buffer, start, end):
        if item.kind != wire.BYTES or not (item.number == dropped or item.number in inner):
            continue
        kept.append(bytes(buffer[copied : item.begin]))
        copied = item.end
        if item.number in inner:
            form = inner[item.number]
            body = _without_blobs(buffer, item.start, item.end, form.inner, form.blobs)
            kept += [wire.varint(item.number << 3 | wire.BYTES), wire.varint(len(body)), body]
    return b"".join([*kept, bytes(buffer[copied:end])])
