"""Loading a Caffe network and its weights."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from converters.errors import CnnVisWarning

from ..errors import ModelError
from ..model import Layer, Model, Source
from .aliasing import aliased
from .caffemodel import carried_net, read_weights
from .importer import ImportedNet, import_net
from .prototxt import Sizes, net_of, read_net
from .transform import transform_preprocessing

if TYPE_CHECKING:
    from ..preprocessing import Preprocessing
    from ..pycaffe import PycaffeRunner
    from .net import Net
    from .stored import StoredWeights

# Names in one message.
_LISTED = 8


def load_caffe(
    path: Path,
    weights: Path | None = None,
    *,
    sizes: Sizes = None,
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
    in_caffe : bool
        Whether a real Caffe will run it: then fields and layers that are not known here are left to it.

    Raises
    ------
    ModelError
        If a file is missing or damaged, the network is one that Caffe would refuse, or the weights do not
        fit.
    """
    if weights is None and path.suffix.lower() == ".caffemodel":
        weights, net = path, net_of(carried_net(path), path, sizes=sizes)
    else:
        net = read_net(path, sizes=sizes, strict=not in_caffe)
    stored = None if weights is None else read_weights(weights)
    try:
        imported = import_net(net, stored)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    if stored is not None:
        _check_match(net, imported, stored)
    for note in _notes(net, imported, stored):
        warnings.warn(f"{path}: {note}", CnnVisWarning, stacklevel=3)
    layers = tuple(
        Layer(layer.name, layer.type, layer.tensors, layer.parameters, layer.blobs)
        for layer in imported.layers
        if layer.tensors
    )
    files = tuple(dict.fromkeys(file for file in (path, weights) if file is not None))
    folder = (weights or path).parent
    source = Source(
        path,
        files,
        folder,
        imported.weights,
        layers,
        imported.blobs,
        imported.filled,
        functools.partial(_preprocessing, net) if net.transform is not None else None,
        _caffe_runner(net, imported, weights) if in_caffe else None,
    )
    return Model(imported.proto, source)


def _caffe_runner(
    net: Net, imported: ImportedNet, weights: Path | None
) -> Callable[[Model, Sequence[str]], PycaffeRunner]:
    from ..pycaffe import PycaffeRunner, find_caffe

    def runner(model: Model, tensors: Sequence[str]) -> PycaffeRunner:
        # Caffe would draw these by its own chance
        filled = model.values(imported.filled)
        caffe = find_caffe()
        with model.named_in_errors():
            return PycaffeRunner(caffe, net, imported.layers, tensors, weights=weights, parameters=filled)

    return runner


def _preprocessing(net: Net) -> Preprocessing:
    """Return what a network's data layer does with pictures."""
    try:
        return transform_preprocessing(net.transform, net.inputs[0].shape, net.path.parent)
    except ModelError as error:
        raise ModelError(f"{net.path}: {error}") from error


def _notes(net: Net, imported: ImportedNet, stored: StoredWeights | None) -> Iterator[str]:
    """Yield what a user should know although the network is loaded."""
    filled = frozenset(imported.filled)
    layers = [n.name for n in imported.layers if not filled.isdisjoint(n.parameters.values())]
    if stored is None:
        if layers:
            yield "no file of weights: parameters come from the network's fillers, seeded"
    elif layers:
        more = f" and {len(layers) - _LISTED} more" if len(layers) > _LISTED else ""
        yield f"{stored.path} has no weights for {', '.join(layers[:_LISTED])}{more}: filled, seeded"
    yield from aliased(net)


def _check_match(net: Net, imported: ImportedNet, stored: StoredWeights) -> None:
    """Raise a ModelError if none of a network's layers has weights in the file."""
    wanted = {layer.name for layer in imported.layers if layer.parameters}
    if wanted and not wanted.intersection(stored.layers):
        raise ModelError(
            f"{stored.path}: its layers ({_some(stored.layers)}) are none of those of {net.path} "
            f"({_some(sorted(wanted))}): weights of another network?"
        )


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
