"""Loading a network of any kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import ModelError
from .external import entries, is_external
from .graph import graphs
from .model import Model, Source
from .settings import nearest

if TYPE_CHECKING:
    import onnx

ENGINES = ("onnxruntime", "pycaffe")
# Bytes at the beginning of a file that tell text from binary.
_GLANCE = 1024
_ONNX = (".onnx", ".ort", ".pb")


def load_model(
    path: str | Path,
    weights: str | Path | None = None,
    engine: str = "onnxruntime",
    size: Sequence[int] | None = None,
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
        What runs it. ``pycaffe`` runs a Caffe network in Caffe, in the Python interpreter that the
        environment variable CNNVIS_CAFFE_PYTHON names; names and values mean the same.
    size : sequence of int, optional
        Height and width of a Caffe network's first input, instead of those in its file. ONNX models leave
        their sizes open, or do not.

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
        return load_caffe(path, given, sizes=size, in_caffe=engine == "pycaffe")
    if engine == "pycaffe":
        raise ModelError(f"{path}: the pycaffe engine runs Caffe networks, and this is none")
    from .onnx_file import read_onnx

    proto = read_onnx(path)
    others = dict.fromkeys(path.parent / name for name in _locations(proto) if name != path.name)
    return Model(proto, Source(path, (path, *others), path.parent))


def is_caffe(path: Path) -> bool:
    """Return whether a file is a Caffe network, by its name, or else by being text."""
    suffix = path.suffix.lower()
    if suffix in (".prototxt", ".caffemodel"):
        return True
    return suffix not in _ONNX and path.is_file() and _is_text(path)


def _is_text(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            text = file.read(_GLANCE).decode("utf-8-sig", errors="ignore")
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error
    return bool(text) and all(c.isprintable() or c.isspace() for c in text)


def _locations(proto: onnx.ModelProto) -> list[str]:
    stored = (tensor for graph in graphs(proto.graph) for tensor in graph.initializer)
    return sorted({entries(tensor)["location"] for tensor in stored if is_external(tensor)})
