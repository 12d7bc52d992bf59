"""NRRD, with the data in the file (.nrrd) or beside it (.nhdr): the format of 3D Slicer, ITK and Teem."""

from __future__ import annotations

import bz2
import io
import math
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from . import sidecar
from ._files import beside, check_compressed, guarded, inflate, raw
from ._geometry import split
from ._nrrd_header import PATTERN
from ._nrrd_header import header as nrrd_header
from .encoding import Encoding
from .errors import VolumeError
from .registry import Format, register
from .volume import Vector, Volume

Header = Mapping[str, Any]

# Signs that turn a space into LPS. Like Slicer and ITK, take all others for LPS.
_TO_LPS = {
    "right-anterior-superior": (-1, -1, 1),
    "ras": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
    "las": (1, -1, 1),
}
_FRAME_KINDS = {"list", "time"}
_DOMAIN_KINDS = {"domain", "space", "???", "none"}
_DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16),
    "gz": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16),
    "bzip2": bz2.BZ2Decompressor,
    "bz2": bz2.BZ2Decompressor,
}
_PER_AXIS = ("kinds", "centerings", "space directions", "spacings", "axis mins", "axis maxs")
_BIGGEST_ITEM = 8
_LONGEST_LINE = 2**24


def write(volume: Volume, path: Path, encoding: Encoding) -> None:
    """Write a volume as one file.

    The data stay uncompressed: their bytes do not depend on the version of zlib, every reader takes them,
    and gzip would save 10 % of signed float32 values (half of those after ReLU) at 30 to 70 MB/s.

    Parameters
    ----------
    volume : Volume
        3-D, or 4-D for a sequence that Slicer plays.
    path : Path
        Where to write.
    encoding : Encoding
        How to store the values.
    """
    with path.open("wb") as file:
        file.write(nrrd_header(volume, encoding))
        file.write(raw(encoding.encode(volume.data)))


def write_detached(volume: Volume, path: Path, encoding: Encoding) -> None:
    """Write a volume as a header and a raw data file.

    The data file is called ``STEM.nhdr.raw``: a MetaImage of the same stem keeps its own ``STEM.raw``.
    Parameters are those of `write`.
    """
    data = path.with_name(PATTERN.sub("+", path.name + ".raw"))
    path.write_bytes(nrrd_header(volume, encoding, data.name))
    data.write_bytes(raw(encoding.encode(volume.data)))


def read(path: Path) -> Volume:
    """Read any NRRD file that holds one scalar volume or a sequence of them.

    Parameters
    ----------
    path : Path
        The file, or the detached header.

    Raises
    ------
    VolumeError
        If the file is damaged, holds vectors or colours, or names a data file outside its folder.
    """
    import nrrd

    with guarded("NRRD"), path.open("rb") as file:
        header = nrrd.read_header(_header_lines(file))
        axes = _Axes.of(header)
        stored = axes.arrange(_data(header, file, path))
        columns, origin = _geometry(header, axes)
        spacing, direction = split(columns)
        text = header.get("cnnvis")
        document = None if text is None else sidecar.parse(_unescape(text))
        return sidecar.restore(stored, document, spacing=spacing, origin=origin, direction=direction)


def data_file(path: Path) -> str | None:
    """Return what the header calls its data file, None where the data lie behind the header.

    Raises
    ------
    VolumeError
        If the header is damaged, or the file is missing or lies outside the header's folder.
    """
    import nrrd

    with guarded("NRRD"), path.open("rb") as file:
        name = _data_file(nrrd.read_header(_header_lines(file)))
        if name is not None:
            beside(path, name)
        return name


def _data_file(header: Header) -> str | None:
    name = header.get("data file", header.get("datafile"))
    return None if name is None else str(name)


def _header_lines(file: BinaryIO) -> list[str]:
    """Return the lines of the header; pynrrd would drop all letters beyond ASCII, even in file names."""
    lines = []
    while (line := file.readline(_LONGEST_LINE).decode("utf-8", "surrogateescape")).strip():
        lines.append(line)
    return lines


@dataclass(frozen=True)
class _Axes:
    """Which axes of the file, counted from the fastest, mean what; the others have size 1."""

    domain: tuple[int, ...]
    frame: tuple[int, ...]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, header: Header) -> _Axes:
        sizes = _sizes(header)
        roles = [_role(header, axis) for axis in range(len(sizes))]
        domain = [axis for axis, role in enumerate(roles) if role == "domain"]
        frame = [axis for axis, role in enumerate(roles) if role == "frame"]
        for axis, role in enumerate(roles):
            if role == "component" and sizes[axis] > 1:
                numbers = f"axis {axis} holds {sizes[axis]} numbers a voxel"
                raise VolumeError(f"{numbers}: vectors and colours are no scalar volume")
            if role == "domain" and sizes[axis] == 1 and len(domain) > 3:
                domain.remove(axis)
        if len(domain) not in (2, 3) or len(frame) > 1:
            found = f"{len(domain)} axes in space and {len(frame)} of frames"
            raise VolumeError(
                f"it has {found}; 2 or 3 and at most 1 can be read (`kinds` tells which is which)"
            )
        return cls(tuple(domain), tuple(frame), sizes)

    def arrange(self, data: NDArray[Any]) -> NDArray[Any]:
        """Return data of shape `sizes`, reversed, as (z, y, x) or (frame, z, y, x)."""
        order = (*self.frame, *self.domain[::-1])
        rest = [axis for axis in range(data.ndim) if axis not in order]
        arranged = data.transpose([data.ndim - 1 - axis for axis in (*order, *rest)])
        z, y, x = (1, 1, *(self.sizes[axis] for axis in self.domain[::-1]))[-3:]
        return arranged.reshape(*(self.sizes[axis] for axis in self.frame), z, y, x)


def _sizes(header: Header) -> tuple[int, ...]:
    for field in ("type", "dimension", "sizes", "encoding"):
        if field not in header:
            raise VolumeError(f"its header has no field `{field}`")
    sizes = tuple(map(int, header["sizes"]))
    for field in ("sizes", *_PER_AXIS):
        if field in header and len(header[field]) != header["dimension"]:
            count = len(header[field])
            raise VolumeError(
                f"its field `{field}` has {count} entries, its dimension is {header['dimension']}"
            )
    if min(sizes) < 1:
        raise VolumeError(f"its sizes {sizes} are not all positive")
    return sizes


def _role(header: Header, axis: int) -> str:
    kinds = header.get("kinds")
    kind = "???" if kinds is None else kinds[axis].lower()
    if kind in _FRAME_KINDS:
        return "frame"
    directions = header.get("space directions")
    placed = directions is None or not np.isnan(directions[axis]).any()
    return "domain" if placed and kind in _DOMAIN_KINDS else "component"


def _data(header: Header, file: BinaryIO, path: Path) -> NDArray[Any]:
    """Return the array of the file, shape `sizes` reversed; `file` stands behind the header."""
    inner = {field: value for field, value in header.items() if field not in ("data file", "datafile")}
    name = _data_file(header)
    if name is None:
        return _decode(inner, file)
    with beside(path, name).open("rb") as data:
        return _decode(inner, data)


def _decode(header: dict[str, Any], file: BinaryIO) -> NDArray[Any]:
    import nrrd

    if header["encoding"] not in _DECOMPRESSORS:
        return nrrd.read_data(header, file, index_order="C")  # type: ignore[no-any-return]
    for _ in range(header.pop("line skip", header.pop("lineskip", 0))):
        file.readline()
    inflated = _inflate(header, file.read())
    return nrrd.read_data(header | {"encoding": "raw"}, inflated, index_order="C")  # type: ignore[no-any-return]


def _inflate(header: Header, compressed: bytes) -> BinaryIO:
    """Return the decompressed data, of which there are not many more than the header declares."""
    count = math.prod(map(int, header["sizes"]))
    check_compressed(count, len(compressed))
    skip = max(0, header.get("byte skip", header.get("byteskip", 0)))
    limit = _BIGGEST_ITEM * count + skip
    return io.BytesIO(inflate(_DECOMPRESSORS[header["encoding"]](), compressed, limit))


def _geometry(header: Header, axes: _Axes) -> tuple[NDArray[np.float64], Vector]:
    """Return the steps along x, y and z as columns, and the origin, in LPS."""
    described = _by_directions if "space directions" in header else _by_axis
    columns, origin = described(header, axes)
    signs = np.array(_TO_LPS.get(str(header.get("space", "")).lower(), (1, 1, 1)))
    x, y, z = (signs * origin).tolist()
    return signs[:, np.newaxis] * columns, (x, y, z)


def _by_directions(header: Header, axes: _Axes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    vectors = np.asarray(header["space directions"], dtype=np.float64)[list(axes.domain)]
    dimension = vectors.shape[1]
    if dimension not in (2, 3):
        raise VolumeError(f"its space has {dimension} dimensions, 2 or 3 can be read")
    columns = np.zeros((3, 3))
    columns[:dimension, : len(vectors)] = vectors.T
    if len(vectors) == 2:
        normal = np.cross(columns[:, 0], columns[:, 1])
        columns[:, 2] = normal / np.linalg.norm(normal)
    origin = np.zeros(3)
    if "space origin" in header:
        origin[:dimension] = header["space origin"]
    return columns, origin


def _by_axis(header: Header, axes: _Axes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return columns and origin by spacing, minimum and maximum of each axis, as Teem understands them."""
    placed = [_spacing_and_start(header, axis, axes.sizes[axis]) for axis in axes.domain]
    spacings, starts = zip(*placed, *[(1.0, 0.0)] * (3 - len(placed)), strict=True)
    return np.diag(spacings), np.array(starts)


def _spacing_and_start(header: Header, axis: int, size: int) -> tuple[float, float]:
    def value(*fields: str) -> float:
        return next((float(header[field][axis]) for field in fields if field in header), math.nan)

    low, high = value("axis mins", "axismins"), value("axis maxs", "axismaxs")
    node = "centerings" in header and header["centerings"][axis] == "node"
    intervals = size - 1 if node else size
    choices = (value("spacings"), (high - low) / intervals if intervals else math.nan, 1.0)
    spacing = next(number for number in choices if not math.isnan(number))
    start = low if node else low + spacing / 2
    return spacing, 0.0 if math.isnan(start) else start


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], text)


register(Format("NRRD", (".nrrd",), read, write, frames=True))
register(
    Format(
        "NRRD with a detached header",
        (".nhdr",),
        read,
        write_detached,
        frames=True,
        companions=(".nhdr.raw",),
    )
)
