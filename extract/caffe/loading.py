"""Loading a Caffe network and its weights."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from converters.errors import CnnVisWarning

from ..errors import ModelError
from ..files import is_utf8
from ..model import Model, Source
from ..parts import Layer
from .aliasing import aliased
from .caffemodel import carried_net, read_weights
from .content import CAFFEMODEL, kind_of_file
from .importer import ImportedNet, import_net
from .prototxt import Sizes, net_of, read_net
from .transform import transform_preprocessing

if TYPE_CHECKING:
    from ..preprocessing import Preprocessing
    from ..pycaffe import PycaffeEngine
    from .net import Net
    from .stored import StoredWeights

# Names in one message.
_LISTED = 8


def load_caffe(
    path: Path,
    weights: Path | None = None,
    *,
    sizes: Sizes = None,
    stages: Sequence[str] = (),
    fed: Mapping[str, Sequence[int]] = MappingProxyType({}),
    in_caffe: bool = False,
) -> Model:
    """Load a Caffe network.

    Parameters
    ----------
    path : Path
        A .prototxt, or a .caffemodel that carries its network.
    weights : Path, optional
        The weights of a .prototxt.
    sizes : sequence of int, or mapping of str to sequence of int, optional
        Height and width of the first input, or the sizes of inputs by blob, instead of the file's.
    stages : sequence of str
        Stages, besides those that the file's own ``state`` names.
    fed : mapping of str to sequence of int
        Shapes of blobs that layers write which are not known here, so that the layers behind them are.
    in_caffe : bool
        Whether a real Caffe will run it: then fields and layers that are not known here are left to it.

    Raises
    ------
    ModelError
        If a file is missing or damaged, the network is one that Caffe would refuse, or the weights do not
        fit.
    """
    alone = weights is None and (path.suffix.lower() == ".caffemodel" or kind_of_file(path) == CAFFEMODEL)
    weights = path if alone else weights
    stored = None if weights is None else _nameable(read_weights(weights))
    if alone:
        net = net_of(carried_net(path), path, sizes=sizes, stages=stages, stored=stored)
    else:
        net = read_net(path, sizes=sizes, stages=stages, strict=not in_caffe, stored=stored)
    # a file may have a name that is no UTF-8; ONNX cannot say it
    net = replace(net, name=net.name or path.stem.encode(errors="replace").decode())
    try:
        shapes = {blob.removeprefix("blob:"): tuple(shape) for blob, shape in fed.items()}
        imported = import_net(net, stored, shapes, in_caffe=in_caffe)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    if stored is not None:
        _check_match(net, imported, stored)
    layers = tuple(
        Layer(layer.name, layer.type, layer.tensors, layer.parameters, layer.blobs)
        for layer in imported.layers
        if layer.tensors
    )
    files = tuple(dict.fromkeys(file for file in (path, weights) if file is not None))
    folder = (weights or path).parent
    engine = _engine(net, imported, weights) if in_caffe else None
    source = Source(
        path=path,
        files=files,
        folder=folder,
        weights=imported.weights,
        layers=layers,
        blobs=imported.blobs,
        filled=imported.filled,
        preprocessing=functools.partial(_preprocessing, net) if net.transform is not None else None,
        runner=None if engine is None else engine.runner,
        differentiator=None if engine is None else engine.differentiator,
    )
    model = Model(imported.proto, source)
    for note in _notes(net, model, stored):
        warnings.warn(f"{path}: {note}", CnnVisWarning, stacklevel=3)
    return model


def _engine(net: Net, imported: ImportedNet, weights: Path | None) -> PycaffeEngine:
    from ..pycaffe import PycaffeEngine

    return PycaffeEngine(net, imported.layers, weights, imported.filled)


def _nameable(stored: StoredWeights) -> StoredWeights:
    """Return weights without their places in a file whose name ONNX cannot say; they are read by us then."""
    if is_utf8(stored.path.name):
        return stored
    layers = {
        name: tuple(blob and replace(blob, offset=None) for blob in blobs)
        for name, blobs in stored.layers.items()
    }
    return replace(stored, layers=layers)


def _preprocessing(net: Net) -> Preprocessing:
    """Return what a network's data layer does with pictures."""
    try:
        return transform_preprocessing(net.transform, net.inputs[0].shape, net.path.parent)
    except ModelError as error:
        raise ModelError(f"{net.path}: {error}") from error


def _notes(net: Net, model: Model, stored: StoredWeights | None) -> Iterator[str]:
    """Yield what a user should know although the network is loaded."""
    filled = frozenset(model.source.filled)
    layers = [n.name for n in model.layers.values() if not filled.isdisjoint(n.parameters)]
    if stored is None:
        if layers:
            yield f"no file of weights: {_stand_ins(model, filled)}"
    elif layers:
        more = f" and {len(layers) - _LISTED} more" if len(layers) > _LISTED else ""
        yield f"{stored.path} has no weights for {', '.join(layers[:_LISTED])}{more}: filled, seeded"
    yield from aliased(net)


def _stand_ins(model: Model, filled: Collection[str]) -> str:
    """Say what a network's fillers give it, told by the first of its weights."""
    weights = (n.named_parameters.get("weight") for n in model.layers.values())
    first = next((tensor for tensor in weights if tensor in filled), None)
    if first is not None and not model.values([first])[first].any():
        return "the network names no fillers, so its weights are 0 (--weights FILE.caffemodel gives others)"
    return "parameters come from the network's fillers, seeded"


def _check_match(net: Net, imported: ImportedNet, stored: StoredWeights) -> None:
    """Raise a ModelError if none of a network's layers has weights in the file."""
    wanted = [layer for layer in imported.layers if layer.parameters]
    parameters = {tensor for layer in wanted for tensor in layer.parameters.values()}
    if parameters and parameters <= set(imported.filled):
        raise ModelError(
            f"{stored.path}: its layers ({_some(stored.layers)}) are none of those of {net.path} "
            f"({_some(layer.name for layer in wanted)}): weights of another network?"
        )


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
