"""From a Caffe network and its weights to an ONNX graph."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..errors import ModelError
from ..weight import Weight
from .assembly import assemble
from .draft import Draft, ImportedLayer, draft
from .net import Net
from .parameters import Shape
from .stored import StoredWeights

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class ImportedNet:
    """A Caffe network as an ONNX graph.

    Parameters
    ----------
    proto : onnx.ModelProto
        The graph. Large weights are external data, either of the file of weights, or of no file: these are
        in `weights`.
    weights : mapping of str to Weight
        Large weights that no file holds as they are, by tensor.
    layers : tuple of ImportedLayer
        The layers, in the order of the network.
    blobs : mapping of str to str
        The tensor that holds each blob's final value.
    filled : tuple of str
        The parameters that come from fillers.
    """

    proto: onnx.ModelProto
    weights: Mapping[str, Weight]
    layers: tuple[ImportedLayer, ...]
    blobs: Mapping[str, str]
    filled: tuple[str, ...]


def import_net(
    net: Net,
    stored: StoredWeights | None = None,
    fed: Mapping[str, Shape] = MappingProxyType({}),
    *,
    in_caffe: bool = False,
) -> ImportedNet:
    """Turn a Caffe network into an ONNX graph.

    Parameters
    ----------
    net : Net
        The network.
    stored : StoredWeights, optional
        Its weights; what is not in it comes from fillers.
    fed : mapping of str to tuple of int
        Shapes of blobs that layers write which are not known.
    in_caffe : bool
        Whether layers that are not known here run too: they may mix images, so that the batch is fixed.

    Raises
    ------
    ModelError
        If a layer is one that Caffe would refuse, or its weights do not fit.
    """
    draw = functools.partial(draft, stored=stored, fed=fed)
    first = draw(net)
    proto, weights = assemble(net, first, _larger_batches(net, draw, first, in_caffe), stored)
    filled = tuple(parameter.tensor for parameter in first.table.declared.values() if parameter.filled)
    return ImportedNet(proto, weights, first.layers, first.blobs, filled)


def _larger_batches(net: Net, draw: Callable[[Net], Draft], first: Draft, in_caffe: bool) -> dict[int, Draft]:
    """Return, for each batch size among the inputs that may change, a draft with one more.

    The graph must come out the same: then none of its rules has looked at the batch size. And each image must
    be on its own in it: then its values are the same in any company.
    """
    result = {}
    for size in {i.shape[0] for i in net.inputs if i.shape}:
        batches = {i.blob for i in net.inputs if i.shape[:1] == (size,)}
        inputs = tuple(
            replace(i, shape=(size + 1, *i.shape[1:])) if i.blob in batches else i for i in net.inputs
        )
        try:
            larger = draw(replace(net, inputs=inputs))
        except ModelError:
            continue
        reached = first.reached(batches)
        if (
            first.same_graph(larger)
            and first.mixed.isdisjoint(reached)
            and _rows(first, larger, size, reached, in_caffe)
        ):
            result[size] = larger
    return result


def _rows(first: Draft, larger: Draft, size: int, tensors: Collection[str], in_caffe: bool) -> bool:
    """Whether the batch is the first axis of tensors in all that layers write, and no other axis."""
    pairs = [(shape, larger.shapes[tensor]) for tensor, shape in first.shapes.items() if tensor in tensors]
    return all(
        one and one[0] == size and two == (size + 1, *one[1:])
        for one, two in pairs
        if in_caffe or one is not None
    )
