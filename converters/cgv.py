"""CGV's volumes: raw bytes (.vox) and a header of two lines (.hd)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from warnings import warn

import numpy as np
from numpy.typing import NDArray

from . import sidecar
from ._files import check_size, guarded, raw
from .encoding import Encoding
from .errors import CnnVisWarning, VolumeError
from .registry import Format, register
from .shared_binary import HEADERS
from .volume import IDENTITY, Vector, Volume

_TYPE_OF = {"uint8": "unsigned byte", "int16": "signed short", "uint16": "unsigned short", "float32": "float"}
_DTYPE_OF = {
    "unsigned byte": "<u1",
    "unsigned short": "<u2",
    "unsigned int": "<u4",
    "signed byte": "<i1",
    "signed short": "<i2",
    "signed int": "<i4",
    "float": "<f4",
    "double": "<f8",
}
# the reader of CGV's library takes all of these for blanks
_SEPARATORS = re.compile(r"[ \t,x:]+")
_SCALAR = ("", "luminance", "intensity", "alpha")
_HEADER_LIMIT = 2**16


def write(volume: Volume, path: Path, encoding: Encoding) -> None:
    """Write ``STEM.vox`` and ``STEM.hd``.

    CGV's volume viewer reads bytes whatever the header says; its library reads the other types too.

    Parameters
    ----------
    volume : Volume
        3-D. Origin, direction and value scale find no place but the side-car.
    path : Path
        Either of the two files.
    encoding : Encoding
        How to store the values.
    """
    width, height, depth = volume.size
    x, y, z = volume.spacing
    # the blank at the line's end and the missing newline are what CNN-VIS wrote in 2016
    header = f"Size {width}x{height}x{depth} {_TYPE_OF[encoding.dtype]} \nSpacing {x!r}x{y!r}x{z!r}"
    _with_suffix(path, ".hd").write_bytes(header.encode("ascii"))
    _with_suffix(path, ".vox").write_bytes(raw(encoding.encode(volume.data)))


def read(path: Path) -> Volume:
    """Read a volume by its ``.vox`` or ``.hd``; the side-car of either tells the rest.

    Parameters
    ----------
    path : Path
        Either of the two files; the other lies beside it.

    Raises
    ------
    VolumeError
        If one of them is missing, the header is not of this kind, or the data are fewer than it says.
    """
    with guarded("CGV"):
        header = _parse(_existing(path, ".hd").read_bytes()[:_HEADER_LIMIT].decode("latin-1"))
        stored = _data(_existing(path, ".vox"), header)
        document = _document(path, header.size)
        geometry = document["geometry"] if document else {}
        return sidecar.restore(
            stored,
            document,
            spacing=header.spacing,
            origin=geometry.get("origin", (0.0, 0.0, 0.0)),
            direction=geometry.get("direction", IDENTITY),
        )


@dataclass(frozen=True)
class _Header:
    size: tuple[int, ...]
    spacing: Vector
    dtype: str


def _parse(text: str) -> _Header:
    """Read a header as CGV's library does: one keyword a line, of any case; unknown lines do not matter."""
    lines = [[word for word in _SEPARATORS.split(line) if word] for line in text.splitlines()]
    fields = {words[0].lower(): words[1:] for words in lines if words}
    words = fields.get("size", fields.get("dimension", []))
    size = tuple(int(word) for word in words[:3] if word.isdecimal())
    if len(size) != 3 or min(size) < 1:
        raise VolumeError("its header (.hd) has no line `Size WIDTHxHEIGHTxDEPTH` of positive numbers")
    stored_type, components = _type_and_components(words[3:])
    if stored_type not in _DTYPE_OF or components not in _SCALAR:
        raise VolumeError(
            f"its header (.hd) has the voxel type {' '.join(words[3:])!r}; known are {', '.join(_DTYPE_OF)}"
        )
    return _Header(size, _spacing(fields, size), _DTYPE_OF[stored_type])


def _type_and_components(words: list[str]) -> tuple[str, str]:
    count = 2 if words[:1] in (["unsigned"], ["signed"]) else 1
    return " ".join(words[:count]) or "unsigned byte", " ".join(words[count:]).lower()


def _spacing(fields: dict[str, list[str]], size: tuple[int, ...]) -> Vector:
    """Return the spacing; where there is only `Scaling`, that is the extent of the whole volume."""
    if "scaling" in fields and "spacing" not in fields:
        extent = _numbers(fields, "scaling")
        return extent[0] / size[0], extent[1] / size[1], extent[2] / size[2]
    return _numbers(fields, "spacing") if "spacing" in fields else (1.0, 1.0, 1.0)


def _numbers(fields: dict[str, list[str]], field: str) -> Vector:
    try:
        x, y, z = map(float, fields[field])
    except ValueError as error:
        raise VolumeError(f"its header (.hd) needs three numbers after `{field.title()}`") from error
    return x, y, z


def _data(file: Path, header: _Header) -> NDArray[Any]:
    dtype = np.dtype(header.dtype)
    count = math.prod(header.size)
    declared, available = count * dtype.itemsize, file.stat().st_size
    check_size(declared, available)
    if available > declared:
        warn(f"{file}: read {declared} of {available} bytes, as its header says", CnnVisWarning, stacklevel=2)
    return np.fromfile(file, dtype, count).reshape(header.size[::-1])


def _document(path: Path, size: tuple[int, ...]) -> dict[str, Any] | None:
    """Return the side-car of either file, unless it is of a volume of another size."""
    files = dict.fromkeys((path, _with_suffix(path, ".vox"), _with_suffix(path, ".hd")))
    found = [(sidecar.path_of(file), document) for file in files if (document := sidecar.load(file))]
    if not found:
        return None
    # the files of one volume may be written under either name: the last side-car is the one of these data
    beside, document = max(found, key=lambda pair: pair[0].stat().st_mtime_ns)
    if any(other != document for _, other in found):
        names = " and ".join(sorted(file.name for file, _ in found))
        warn(f"{path}: {names} differ: read with the newer, {beside.name}", CnnVisWarning, stacklevel=2)
    if tuple(document["geometry"]["size"]) != size:
        other = "x".join(map(str, document["geometry"]["size"]))
        warn(f"{path}: left out its side-car, which is of a {other} volume", CnnVisWarning, stacklevel=2)
        return None
    return document


def _with_suffix(path: Path, suffix: str) -> Path:
    return path if path.suffix.lower() == suffix else path.with_suffix(suffix)


def _existing(path: Path, suffix: str) -> Path:
    file = _with_suffix(path, suffix)
    if not file.is_file():
        raise VolumeError(f"{file.name} is missing: a CGV volume is two files, .hd and .vox")
    return file


register(
    Format("CGV", (".vox", ".hd"), read, write, dtype="uint8", headers=HEADERS, companions=(".vox", ".hd"))
)
