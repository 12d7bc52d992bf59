"""MetaImage, with the data in the file (.mha) or beside it (.mhd): ITK's own format, open to all viewers."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import sidecar
from ._files import beside, check_compressed, check_size, guarded, inflate, raw
from ._geometry import number, split
from .encoding import Encoding
from .errors import VolumeError
from .registry import Format, register
from .volume import Volume

_TYPES = {"float32": "MET_FLOAT", "int16": "MET_SHORT", "uint16": "MET_USHORT", "uint8": "MET_UCHAR"}
_DTYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_DOCUMENT = "CnnVis"
# what makes MetaIO look for several files instead of the one that is named
PATTERN = re.compile("%|LIST")
# MetaIO keeps a value in 32768 bytes and loses its place in the header at a longer one
_LONGEST_VALUE = 8000
_LONGEST_HEADER = 2**24


def write(volume: Volume, path: Path, encoding: Encoding) -> None:
    """Write a volume as one file.

    Parameters
    ----------
    volume : Volume
        3-D: ParaView crashes on more.
    path : Path
        Where to write.
    encoding : Encoding
        How to store the values.
    """
    with path.open("wb") as file:
        file.write(header(volume, encoding, "LOCAL"))
        file.write(raw(encoding.encode(volume.data)))


def write_detached(volume: Volume, path: Path, encoding: Encoding) -> None:
    """Write a volume as a header and the data file ``STEM.raw``; parameters are those of `write`.

    For MetaIO a name with a percent sign is a pattern of several files: the data file has ``+`` in its place.
    """
    data = path.with_name(PATTERN.sub("+", path.with_suffix(".raw").name))
    path.write_bytes(header(volume, encoding, data.name))
    data.write_bytes(raw(encoding.encode(volume.data)))


def header(volume: Volume, encoding: Encoding, data_file: str) -> bytes:
    """Return the header of a MetaImage.

    Parameters
    ----------
    volume : Volume
        3-D.
    encoding : Encoding
        How the values are stored.
    data_file : str
        Name of the data file, or ``LOCAL`` for data behind the header.
    """
    fields = {
        # ParaView knows the format by its first key
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "False",
        # the unit vectors one after the other, so the columns of our matrix
        "TransformMatrix": _numbers(volume.matrix.T),
        "Offset": _numbers(volume.origin),
        "CenterOfRotation": "0 0 0",
        "ElementSpacing": _numbers(volume.spacing),
        "DimSize": " ".join(map(str, volume.size)),
        **_parts(sidecar.embed(volume, encoding)),
        "ElementType": _TYPES[encoding.dtype],
        "ElementDataFile": data_file,
    }
    return "".join(f"{key} = {value}\n" for key, value in fields.items()).encode("utf-8", "surrogateescape")


def read(path: Path) -> Volume:
    """Read a MetaImage of one scalar volume or picture.

    Read here and not by ITK, which ends the process at file names that are no UTF-8, and tells of damaged
    files on stderr.

    Parameters
    ----------
    path : Path
        The file, or the header.

    Raises
    ------
    VolumeError
        If the file is damaged, has other than 2 or 3 axes, holds vectors or colours, or names a data file
        outside its folder or several of them.
    """
    with guarded("MetaImage"):
        fields, start = _fields(path)
        size = _size(fields)
        document = _document(fields)
        spacing, direction = split(_columns(fields, len(size)))
        x, y, z = (*_vector(fields, ("Offset", "Position", "Origin"), [0.0] * len(size)), 0.0)[:3]
        return sidecar.restore(
            _data(path, start, fields, math.prod(size)).reshape((1, *size[::-1])[-3:]),
            document,
            spacing=spacing,
            origin=(x, y, z),
            direction=direction,
            scale=None if document else _scale(fields),
        )


def data_file(path: Path) -> str | None:
    """Return what the header calls its data file, None where the data lie behind the header.

    Raises
    ------
    VolumeError
        If the header is damaged, or the file is missing, lies outside the header's folder, or is one of many.
    """
    with guarded("MetaImage"):
        fields, _ = _fields(path)
        name = _data_file(fields)
        if name is not None:
            beside(path, name)
        return name


def _data_file(fields: Mapping[str, str]) -> str | None:
    name = fields["ElementDataFile"]
    if PATTERN.search(name):
        raise VolumeError("its data lie in several files: only one can be read")
    return None if name.upper() == "LOCAL" else name


def _numbers(values: Any) -> str:
    return " ".join(map(number, np.ravel(values)))


def _parts(document: str) -> dict[str, str]:
    """Return the document as values that MetaIO keeps; without blanks, since it drops those at the ends."""
    text = document.replace(" ", "\\u0020")
    starts = range(0, len(text), _LONGEST_VALUE)
    return {f"{_DOCUMENT}{part}": text[start : start + _LONGEST_VALUE] for part, start in enumerate(starts)}


def _document(fields: Mapping[str, str]) -> dict[str, Any] | None:
    parts = [value for key, value in fields.items() if key.removeprefix(_DOCUMENT).isdecimal()]
    return sidecar.parse("".join(parts)) if parts else None


def _scale(fields: Mapping[str, str]) -> tuple[float, float]:
    """Return MetaIO's own value scale, which ITK and VTK read but do not apply."""
    slope = float(fields.get("ElementToIntensityFunctionSlope", 1))
    return slope, float(fields.get("ElementToIntensityFunctionOffset", 0))


def _fields(path: Path) -> tuple[dict[str, str], int]:
    """Return the fields of the header and where it ends."""
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        while "ElementDataFile" not in fields:
            line = file.readline(_LONGEST_HEADER)
            key, sign, value = line.decode("utf-8", "surrogateescape").partition("=")
            if not sign or file.tell() > _LONGEST_HEADER:
                break
            fields[key.strip()] = value.strip()
        missing = [key for key in ("NDims", "DimSize", "ElementType", "ElementDataFile") if key not in fields]
        if missing:
            raise VolumeError(f"it is no MetaImage: its header has no {missing[0]}")
        return fields, file.tell()


def _size(fields: Mapping[str, str]) -> tuple[int, ...]:
    size = tuple(map(int, fields["DimSize"].split()))
    if len(size) != int(fields["NDims"]) or len(size) not in (2, 3) or min(size) < 1:
        raise VolumeError(
            f"its header has NDims {fields['NDims']} and DimSize {fields['DimSize']}: 2 or 3 can be read"
        )
    components = int(fields.get("ElementNumberOfChannels", 1))
    if components != 1:
        raise VolumeError(f"it holds {components} numbers a voxel: vectors and colours are no scalar volume")
    return size


def _data(path: Path, start: int, fields: Mapping[str, str], count: int) -> NDArray[Any]:
    """Return the numbers of the file itself or of the one it names."""
    name, kind = _data_file(fields), fields["ElementType"]
    if kind not in _DTYPES:
        raise VolumeError(f"its header has the ElementType {kind!r}; known are {', '.join(_DTYPES)}")
    big = _true(fields, "BinaryDataByteOrderMSB") or _true(fields, "ElementByteOrderMSB")
    dtype = np.dtype((">" if big else "<") + _DTYPES[kind])
    file = path if name is None else beside(path, name)
    skip = int(fields.get("HeaderSize", 0))
    start = (start if file == path else 0) + max(skip, 0)
    if _true(fields, "CompressedData"):
        packed = file.read_bytes()[start:]
        check_compressed(count * dtype.itemsize, len(packed))
        return np.frombuffer(inflate(zlib.decompressobj(), packed, count * dtype.itemsize), dtype)
    if not _true(fields, "BinaryData", "True"):
        return np.array(file.read_bytes()[start:].split()[:count], dtype=str).astype(dtype)
    available = file.stat().st_size
    # MetaIO: the data end with the file
    start = available - count * dtype.itemsize if skip == -1 else start
    check_size(count * dtype.itemsize, available - max(start, 0))
    return np.fromfile(file, dtype, count, offset=start)


def _true(fields: Mapping[str, str], key: str, default: str = "False") -> bool:
    return fields.get(key, default)[:1].upper() in ("T", "1")


def _columns(fields: Mapping[str, str], dimension: int) -> NDArray[np.float64]:
    """Return the steps along x, y and z as columns; a picture lies in the plane of x and y."""
    identity = np.eye(dimension).ravel().tolist()
    axes = _vector(fields, ("TransformMatrix", "Rotation", "Orientation"), identity)
    spacing = _vector(fields, ("ElementSpacing", "ElementSize"), [1.0] * dimension)
    columns = np.eye(3)
    columns[:dimension, :dimension] = np.reshape(axes, (dimension, dimension)).T * spacing
    return columns


def _vector(fields: Mapping[str, str], keys: tuple[str, ...], default: list[float]) -> list[float]:
    """Return the numbers of the first of several keys of one meaning."""
    text = next((fields[key] for key in keys if key in fields), None)
    numbers = default if text is None else [float(word) for word in text.split()]
    if len(numbers) != len(default):
        raise VolumeError(f"its header has {len(numbers)} numbers for {keys[0]}, {len(default)} are needed")
    return numbers


register(Format("MetaImage", (".mha",), read, write))
register(Format("MetaImage with a detached header", (".mhd",), read, write_detached, companions=(".raw",)))
