"""MetaImage, with the data in the file (.mha) or beside it (.mhd): ITK's own format, open to all viewers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import sidecar
from ._files import beside, check_compressed, check_size, guarded, raw
from ._geometry import number, split
from .encoding import Encoding
from .errors import VolumeError
from .registry import Format, register
from .volume import Volume

_TYPES = {"float32": "MET_FLOAT", "int16": "MET_SHORT", "uint16": "MET_USHORT", "uint8": "MET_UCHAR"}
_ITEM_SIZE = {
    "MET_SHORT": 2,
    "MET_USHORT": 2,
    "MET_INT": 4,
    "MET_UINT": 4,
    "MET_LONG": 4,
    "MET_ULONG": 4,
    "MET_FLOAT": 4,
    "MET_LONG_LONG": 8,
    "MET_ULONG_LONG": 8,
    "MET_DOUBLE": 8,
}
_DOCUMENT = "CnnVis"
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
    """Write a volume as a header and the data file ``STEM.raw``; parameters are those of `write`."""
    data = path.with_suffix(".raw")
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
    return "".join(f"{key} = {value}\n" for key, value in fields.items()).encode("utf-8")


def read(path: Path) -> Volume:
    """Read a MetaImage of one scalar volume or picture.

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
    import SimpleITK

    with guarded("MetaImage"):
        fields, start = _fields(path)
        _check(path, fields, start)
        image = SimpleITK.ReadImage(str(path), imageIO="MetaImageIO")
        stored = SimpleITK.GetArrayFromImage(image)
        document = _document(fields)
        spacing, direction = split(_columns(image))
        x, y, z = (*image.GetOrigin(), 0.0)[:3]
        return sidecar.restore(
            stored.reshape((1, *stored.shape)[-3:]),
            document,
            spacing=spacing,
            origin=(x, y, z),
            direction=direction,
            scale=None if document else _scale(fields),
        )


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
            key, sign, value = line.decode("utf-8", "replace").partition("=")
            if not sign or file.tell() > _LONGEST_HEADER:
                break
            fields[key.strip()] = value.strip()
        missing = [key for key in ("NDims", "DimSize", "ElementType", "ElementDataFile") if key not in fields]
        if missing:
            raise VolumeError(f"it is no MetaImage: its header has no {missing[0]}")
        return fields, file.tell()


def _check(path: Path, fields: Mapping[str, str], start: int) -> None:
    """Check the sizes before ITK allocates them, and that the data lie where they may."""
    size = tuple(map(int, fields["DimSize"].split()))
    if len(size) != int(fields["NDims"]) or len(size) not in (2, 3) or min(size) < 1:
        raise VolumeError(
            f"its header has NDims {fields['NDims']} and DimSize {fields['DimSize']}: 2 or 3 can be read"
        )
    components = int(fields.get("ElementNumberOfChannels", 1))
    if components != 1 or fields["ElementType"].endswith("_ARRAY"):
        raise VolumeError(f"it holds {components} numbers a voxel: vectors and colours are no scalar volume")
    name = fields["ElementDataFile"]
    if name.split()[:1] == ["LIST"] or "%" in name:
        raise VolumeError("its data lie in several files: only one can be read")
    available = path.stat().st_size - start if name.upper() == "LOCAL" else beside(path, name).stat().st_size
    declared = math.prod(size) * (
        _ITEM_SIZE.get(fields["ElementType"], 1) if _true(fields, "BinaryData", "True") else 1
    )
    (check_compressed if _true(fields, "CompressedData", "False") else check_size)(declared, available)


def _true(fields: Mapping[str, str], key: str, default: str) -> bool:
    return fields.get(key, default)[:1].upper() in ("T", "1")


def _columns(image: Any) -> NDArray[np.float64]:
    """Return the steps along x, y and z as columns; a picture lies in the plane of x and y."""
    dimension = image.GetDimension()
    columns = np.eye(3)
    directions = np.reshape(image.GetDirection(), (dimension, dimension))
    columns[:dimension, :dimension] = directions * image.GetSpacing()
    return columns


register(Format("MetaImage", (".mha",), read, write))
register(Format("MetaImage with a detached header", (".mhd",), read, write_detached))
