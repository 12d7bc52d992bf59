"""Caffe's text format: from a file to a ``NetParameter``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ModelError
from ..files import check_file
from .content import CAFFEMODEL, HDF5, looks_like, other_text
from .scan import Scan, scan
from .schema import message
from .unknown import Unknown

# A network of 1000 layers has 1 MB.
_LARGEST = 64 << 20
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_COMMENT_OR_STRING = re.compile(r"""("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|#[^\n]*""")
_POSITION = re.compile(r"^\d+:\d+ : (?:'.*?': )?(?=[A-Z])", re.DOTALL)
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
# Whether a layer belongs to the network hangs on them, so an unknown value is an error.
_RULE = "NetStateRule"
_V1_TYPE = ("V1LayerParameter", "type")
_SOLVER_FIELDS = {
    "net",
    "train_net",
    "test_net",
    "base_lr",
    "lr_policy",
    "max_iter",
    "test_iter",
    "solver_mode",
}


# What to do about some of the parser's complaints.
_HINTS = {
    "V1LayerParameter.LayerType": "; a type in quotes makes it a 'layer', not 'layers'",
    "Expected string but found": "; write it in quotes",
}


@dataclass(frozen=True)
class ParsedText:
    """A prototxt.

    Parameters
    ----------
    message : protobuf message
        Its ``NetParameter``.
    unknown : tuple of Unknown
        Fields that the schema does not have and that may matter; the message lacks them. And values of
        enumerations; the message has another in their place.
    types : mapping of int to str
        Types of V1 that the schema does not have, by the layer's place in the file, from 0.
    """

    message: Any
    unknown: tuple[Unknown, ...] = ()
    types: Mapping[int, str] = field(default_factory=dict)


def read_text(path: Path) -> ParsedText:
    """Read a network's description in text format.

    A byte order mark, which editors on Windows write, is left out; Caffe itself refuses such a file.

    Parameters
    ----------
    path : Path
        A prototxt.

    Returns
    -------
    ParsedText
        What it says.

    Raises
    ------
    ModelError
        If it is no text, or not in the format.
    """
    return parse_text(_text_of(path), path)


def parse_text(text: str, path: Path) -> ParsedText:
    """Parse a network's description; `path` is for messages. See `read_text`."""
    from google.protobuf import text_format

    net = message("NetParameter")
    try:
        text_format.Parse(text, net)
    except text_format.ParseError:
        return _parse_what_is_known(text, path)
    except RecursionError:
        raise ModelError(f"{path}: messages are nested too deep for a network description") from None
    return ParsedText(net)


def _parse_what_is_known(text: str, path: Path) -> ParsedText:
    from google.protobuf import text_format

    net = message("NetParameter")
    found = scan(text, net.DESCRIPTOR)
    if not found.layers and _SOLVER_FIELDS & set(found.fields):
        raise ModelError(f"{path}: describes a solver; give the network that its 'net' field names")
    values = [u for u in found.unknown if u.value is not None and u.layer is not None and u.message != _RULE]
    try:
        text_format.Parse(_with_known(text, values), net, allow_unknown_field=True)
    except text_format.ParseError as error:
        if found.fields and set(net.DESCRIPTOR.fields_by_name).isdisjoint(found.fields):
            raise ModelError(f"{path}: is no prototxt: nothing in it belongs to a network") from None
        raise ModelError(f"{path}: {_explain(error, found)}") from None
    except RecursionError:
        raise ModelError(f"{path}: messages are nested too deep for a network description") from None
    types = {u.layer: u.value for u in values if (u.message, u.name) == _V1_TYPE and u.layer is not None}
    unknown = (u for u in found.unknown if not u.is_harmless and (u.message, u.name) != _V1_TYPE)
    return ParsedText(net, tuple(unknown), {layer: kind for layer, kind in types.items() if kind})


def _with_known(text: str, values: Iterable[Unknown]) -> str:
    """Return a text with the first value of its enumeration in place of each unknown one."""
    pieces, copied = [], 0
    for unknown in values:
        pieces += [text[copied : unknown.start], unknown.known[0]]
        copied = unknown.start + len(unknown.value or "")
    return "".join([*pieces, text[copied:]])


def _explain(error: Any, found: Scan) -> str:
    """Return the parser's complaint as one line, with the layer around it."""
    line = error.GetLine() or 1
    layer = found.layer_at(line)
    where = f"line {line}" + (f" (layer {layer!r})" if layer is not None else "")
    what = " ".join(_POSITION.sub("", str(error)).replace("caffe.", "").split())
    hint = next((hint for words, hint in _HINTS.items() if words in what), "")
    return f"{where}: {what if len(what) < 200 else what[:197] + '...'}{hint}"


def _text_of(path: Path) -> str:
    check_file(path, "a network's description", ModelError)
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    if not data.strip():
        raise ModelError(f"{path}: is empty")
    if data.startswith(_UTF16):
        raise ModelError(f"{path}: is text in UTF-16: save it as UTF-8")
    if _BINARY.search(data):
        raise ModelError(f"{path}: is no prototxt: {_binary(data)}")
    if len(data) > _LARGEST:
        raise ModelError(f"{path}: has more than {_LARGEST >> 20} MB, too much for a network description")
    text = _decoded(data, path)
    kind = other_text(text)
    if kind is not None:
        raise ModelError(f"{path}: is no prototxt: it looks like {kind}")
    return text


def _binary(data: bytes) -> str:
    """Say what a binary file is."""
    kind = looks_like(data)
    hint = "; weights go with their .prototxt: --weights" if kind in (CAFFEMODEL, HDF5) else ""
    return f"it looks like {kind}{hint}" if kind else "it is binary; perhaps the file of weights"


def _decoded(data: bytes, path: Path) -> str:
    """Return bytes as text; comments may be in any encoding, as for Caffe."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("utf-8-sig", errors="replace")
    bare = _COMMENT_OR_STRING.sub(lambda match: match[1] or "", text)
    if "\ufffd" in bare:
        line = bare[: bare.index("\ufffd")].count("\n") + 1
        raise ModelError(f"{path}: line {line}: is not UTF-8 text; save the file in that encoding")
    return text
