"""Checks a .vti file before VTK reads it: VTK allocates what the header declares, and aborts if it cannot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat

from ._files import check_compressed, check_size
from .errors import VolumeError

_ITEM_SIZE = {
    **{f"{sign}Int{bits}": bits // 8 for sign in ("", "U") for bits in (8, 16, 32, 64)},
    "Float32": 4,
    "Float64": 8,
}


def check(path: Path) -> None:
    """Check that the sizes in a file's header and the file itself fit together.

    Parameters
    ----------
    path : Path
        The .vti file.

    Raises
    ------
    VolumeError
        If it is no XML file of image data, declares more than it can hold, or has lost its end.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        header = _Header.of(file)
        check_size(sum(array.size for array in header.arrays if array.text), size)
        check_compressed(sum(array.size for array in header.arrays), size)
        if header.raw:
            for array in header.arrays:
                if array.appended and not array.text:
                    _check_appended(file, header, array, size)


@dataclass(frozen=True)
class _Array:
    """What the file declares of one array; of texts, the size is at least one byte each."""

    size: int
    offset: int
    text: bool
    appended: bool


@dataclass
class _Header:
    """What the elements of the file tell, gathered while they are parsed."""

    compressed: bool = False
    byte_order: str = "little"
    word: int = 4
    whole: int = 0
    pieces: int = 0
    points: int = 0
    arrays: list[_Array] = field(default_factory=list)
    raw: bool = False
    start: int = 0

    @classmethod
    def of(cls, file: BinaryIO) -> _Header:
        header = cls()
        parser = expat.ParserCreate()

        def begin(tag: str, attributes: dict[str, str]) -> None:
            if tag == "AppendedData":
                header.raw = attributes.get("encoding") == "raw"
                header.start = parser.CurrentByteIndex
                raise _HeaderEnd
            reader = _ELEMENTS.get(tag)
            if reader:
                reader(header, attributes)

        parser.StartElementHandler = begin
        try:
            parser.ParseFile(file)
        except _HeaderEnd:
            file.seek(header.start)
            tag, _, rest = file.read(2**10).partition(b">")
            header.start += len(tag) + 1 + rest.index(b"_") + 1
        if header.whole < 1 or header.pieces < header.whole:
            raise VolumeError(f"its pieces have {header.pieces} points, its whole extent {header.whole}")
        return header


class _HeaderEnd(Exception):
    """Ends the parsing before the binary data, which are no XML."""


def _file(header: _Header, attributes: Mapping[str, str]) -> None:
    if attributes.get("type") != "ImageData":
        raise VolumeError(f"it holds {attributes.get('type')}, not ImageData")
    header.compressed = "compressor" in attributes
    header.byte_order = "big" if attributes.get("byte_order") == "BigEndian" else "little"
    header.word = 8 if attributes.get("header_type") == "UInt64" else 4


def _image(header: _Header, attributes: Mapping[str, str]) -> None:
    header.whole = _points(attributes["WholeExtent"])


def _piece(header: _Header, attributes: Mapping[str, str]) -> None:
    header.points = _points(attributes["Extent"])
    header.pieces += header.points


def _array(header: _Header, attributes: Mapping[str, str]) -> None:
    tuples = int(attributes.get("NumberOfTuples", header.points))
    components = int(attributes.get("NumberOfComponents") or 1)
    kind = attributes.get("type", "")
    appended = attributes.get("format") == "appended"
    header.arrays.append(
        _Array(
            size=tuples * components * _ITEM_SIZE.get(kind, 1),
            offset=int(attributes["offset"]) if appended else 0,
            text=kind == "String",
            appended=appended,
        )
    )


_ELEMENTS = {"VTKFile": _file, "ImageData": _image, "Piece": _piece, "DataArray": _array, "Array": _array}


def _points(extent: str) -> int:
    bounds = [int(number) for number in extent.split()]
    return math.prod(high - low + 1 for low, high in zip(bounds[::2], bounds[1::2], strict=True))


def _check_appended(file: BinaryIO, header: _Header, array: _Array, size: int) -> None:
    """Check one array of the raw appended data, which begins with its own size or the sizes of its blocks."""
    file.seek(header.start + array.offset)

    def word() -> int:
        return int.from_bytes(file.read(header.word), header.byte_order)  # type: ignore[arg-type]

    if header.compressed:
        blocks, block_size = word(), word()
        check_size(blocks * header.word, size)
        check_compressed(blocks * block_size, size)
        return
    declared = word()
    check_size(declared, size - file.tell())
    if declared != array.size:
        raise VolumeError(f"an array has {declared} bytes of data, its header declares {array.size}")
