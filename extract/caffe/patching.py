"""Files of weights with some values zeroed: copies in which all else stays as it is, byte by byte."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from .caffemodel import read_weights
from .content import is_hdf5
from .stored import Piece, StoredBlob

Place = tuple[str, int]


def write_zeroed(source: Path, target: Path, zeroed: Mapping[Place, NDArray[np.intp]]) -> None:
    """Copy a file of weights, and zero some values of the copy in their own form.

    Parameters
    ----------
    source : Path
        A .caffemodel of any generation, or Caffe's HDF5 form of it.
    target : Path
        The copy; it is replaced.
    zeroed : mapping of (str, int) to ndarray of int
        Which values, flat, of the blobs of layers: ``{("conv1", 0): [...]}``.

    Raises
    ------
    ModelError
        If the file is damaged, or does not hold such a blob.
    """
    stored = read_weights(source).layers
    blobs = {}
    for layer, number in zeroed:
        own = stored.get(layer, ())
        blob = own[number] if number < len(own) else None
        if blob is None:
            raise ModelError(f"{source}: has no parameter {number} of layer {layer!r} that could be zeroed")
        blobs[layer, number] = blob
    shutil.copyfile(source, target)
    for place, blob in blobs.items():
        if blob.pieces:
            _zero_pieces(target, blob, zeroed[place])
        else:
            _zero_in_hdf5(target, place, zeroed[place])


def is_hdf5_file(path: Path) -> bool:
    """Return whether a file of weights is of Caffe's HDF5 form."""
    with path.open("rb") as file:
        return is_hdf5(file.read(8))


def _zero_pieces(path: Path, blob: StoredBlob, chosen: NDArray[np.intp]) -> None:
    begin = 0
    for piece in blob.pieces:
        inside = chosen[(begin <= chosen) & (chosen < begin + piece.count)] - begin
        if len(inside):
            _values(path, piece)[inside] = 0
        begin += piece.count


def _values(path: Path, piece: Piece) -> NDArray[np.number]:
    """Map the numbers of a piece into memory, to be written to."""
    mapped = np.memmap(path, piece.dtype, "r+", piece.offset, (piece.count,))
    return mapped["value"] if piece.dtype.names else mapped


def _zero_in_hdf5(path: Path, place: Place, chosen: NDArray[np.intp]) -> None:
    """Zero values of a data set that lies in chunks or packed."""
    import h5py

    layer, number = place
    with h5py.File(path, "r+") as file:
        data = file[f"data/{layer}/{number}"]
        values = data[()]
        values.reshape(-1)[chosen] = 0
        data[...] = values
