"""Legacy VTK files (.vtk) of structured points, for old programs; ParaView is better served by .vti."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote
from warnings import warn

import numpy as np

from . import _legacy_vtk_file, sidecar
from ._arrays import assemble, named
from ._files import guarded
from ._geometry import number
from .encoding import Encoding
from .errors import CnnVisWarning
from .registry import Format, register
from .volume import IDENTITY, Volume

_TYPES = {"float32": "float", "int16": "short", "uint16": "unsigned_short", "uint8": "unsigned_char"}
# ITK looks for these words anywhere in a line
_ITK_KEYWORDS = re.compile("(?=vector|scalars|tensors|spacing|aspect_ratio|origin).", re.IGNORECASE)
_DOCUMENT = "cnnvis"


def write(volume: Volume, path: Path, encoding: Encoding) -> None:
    """Write a binary file, each frame as scalars of their own.

    Written here, not by VTK, which keeps six digits of spacing and origin and puts the field data where ITK
    does not find the dimensions any more.

    Parameters
    ----------
    volume : Volume
        3-D or 4-D; the format has no room for a direction.
    path : Path
        Where to write.
    encoding : Encoding
        How to store the values.

    Warns
    -----
    CnnVisWarning
        If the volume's direction is lost.
    """
    if volume.direction != IDENTITY:
        warn(f"{path.name}: legacy VTK files have no direction: it is left out", CnnVisWarning, stacklevel=2)
    arrays = named(volume, encoding.encode(volume.data))
    with path.open("wb") as file:
        file.write(_header(volume, sidecar.embed(volume, encoding)))
        for name, stored in arrays.items():
            file.write(f"SCALARS {_array_name(name)} {_TYPES[encoding.dtype]} 1\n".encode("ascii"))
            file.write(b"LOOKUP_TABLE default\n")
            file.write(np.ascontiguousarray(stored.astype(stored.dtype.newbyteorder(">"), copy=False)).data)
            file.write(b"\n")


def read(path: Path) -> Volume:
    """Read the scalars of a file of structured points; of several arrays, the active one.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    VolumeError
        If the file is damaged, holds another kind of data set, or has no scalar point data.
    """
    with guarded("legacy VTK"):
        file = _legacy_vtk_file.parse(path)
        document = file.texts.get(_DOCUMENT)
        return assemble(
            tuple(file.arrays),
            file.arrays.__getitem__,
            active=file.active,
            document=None if document is None else sidecar.parse(document),
            columns=np.diag(file.spacing),
            origin=file.origin,
        )


def _header(volume: Volume, document: str) -> bytes:
    text = _ITK_KEYWORDS.sub(lambda match: f"\\u{ord(match[0]):04x}", document).encode("ascii")
    count = volume.size[0] * volume.size[1] * volume.size[2]
    return b"".join(
        (
            b"# vtk DataFile Version 3.0\nCNN-VIS volume\nBINARY\nDATASET STRUCTURED_POINTS\n",
            f"DIMENSIONS {' '.join(map(str, volume.size))}\n".encode("ascii"),
            f"SPACING {' '.join(map(number, volume.spacing))}\n".encode("ascii"),
            f"ORIGIN {' '.join(map(number, volume.origin))}\n".encode("ascii"),
            f"FIELD FieldData 1\n{_DOCUMENT} 1 1 string\n".encode("ascii"),
            _length(len(text)),
            text,
            f"\nPOINT_DATA {count}\n".encode("ascii"),
        )
    )


def _length(count: int) -> bytes:
    """Return the length of a string as in VTK's binary files: 1, 2, 4 or 8 bytes, marked by two bits."""
    for size, mark in ((1, 0b11), (2, 0b10), (4, 0b01)):
        if count < 1 << (8 * size - 2):
            return (mark << (8 * size - 2) | count).to_bytes(size, "big")
    return count.to_bytes(8, "big")


def _array_name(name: str) -> str:
    """Return the name as VTK decodes it, without blanks and without words that ITK would take for its own."""
    readable = quote(name, safe="!#$&'()*+,-./:;<=>?@[]^_`{|}~")
    return _ITK_KEYWORDS.sub(lambda match: f"%{ord(match[0]):02X}", readable)


register(Format("legacy VTK", (".vtk",), read, write, frames=True))
