"""The contents of legacy .vtk files of structured points.

Read here and not by VTK, whose reader ends the process at many damaged files.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from ._files import check_size
from .errors import VolumeError
from .volume import Vector

_DTYPES = {
    "char": "i1",
    "signed_char": "i1",
    "unsigned_char": "u1",
    "short": ">i2",
    "unsigned_short": ">u2",
    "int": ">i4",
    "vtkidtype": ">i4",
    "unsigned_int": ">u4",
    "long": ">i8",
    "unsigned_long": ">u8",
    "vtktypeint64": ">i8",
    "vtktypeuint64": ">u8",
    "float": ">f4",
    "double": ">f8",
}
_COMPONENTS = {"VECTORS": 3, "NORMALS": 3, "TENSORS": 9, "TENSORS6": 6, "GLOBAL_IDS": 1, "PEDIGREE_IDS": 1}
_WORD = re.compile(rb"\S+")


@dataclass
class LegacyFile:
    """The grid, the scalar point data in their order, and the texts of the field data."""

    size: tuple[int, int, int] = (0, 0, 0)
    spacing: Vector = (1.0, 1.0, 1.0)
    origin: Vector = (0.0, 0.0, 0.0)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    active: str | None = None
    texts: dict[str, str] = field(default_factory=dict)


def parse(path: Path) -> LegacyFile:
    """Parse a file.

    Raises
    ------
    VolumeError
        If it is no legacy VTK file of structured points, or has less data than it declares.
    """
    source = _Source(path.read_bytes())
    if not source.line().startswith("# vtk DataFile"):
        raise VolumeError("it is no legacy VTK file: the first line must be `# vtk DataFile Version ...`")
    source.line()
    source.binary = source.words()[:1] == ["BINARY"]
    kind = " ".join(source.words()[1:]).upper()
    if kind != "STRUCTURED_POINTS":
        raise VolumeError(f"it holds {kind or 'no data set'}, not STRUCTURED_POINTS")
    found = LegacyFile()
    section = "FIELD"
    while words := source.words():
        keyword, *values = words
        if keyword in ("POINT_DATA", "CELL_DATA"):
            section = keyword
            if section == "POINT_DATA" and int(values[0]) != math.prod(found.size):
                raise VolumeError(f"it has {values[0]} points, its dimensions are {found.size}")
        elif keyword in ("DIMENSIONS", "SPACING", "ASPECT_RATIO", "ORIGIN"):
            _grid(found, keyword, values)
        elif keyword == "METADATA":
            source.skip_paragraph()
        elif keyword == "FIELD":
            _field(found, source, section, int(values[1]))
        else:
            _attribute(found, source, section, words)
    return found


def _grid(found: LegacyFile, keyword: str, values: list[str]) -> None:
    x, y, z = values[:3]
    if keyword == "DIMENSIONS":
        found.size = (int(x), int(y), int(z))
    elif keyword == "ORIGIN":
        found.origin = (float(x), float(y), float(z))
    else:
        found.spacing = (float(x), float(y), float(z))


def _field(found: LegacyFile, source: _Source, section: str, count: int) -> None:
    for _ in range(count):
        while (line := source.line()).upper() in ("", "METADATA"):
            if line:
                source.skip_paragraph()
        name, components, tuples, kind = line.split()
        total = int(components) * int(tuples)
        if kind.lower() != "string":
            _keep(found, section, name, int(components), source.numbers(kind, total))
            continue
        check_size(total, source.left)
        texts = [source.text() for _ in range(total)]
        if section == "FIELD" and texts:
            found.texts[unquote(name)] = texts[0]


def _attribute(found: LegacyFile, source: _Source, section: str, words: list[str]) -> None:
    keyword, name, *rest = words
    points = math.prod(found.size)
    if keyword == "SCALARS":
        components = int(rest[1]) if len(rest) > 1 else 1
        source.skip_line("LOOKUP_TABLE")
        _keep(found, section, name, components, source.numbers(rest[0], components * points))
        if section == "POINT_DATA" and found.active is None:
            found.active = unquote(name)
    elif keyword == "LOOKUP_TABLE":
        source.numbers("unsigned_char" if source.binary else "float", 4 * int(rest[0]))
    elif keyword == "COLOR_SCALARS":
        source.numbers("unsigned_char" if source.binary else "float", int(rest[0]) * points)
    elif keyword == "TEXTURE_COORDINATES":
        source.numbers(rest[1], int(rest[0]) * points)
    elif keyword in _COMPONENTS:
        source.numbers(rest[0], _COMPONENTS[keyword] * points)
    else:
        raise VolumeError(f"it has the unknown keyword {keyword[:40]!r}")


def _keep(found: LegacyFile, section: str, name: str, components: int, numbers: NDArray[Any]) -> None:
    if section == "POINT_DATA" and components == 1 and numbers.size == math.prod(found.size):
        found.arrays[unquote(name)] = numbers.reshape(found.size[::-1])


class _Source:
    """Goes through the bytes of a file, by lines and by blocks of numbers."""

    def __init__(self, content: bytes) -> None:
        self.binary = False
        self._content = content
        self._place = 0

    @property
    def left(self) -> int:
        return len(self._content) - self._place

    def line(self) -> str:
        """Return the next line, without blanks around it; nothing at the end."""
        end = self._content.find(b"\n", self._place)
        end = len(self._content) if end < 0 else end
        line = self._content[self._place : end].decode("utf-8", "replace").strip()
        self._place = end + 1
        return line

    def words(self) -> list[str]:
        """Return the words of the next line that has some, the first in upper case; none at the end."""
        while self.left > 0:
            first, *rest = self.line().split() or [""]
            if first:
                return [first.upper(), *rest]
        return []

    def skip_line(self, keyword: str) -> None:
        if self._content[self._place :][: len(keyword)].upper() == keyword.encode("ascii"):
            self.line()

    def skip_paragraph(self) -> None:
        while self.left > 0 and self.line():
            pass

    def numbers(self, kind: str, count: int) -> NDArray[Any]:
        """Return numbers of one of VTK's types."""
        dtype = np.dtype(_DTYPES[kind.lower()])
        if not self.binary:
            return self._ascii_numbers(dtype, count)
        check_size(count * dtype.itemsize, self.left)
        numbers = np.frombuffer(self._content, dtype, count, self._place)
        self._place += count * dtype.itemsize
        return numbers

    def _ascii_numbers(self, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
        words = list(islice(_WORD.finditer(self._content, self._place), count))
        if len(words) < count:
            raise VolumeError(f"it declares {count} numbers and has {len(words)}")
        self._place = words[-1].end() if words else self._place
        return np.array([word[0].decode("ascii") for word in words], dtype=str).astype(dtype)

    def text(self) -> str:
        """Return a string: in binary files behind its length, whose first two bits tell how long that is."""
        if not self.binary:
            return unquote(self.line())
        check_size(1, self.left)
        size = {0b11: 1, 0b10: 2, 0b01: 4, 0b00: 8}[self._content[self._place] >> 6]
        word = int.from_bytes(self._content[self._place : self._place + size], "big")
        length = word & ((1 << (8 * size - 2)) - 1)
        check_size(size + length, self.left)
        start = self._place + size
        self._place = start + length
        return self._content[start : self._place].decode("utf-8")
