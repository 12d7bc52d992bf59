"""The contents of .vti files.

Read here and not by VTK, whose reader ends the process at many damaged files: it allocates what the header
declares, and trusts the sizes inside the data.
"""

from __future__ import annotations

import base64
import lzma
import math
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from ._files import check_compressed, check_size, inflate
from .errors import VolumeError

_TYPES = {
    **{f"Int{bits}": f"i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"UInt{bits}": f"u{bits // 8}" for bits in (8, 16, 32, 64)},
    "Float32": "f4",
    "Float64": "f8",
}
_ARRAY_TAGS = ("DataArray", "Array")


@dataclass(frozen=True)
class VtiFile:
    """A file of one piece: its elements' attributes, its arrays, and the bytes that these refer to."""

    file: Mapping[str, str]
    image: Mapping[str, str]
    points: Mapping[str, str]
    arrays: tuple[VtiArray, ...]
    appended: bytes
    appended_encoding: str

    @property
    def scalars(self) -> tuple[str, ...]:
        """The names of the point data arrays with one number a point."""
        return tuple(
            array.name
            for array in self.arrays
            if array.section == "PointData"
            and array.attributes.get("type") in _TYPES
            and int(array.attributes.get("NumberOfComponents") or 1) == 1
        )

    def array(self, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
        """Return a point data array.

        Raises
        ------
        VolumeError
            If the data are not as many as the shape needs.
        """
        array = next(array for array in self.arrays if array.section == "PointData" and array.name == name)
        dtype = np.dtype(self._order + _TYPES[array.attributes["type"]])
        count = math.prod(shape)
        if array.attributes.get("format") == "ascii":
            return np.array(array.text.split(), dtype=dtype).reshape(shape)
        return np.frombuffer(self._data(array, count * dtype.itemsize), dtype).reshape(shape)

    def text(self, name: str) -> str | None:
        """Return the first string of a field data array, None if there is no such array."""
        found = (a for a in self.arrays if a.section == "FieldData" and a.name == name)
        array = next(found, None)
        if array is None:
            return None
        if array.attributes.get("format") == "ascii":
            content = bytes(map(int, array.text.split()))
        else:
            content = self._data(array, None)
        return content.partition(b"\0")[0].decode("utf-8")

    @property
    def _order(self) -> str:
        return ">" if self.file.get("byte_order") == "BigEndian" else "<"

    def _data(self, array: VtiArray, expected: int | None) -> bytes:
        """Return the bytes of an array, of which there are as many as expected."""
        stream = self._stream(array)
        word = np.dtype(self._order + _TYPES[self.file.get("header_type", "UInt32")])
        compressor = self.file.get("compressor")
        data = _plain(stream, word) if compressor is None else _packed(stream, word, _DECOMPRESS[compressor])
        if expected is not None and len(data) != expected:
            raise VolumeError(
                f"array {array.name!r} has {len(data)} bytes of data, its header declares {expected}"
            )
        return data

    def _stream(self, array: VtiArray) -> memoryview:
        """Return the bytes of an array with the sizes in front of them; other arrays may follow."""
        if array.attributes.get("format") == "binary":
            return memoryview(_from_base64(array.text.encode("ascii")))
        offset = int(array.attributes["offset"])
        if self.appended_encoding == "raw":
            return memoryview(self.appended)[offset:]
        others = (
            int(a.attributes["offset"]) for a in self.arrays if a.attributes.get("format") == "appended"
        )
        end = min((other for other in others if other > offset), default=len(self.appended))
        return memoryview(_from_base64(self.appended[offset:end].partition(b"<")[0]))


@dataclass
class VtiArray:
    """An array's attributes, the section it belongs to, and the text inside its element."""

    section: str
    attributes: Mapping[str, str]
    pieces: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its name."""
        return self.attributes.get("Name", "values")

    @property
    def text(self) -> str:
        """The text inside its element."""
        return "".join(self.pieces)


def parse(path: Path) -> VtiFile:
    """Parse a file as far as the appended data.

    Raises
    ------
    VolumeError
        If it does not hold image data in one piece.
    ExpatError
        If it is no XML.
    """
    with path.open("rb") as file:
        parser = _Parser()
        start = parser.run(file)
        appended = b"" if start is None else _after_underscore(file, start)
    image = parser.only("ImageData")
    if parser.only("Piece").get("Extent") != image["WholeExtent"]:
        raise VolumeError("its piece does not fill its whole extent")
    return VtiFile(
        parser.only("VTKFile"),
        image,
        parser.elements.get("PointData", [{}])[0],
        tuple(parser.arrays),
        appended,
        parser.elements.get("AppendedData", [{}])[0].get("encoding", "base64"),
    )


class _Parser:
    """Gathers elements and arrays until the appended data, which may be no XML."""

    def __init__(self) -> None:
        self.elements: dict[str, list[dict[str, str]]] = {}
        self.arrays: list[VtiArray] = []
        self._open: list[str] = []
        self._expat = expat.ParserCreate()
        self._expat.StartElementHandler = self._begin
        self._expat.EndElementHandler = lambda tag: self._open.pop()
        self._expat.CharacterDataHandler = self._text

    def run(self, file: BinaryIO) -> int | None:
        """Parse; return where the element with the appended data begins, None if there is none."""
        try:
            self._expat.ParseFile(file)
        except _AppendedData as found:
            return found.start
        return None

    def only(self, tag: str) -> dict[str, str]:
        found = self.elements.get(tag, [])
        if len(found) != 1:
            raise VolumeError(f"it has {len(found)} elements {tag}, one is read")
        return found[0]

    def _begin(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "VTKFile" and attributes.get("type") != "ImageData":
            raise VolumeError(f"it holds {attributes.get('type')}, not ImageData")
        if tag in _ARRAY_TAGS:
            self.arrays.append(VtiArray(self._open[-1] if self._open else "", attributes))
        self._open.append(tag)
        self.elements.setdefault(tag, []).append(attributes)
        if tag == "AppendedData":
            raise _AppendedData(self._expat.CurrentByteIndex)

    def _text(self, text: str) -> None:
        if self._open[-1] in _ARRAY_TAGS:
            self.arrays[-1].pieces.append(text)


class _AppendedData(Exception):
    """Ends the parsing in front of the appended data."""

    def __init__(self, start: int) -> None:
        self.start = start


def _after_underscore(file: BinaryIO, start: int) -> bytes:
    file.seek(start)
    _, _, rest = file.read().partition(b">")
    return rest.partition(b"_")[2]


def _from_base64(text: bytes) -> bytes:
    """Decode base64 that may consist of several parts, each padded on its own."""
    parts = re.findall(rb"[A-Za-z0-9+/]+=*", b"".join(text.split()))
    return b"".join(map(base64.b64decode, parts))


def _plain(stream: memoryview, word: np.dtype[Any]) -> bytes:
    declared = _words(stream, word, 1)[0]
    check_size(declared, len(stream) - word.itemsize)
    return bytes(stream[word.itemsize : word.itemsize + declared])


def _packed(stream: memoryview, word: np.dtype[Any], decompress: Callable[[bytes, int], bytes]) -> bytes:
    """Decompress blocks: first come their number, their size, that of a short last one, the packed sizes."""
    count, size, last = _words(stream, word, 3)
    packed_sizes = _words(stream[3 * word.itemsize :], word, count)
    check_size(sum(packed_sizes), len(stream) - (3 + count) * word.itemsize)
    check_compressed(count * size, sum(packed_sizes))
    sizes = [size] * (count - 1) + [last or size] if count else []
    blocks, start = [], (3 + count) * word.itemsize
    for packed_size, block_size in zip(packed_sizes, sizes, strict=True):
        blocks.append(decompress(bytes(stream[start : start + packed_size]), block_size))
        start += packed_size
    return b"".join(blocks)


def _words(stream: memoryview, word: np.dtype[Any], count: int) -> list[int]:
    check_size(count * word.itemsize, len(stream))
    return [int(number) for number in np.frombuffer(stream, word, count)]


def _lz4(packed: bytes, size: int) -> bytes:
    from vtkmodules.vtkIOCore import vtkLZ4DataCompressor

    block: Any = np.zeros(size, np.uint8)
    source: Any = packed
    compressor = vtkLZ4DataCompressor()
    # an observer keeps VTK from telling on stderr
    compressor.AddObserver("ErrorEvent", lambda *_: None)
    if compressor.Uncompress(source, len(packed), block, size) != size:
        raise VolumeError("its LZ4 data are damaged")
    return bytes(block)


_DECOMPRESS: dict[str, Callable[[bytes, int], bytes]] = {
    "vtkZLibDataCompressor": lambda packed, size: inflate(zlib.decompressobj(), packed, size),
    "vtkLZMADataCompressor": lambda packed, size: inflate(lzma.LZMADecompressor(), packed, size),
    "vtkLZ4DataCompressor": _lz4,
}
