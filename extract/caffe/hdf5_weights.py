"""Caffe's weights in HDF5: ``/data/LAYER/0``, ``/data/LAYER/1``, ..."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..weight import Weight
from . import pieces
from .stored import Piece, StoredBlob, StoredWeights

if TYPE_CHECKING:
    import h5py

_ROOT = "data"
# No layer has as many; a larger number in a damaged file would make a huge list.
_MOST_BLOBS = 256


def read_hdf5_weights(path: Path) -> StoredWeights:
    """Find the weights in an HDF5 file of Caffe's; they are read when they are needed.

    Caffe leaves out the blobs that a layer shares with an earlier one. A layer whose name has a slash lies in
    groups of groups; Caffe writes such files, but does not find the layer again.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    ModelError
        If the file is damaged or holds no weights of Caffe's, if values lie in other files, or a data set
        cannot be a blob.
    """
    with _opened(path) as file:
        if not _is_group(file, _ROOT):
            raise ModelError(f"{path}: {_other(file)}")
        found: dict[str, dict[int, StoredBlob]] = {}
        for name, data in _datasets(path, file[_ROOT]):
            layer, _, number = name.rpartition("/")
            if not (layer and number.isdecimal() and int(number) < _MOST_BLOBS):
                raise ModelError(f"{path}: holds {data.name!r}, which is no blob of a layer")
            found.setdefault(layer, {})[int(number)] = _stored(path, data)
    if not found:
        raise ModelError(f"{path}: holds no layer with weights")
    layers = {
        layer: tuple(blobs.get(index) for index in range(max(blobs) + 1)) for layer, blobs in found.items()
    }
    return StoredWeights(path, layers)


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """Open a file, and turn whatever the library raises over a damaged one into a ModelError."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except (ModelError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ModelError(f"{path}: not a readable HDF5 file ({reason[:200]})") from error


def _is_group(file: h5py.File, name: str) -> bool:
    import h5py

    return isinstance(file.get(name, getlink=True), h5py.HardLink) and isinstance(file[name], h5py.Group)


def _other(file: h5py.File) -> str:
    if "history" in file and "iter" in file:
        return "the state of a solver (.solverstate.h5); the weights are in the .caffemodel.h5 beside it"
    return f"an HDF5 file without group {_ROOT!r}, so not one of Caffe's weights"


def _datasets(path: Path, root: h5py.Group) -> list[tuple[str, h5py.Dataset]]:
    """Return the data sets below a group, by their paths in it; links may lead anywhere and are refused."""
    import h5py

    found = []

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            found.append((name, item))
        for key in item if isinstance(item, h5py.Group) else ():
            if not isinstance(item.get(key, getlink=True), h5py.HardLink):
                raise ModelError(f"{path}: {item.name}/{key} is a link, not a blob")

    visit("", root)
    root.visititems(visit)
    return found


def _stored(path: Path, data: h5py.Dataset) -> StoredBlob:
    shape, dtype, where = data.shape, data.dtype, f"{path}: {data.name!r} "
    if shape is None or dtype.kind not in "fiu":
        raise ModelError(f"{where}holds no numbers")
    pieces.check_shape(shape, where)
    if data.external or data.is_virtual:
        raise ModelError(f"{where}keeps its values in another file")
    offset, held, count = data.id.get_offset(), data.id.get_storage_size(), math.prod(shape)
    if offset is not None:
        count_held = min(held, path.stat().st_size - offset) // dtype.itemsize
        return pieces.stored_blob(path, shape, [Piece(offset, min(count, count_held), dtype)], where)
    if count and not held:
        raise ModelError(f"{where}of shape {shape} holds no values")
    return StoredBlob(Weight(shape, partial(_read, path, data.name, shape)))


def _read(path: Path, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    with _opened(path) as file, np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(file[name][()], np.float32, order="C").reshape(shape)
