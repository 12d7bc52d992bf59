"""Caffe's text format: from a file to a ``NetParameter``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ..errors import ModelError
from .scan import Scan, UnknownField, scan
from .schema import message

# A network of 1000 layers has 1 MB.
_LARGEST = 64 << 20
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_COMMENT_OR_STRING = re.compile(r"""("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|#[^\n]*""")
_POSITION = re.compile(r"^\d+:\d+ : (?:'.*?': )?(?=[A-Z])", re.DOTALL)
_SIGNATURES = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "packed by gzip: unpack it first",
    b"\x89HDF": "an HDF5 file: perhaps the file of weights",
    b"\xef\xbb\xbf": "text with a byte order mark, which Caffe refuses: save it as UTF-8 without one",
    b"\xff\xfe": "text in UTF-16: save it as UTF-8",
    b"\xfe\xff": "text in UTF-16: save it as UTF-8",
}
# Fields of forks, as MESSAGE.FIELD, that change nothing that a trained network computes: choices among
# implementations, precision of arithmetic on a GPU, training, debugging.
_HARMLESS = (
    "*.engine",
    "*.cudnn_*",
    "*.conv_algos_override",
    "*.debug",
    "*.visualize",
    "*.need_backward",
    "NetParameter.default_*",
    "NetParameter.global_grad_scale*",
    "NetParameter.reduce_buckets",
    "LayerParameter.forward_type",
    "LayerParameter.backward_type",
    "LayerParameter.forward_math",
    "LayerParameter.backward_math",
    "LayerParameter.blobs_lr",
    "LayerParameter.weight_decay",
    "BatchNormParameter.moving_average_*",
    "BatchNormParameter.momentum",
    "BNParameter.moving_average*",
    "ParamSpec.*",
    "LossParameter.*",
    "FillerParameter.*",
)
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


@dataclass(frozen=True)
class ParsedText:
    """A prototxt.

    Parameters
    ----------
    message : protobuf message
        Its ``NetParameter``.
    unknown : tuple of UnknownField
        Fields that the schema does not have and that may matter; the message lacks them.
    """

    message: Any
    unknown: tuple[UnknownField, ...] = ()


def read_text(path: Path) -> ParsedText:
    """Read a network's description in text format.

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


def describe_unknown(field: UnknownField, layer: str | None) -> str:
    """Return a line about an unknown field: where it is, and how to go on."""
    where = "the network" if layer is None else f"layer {layer!r}"
    return (
        f"line {field.line}: {where} has an unknown field {field.name!r} (of {field.message}); "
        "a Caffe that knows it can run the network: --engine pycaffe"
    )


def _parse_what_is_known(text: str, path: Path) -> ParsedText:
    from google.protobuf import text_format

    net = message("NetParameter")
    found = scan(text, net.DESCRIPTOR)
    if not found.layers and _SOLVER_FIELDS & set(found.fields):
        raise ModelError(f"{path}: describes a solver; give the network that its 'net' field names")
    try:
        text_format.Parse(text, net, allow_unknown_field=True)
    except text_format.ParseError as error:
        raise ModelError(f"{path}: {_explain(error, found)}") from None
    except RecursionError:
        raise ModelError(f"{path}: messages are nested too deep for a network description") from None
    return ParsedText(net, tuple(field for field in found.unknown if not _is_harmless(field)))


def _is_harmless(field: UnknownField) -> bool:
    return any(fnmatchcase(f"{field.message}.{field.name}", pattern) for pattern in _HARMLESS)


def _explain(error: Any, found: Scan) -> str:
    """Return the parser's complaint as one line, with the layer around it."""
    line = error.GetLine() or 1
    layer = found.layer_at(line)
    where = f"line {line}" + (f" (layer {layer!r})" if layer is not None else "")
    what = " ".join(_POSITION.sub("", str(error)).replace("caffe.", "").split())
    return f"{where}: {what if len(what) < 200 else what[:197] + '...'}"


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from None
    if not data.strip():
        raise ModelError(f"{path}: is empty")
    for signature, what in _SIGNATURES.items():
        if data.startswith(signature):
            raise ModelError(f"{path}: is no prototxt but {what}")
    if _BINARY.search(data):
        raise ModelError(f"{path}: is no prototxt: it is binary; perhaps the file of weights")
    if len(data) > _LARGEST:
        raise ModelError(f"{path}: has more than {_LARGEST >> 20} MB, too much for a network description")
    return _decoded(data, path)


def _decoded(data: bytes, path: Path) -> str:
    """Return bytes as text; comments may be in any encoding, as for Caffe."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("utf-8", errors="replace")
    bare = _COMMENT_OR_STRING.sub(lambda match: match[1] or "", text)
    if "\ufffd" in bare:
        line = bare[: bare.index("\ufffd")].count("\n") + 1
        raise ModelError(f"{path}: line {line}: is not UTF-8 text; save the file in that encoding")
    return text
