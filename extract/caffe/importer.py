"""From a Caffe network and its weights to an ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import ModelError
from ..weight import Weight
from .assembly import assemble
from .draft import Draft, ImportedLayer, draft
from .net import Net
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


def import_net(net: Net, stored: StoredWeights | None = None) -> ImportedNet:
    """Turn a Caffe network into an ONNX graph.

    Parameters
    ----------
    net : Net
        The network.
    stored : StoredWeights, optional
        Its weights; what is not in it comes from fillers.

    Raises
    ------
    ModelError
        If a layer is one that Caffe would refuse, or its weights do not fit.
    """
    first = draft(net, stored)
    proto, weights = assemble(net, first, _larger_batches(net, stored, first), stored)
    filled = tuple(parameter.tensor for parameter in first.table.declared.values() if parameter.filled)
    blobs = {blob: tensor for blob, (tensor, _) in first.blobs.items()}
    return ImportedNet(proto, weights, first.layers, blobs, filled)


def _larger_batches(net: Net, stored: StoredWeights | None, first: Draft) -> dict[int, Draft]:
    """Return, for each batch size among the inputs that may change, a draft with one more.

    The graph must come out the same: then none of its rules has looked at the batch size.
    """
    result = {}
    for size in {i.shape[0] for i in net.inputs if i.shape}:
        inputs = tuple(
            replace(i, shape=(size + 1, *i.shape[1:])) if i.shape[:1] == (size,) else i for i in net.inputs
        )
        try:
            larger = draft(replace(net, inputs=inputs), stored)
        except ModelError:
            continue
        if first.same_graph(larger):
            result[size] = larger
    return result
