"""Loading a network of any kind."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from .caffe.content import CAFFEMODEL, kind_of_file
from .errors import ModelError
from .metadata import blobs_of
from .model import Model, Source
from .onnx_file import is_text_form, read_onnx
from .settings import nearest

ENGINES = ("onnxruntime", "pycaffe")
# Bytes at the beginning of a file that tell text from binary.
_GLANCE = 1024
_ONNX = (".onnx", ".ort", ".pb")
# What onnx's text forms begin with, and no prototxt.
_ONNX_WORDS = re.compile(r"\b(ir_version|irVersion|opset_import|opsetImport|producer_name|graph)\b")


def load_model(
    path: str | Path,
    weights: str | Path | None = None,
    engine: str = "onnxruntime",
    size: Sequence[int] | None = None,
    stages: Sequence[str] = (),
    fed: Mapping[str, Sequence[int]] = MappingProxyType({}),
) -> Model:
    """Load a network.

    Parameters
    ----------
    path : str or Path
        An ONNX file, of operator set 7 or later; weights may lie in other files inside its folder. Or a
        Caffe network: a .prototxt, or a .caffemodel that carries its network.
    weights : str or Path, optional
        The weights of a .prototxt: a .caffemodel, or Caffe's HDF5 form of it. Without them, and for layers
        that they do not hold, parameters come from the network's own fillers, seeded.
    engine : {"onnxruntime", "pycaffe"}
        What runs and differentiates it. ``pycaffe`` has a Caffe network run in Caffe, in the Python
        interpreter that the environment variable CNNVIS_CAFFE_PYTHON names; names and values mean the same.
    size : sequence of int, optional
        Height and width, channels and these, or the whole shape of a Caffe network's first input, instead
        of what its file says. Of no use to ONNX models, whose sizes are open or are not.
    stages : sequence of str
        For Caffe networks whose layers belong to stages, such as ``deploy``: those that are wanted.
    fed : mapping of str to sequence of int
        For Caffe networks with layers that are not known here: shapes of blobs that these write and that will
        be fed, so that the layers behind them can be loaded.

    Raises
    ------
    ModelError
        If a file is missing, damaged, or not a model that can be run, or the weights do not fit.
    """
    path = Path(path)
    if engine not in ENGINES:
        raise ModelError(f"unknown engine {engine!r}{nearest(engine, ENGINES)}")
    if weights is not None and path.suffix.lower() in _ONNX:
        raise ModelError(f"{path}: only a .prototxt takes a file of weights; an ONNX model finds its own")
    if weights is not None or is_caffe(path):
        from .caffe.loading import load_caffe

        given = None if weights is None else Path(weights)
        return load_caffe(path, given, sizes=size, stages=stages, fed=fed, in_caffe=engine == "pycaffe")
    if engine == "pycaffe":
        raise ModelError(f"{path}: the pycaffe engine runs Caffe networks, and this is none")
    file = read_onnx(path)
    source = Source(path, (path, *file.others), file.folder, blobs=blobs_of(file.proto))
    return Model(file.proto, source)


def is_caffe(path: Path) -> bool:
    """Return whether a file is a Caffe network, by its name or by what it holds."""
    suffix = path.suffix.lower()
    if suffix in (".prototxt", ".caffemodel"):
        return True
    if suffix in _ONNX or not path.is_file():
        return False
    text = _beginning(path)
    if text is None:
        return kind_of_file(path) == CAFFEMODEL
    return not (is_text_form(path) and _ONNX_WORDS.search(text))


def _beginning(path: Path) -> str | None:
    """Return the first characters of a text file, None if it is binary or empty."""
    try:
        with path.open("rb") as file:
            text = file.read(_GLANCE).decode("utf-8-sig", errors="ignore")
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error
    return text if text and all(c.isprintable() or c.isspace() for c in text) else None
