"""What a file is that was given in place of a network or its weights, for messages."""

from __future__ import annotations

import mmap
import re
from collections.abc import Mapping
from pathlib import Path

from .. import wire

# Where the signature of an HDF5 file may lie: behind a block of the user's, of one of these sizes.
_HDF5_PLACES = (0, *(512 << power for power in range(12)))
_HDF5 = b"\x89HDF\r\n\x1a\n"
HDF5 = "an HDF5 file"

_SIGNATURES: Mapping[bytes, str] = {
    b"\x89PNG\r\n\x1a\n": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"BM": "a BMP picture",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a zip archive (unpack it first)",
    b"\x1f\x8b": "a gzip archive (unpack it first)",
    b"BZh": "a bzip2 archive (unpack it first)",
    b"\xfd7zXZ": "an xz archive (unpack it first)",
    b"7z\xbc\xaf": "a 7-Zip archive (unpack it first)",
    b"Rar!": "a RAR archive (unpack it first)",
    b"\x93NUMPY": "a NumPy array",
    b"\x7fELF": "a program",
    _HDF5: HDF5,
}
# How a prototxt cannot begin.
_OTHER_TEXTS: Mapping[str, str] = {
    r"version https://git-lfs": "a Git LFS pointer: the file itself was not fetched (git lfs pull)",
    r"\s*<": "a web page or other markup",
    r"""\s*(\{\s*"|\[\s*["\d{\[])""": "JSON",
    r"(\s*[#;][^\n]*\n)*\s*\[[a-z]\w*\]": "a configuration in sections, such as Darknet's .cfg",
}
_TEXTS: Mapping[str, str] = {
    **_OTHER_TEXTS,
    r"(?s).*?\b(layers?|input|input_dim|layer_param)\s*[:{]": "a network's description, a prototxt",
    r"": "a text",
}
ONNX = "an ONNX model"
CAFFEMODEL = "a caffemodel"
BLOB = "a single blob, such as a mean (.binaryproto)"
SOLVERSTATE = "the state of a solver (.solverstate); the weights are in the .caffemodel beside it"
# By fields that only such a message has, or all that are before it in this table lack.
_MESSAGES: Mapping[frozenset[tuple[int, int]], str] = {
    frozenset({(1, wire.VARINT), (7, wire.BYTES)}): ONNX,
    frozenset({(100, wire.BYTES)}): CAFFEMODEL,
    frozenset({(5, wire.BYTES)}): BLOB,
    frozenset({(1, wire.VARINT), (2, wire.BYTES)}): SOLVERSTATE,
    frozenset({(1, wire.VARINT), (3, wire.BYTES)}): SOLVERSTATE,
    frozenset({(2, wire.BYTES)}): CAFFEMODEL,
}
_HEAD = 4096
# Fields of a message to look at.
_MOST_FIELDS = 1000


def is_hdf5(buffer: wire.Buffer) -> bool:
    """Whether a file's bytes have the signature of HDF5."""
    return any(buffer[place : place + len(_HDF5)] == _HDF5 for place in _HDF5_PLACES)


def looks_like(buffer: wire.Buffer) -> str | None:
    """Return what a file that is not what it should be looks like, such as ``"a PNG picture"``.

    Parameters
    ----------
    buffer : bytes-like or memory map
        All of the file.

    Returns
    -------
    str or None
        None if it could be anything.
    """
    head = bytes(buffer[:_HEAD])
    for signature, kind in _SIGNATURES.items():
        if head.startswith(signature):
            return kind
    if (text := _text(head)) is not None:
        return next(kind for pattern, kind in _TEXTS.items() if re.match(pattern, text))
    found = _first_fields(buffer)
    return next((kind for needed, kind in _MESSAGES.items() if needed <= found), None)


def kind_of_file(path: Path) -> str | None:
    """Return what a file that is not what it should be looks like; see `looks_like`.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str or None
        None if it could be anything, or cannot be read. `ONNX` of what begins like an ONNX model.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
            return looks_like(buffer)
    except (OSError, ValueError):  # mmap refuses an empty file by a ValueError
        return None


def other_text(text: str) -> str | None:
    """Return what a text looks like that cannot be a prototxt, by its beginning; None if it can be one."""
    return next((kind for pattern, kind in _OTHER_TEXTS.items() if re.match(pattern, text)), None)


def _text(head: bytes) -> str | None:
    """Return a file's beginning if it is text; it may end inside a character."""
    text = head.decode("utf-8", "ignore")
    odd = len(head) - len(text.encode()) > 3 or re.search(r"[^\t\n\f\r -\x7e\x80-\U0010ffff]", text)
    return None if odd or not text else text


def _first_fields(buffer: wire.Buffer) -> set[tuple[int, int]]:
    found = set()
    try:
        for _, item in zip(range(_MOST_FIELDS), wire.fields(buffer), strict=False):
            found.add((item.number, item.kind))
    except wire.WireError:
        pass
    return found
