"""Networks without some of their filters, as files: ONNX, or a Caffe network's own file of weights."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from converters.staging import staging

from .errors import ModelError
from .filters import Filters
from .graph import stub
from .model import Model
from .naming import Names
from .to_onnx import save_onnx
from .weight import Weight

if TYPE_CHECKING:
    import onnx

Removed = Mapping[Filters, Sequence[int]]

WEIGHT_SUFFIXES = (".caffemodel", ".h5")


def save_pruned(model: Model, removed: Removed, path: Path) -> list[Path]:
    """Write a network whose chosen filters are zero: their weights, and their biases.

    Parameters
    ----------
    model : Model
        The network.
    removed : mapping of Filters to sequence of int
        Which filters of which layers.
    path : Path
        An .onnx file, for any network; or for a Caffe network a file of weights in the form of its own, of
        the suffix .caffemodel or .h5: a copy of it, in which only these values differ. Its folder must exist.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    ModelError
        If the form does not suit the network, the file would replace one of the network's own, or the
        parameters are not in its file of weights.
    """
    if path.suffix.lower() in WEIGHT_SUFFIXES:
        return _save_weights(model, removed, path)
    return save_onnx(pruned(model, removed), path)


def pruned(model: Model, removed: Removed) -> Model:
    """Return a network whose chosen filters are zero; parameters are read when they are needed.

    Parameters
    ----------
    model : Model
        The network; it is left as it is.
    removed : mapping of Filters to sequence of int
        Which filters of which layers.
    """
    import onnx

    if model.source.runner is not None:
        raise ModelError(f"{model.path}: Caffe reads its own weights; this needs the onnxruntime engine")
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    weights = dict(model.source.weights)
    for filters, chosen in removed.items():
        for tensor in filter(None, (filters.weight, filters.bias)):
            read = functools.partial(_zeroed, model, filters, tensor, tuple(chosen))
            stored = onnx.numpy_helper.from_array(read(), tensor)
            _take_out(proto, tensor, model)
            if stored.data_type == onnx.TensorProto.FLOAT:
                weights[tensor] = Weight(tuple(stored.dims), read)
                stored = stub(stored)
            proto.graph.initializer.append(stored)
    return Model(proto, replace(model.source, weights=weights))


def _zeroed(model: Model, filters: Filters, tensor: str, chosen: Sequence[int]) -> NDArray[Any]:
    return filters.without(model.values([tensor])[tensor], chosen)


def _take_out(proto: onnx.ModelProto, tensor: str, model: Model) -> None:
    """Let nothing in a graph give a tensor's value any more."""
    graph = proto.graph
    for stored in [stored for stored in graph.initializer if stored.name == tensor]:
        graph.initializer.remove(stored)
    for node in graph.node:
        if tensor in node.output:
            place = list(node.output).index(tensor)
            node.output[place] = Names(model.tensors).fresh(f"{tensor}:whole")


def _save_weights(model: Model, removed: Removed, path: Path) -> list[Path]:
    """Write the file of weights of a Caffe network anew."""
    from .caffe.patching import is_hdf5_file, write_zeroed

    source = model.source.files[-1]
    if not model.source.blobs:
        raise ModelError(f"{path}: only a Caffe network has such a file of weights, {model.path} needs .onnx")
    if source.suffix.lower() == ".prototxt":
        raise ModelError(f"{model.path}: has no file of weights of which {path.name} could be a copy")
    hdf5 = is_hdf5_file(source)
    if hdf5 != (path.suffix.lower() == ".h5"):
        form = ".caffemodel.h5" if hdf5 else ".caffemodel"
        raise ModelError(f"{path}: {source} is a {form}, and this, a copy of it, must be called so")
    if path.is_dir():
        raise ModelError(f"{path}: is a folder; the file of weights needs a name of its own")
    if any(path.exists() and path.samefile(file) for file in model.source.files):
        raise ModelError(f"{path}: is a file of the network that is read; write to another one")
    places = {}
    for filters, chosen in removed.items():
        layer = model.layers[filters.layer]
        for number, (role, tensor) in enumerate(layer.named_parameters.items()):
            if tensor in model.source.filled:
                raise ModelError(f"{source}: has no {role} of layer {layer.name!r} that could be zeroed")
            shape = filters.shape if tensor == filters.weight else (filters.count,)
            left = filters.without(np.ones(shape, bool), chosen)
            places[layer.name, number] = np.flatnonzero(~left)
    with staging(path.parent) as folder:
        write_zeroed(source, folder / path.name, places)
    return [path]
