"""A network's layers as nodes, for one set of input shapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..naming import Described, unique_names
from .call import Blob, Call, UnsupportedError
from .net import Net, NetLayer
from .parameters import ParameterTable
from .rules import rules
from .stored import StoredWeights
from .support import UNSUPPORTED

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class ImportedLayer:
    """A Caffe layer in the graph.

    Parameters
    ----------
    name : str
        A name that no other layer has.
    type : str
        Its type, such as ``Convolution``.
    blobs : tuple of str
        The blobs that it writes.
    tensors : tuple of str
        The tensors that hold what it writes there itself, before any later layer works in place.
    parameters : mapping of str to str
        Tensors of its parameters by role: weight, bias, param2, ...
    """

    name: str
    type: str
    blobs: tuple[str, ...]
    tensors: tuple[str, ...]
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class Draft:
    """The graph of a network for one set of input shapes, before its weights are put in.

    Parameters
    ----------
    nodes : tuple of onnx.NodeProto
        In the order of the layers.
    constants : mapping of str to ndarray
        What rules wrote down.
    table : ParameterTable
        The parameters that its layers declared.
    layers : tuple of ImportedLayer
        The layers.
    blobs : mapping of str to (str, Blob or None)
        Tensor and value of each blob at the end; None where the shape is unknown.
    """

    nodes: tuple[onnx.NodeProto, ...]
    constants: Mapping[str, Any]
    table: ParameterTable
    layers: tuple[ImportedLayer, ...]
    blobs: Mapping[str, tuple[str, Blob | None]]

    def same_graph(self, other: Draft) -> bool:
        """Whether another draft has the same nodes, constants and parameters."""
        return (
            self.nodes == other.nodes
            and self.table.shapes == other.table.shapes
            and self.constants.keys() == other.constants.keys()
            and all(
                value.dtype == other.constants[name].dtype
                and np.array_equal(value, other.constants[name], equal_nan=value.dtype.kind == "f")
                for name, value in self.constants.items()
            )
        )


def draft(net: Net, stored: StoredWeights | None) -> Draft:
    """Turn a network's layers into nodes.

    Parameters
    ----------
    net : Net
        The network.
    stored : StoredWeights or None
        Its weights; what is not in it comes from fillers.

    Raises
    ------
    ModelError
        If a layer is one that Caffe would refuse, or its weights do not fit.
    """
    table = ParameterTable(stored)
    blobs: dict[str, tuple[str, Blob | None]] = {i.blob: (i.blob, Blob(i.blob, i.shape)) for i in net.inputs}
    nodes: list[onnx.NodeProto] = []
    constants: dict[str, Any] = {}
    layers = []
    names = unique_names([Described(n.name, n.tops[0] if n.tops else n.type, n.type) for n in net.layers])
    for layer, name, tensors in zip(net.layers, names, _tensor_names(net, names), strict=True):
        bottoms = [blobs[bottom] for bottom in layer.bottoms]
        call = Call(layer.message, name, [b for _, b in bottoms if b is not None], len(tensors), table)
        try:
            values: Sequence[Blob | None] = _apply(call, layer, bottoms)
            table.check_count(layer.message, name)
            nodes += _wired(call, [value.tensor for value in values if value is not None], tensors)
            constants |= call.constants
        except UnsupportedError as error:
            values = [None] * len(tensors)
            nodes.append(_placeholder(layer, name, [t for t, _ in bottoms], tensors, str(error)))
        for blob, tensor, value in zip(layer.tops, tensors, values, strict=True):
            blobs[blob] = tensor, value and replace(value, tensor=tensor)
        layers.append(ImportedLayer(name, layer.type, layer.tops, tensors, table.roles.get(name, {})))
    return Draft(tuple(nodes), constants, table, tuple(layers), blobs)


def _apply(call: Call, layer: NetLayer, bottoms: Sequence[tuple[str, Blob | None]]) -> list[Blob]:
    """Return what the layer's rule makes of its bottoms."""
    unknown = [blob for blob, (_, value) in zip(layer.bottoms, bottoms, strict=True) if value is None]
    if layer.type not in rules():
        raise UnsupportedError(f"its type {layer.type!r} is not known here")
    if unknown:
        raise UnsupportedError(f"the shape of its bottom {unknown[0]!r} is not known")
    values = rules()[layer.type](call)
    if len(values) != call.tops:
        raise call.error(f"makes {_count(len(values), 'blob')}, but names {_count(call.tops, 'top')}")
    return values


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _tensor_names(net: Net, names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the tensors of each layer's tops: the blob's name for its final value, else ``BLOB@LAYER``."""
    last = {top: (i, j) for i, layer in enumerate(net.layers) for j, top in enumerate(layer.tops)}
    inputs = {i.blob for i in net.inputs}
    taken = inputs | set(last)
    result = []
    for i, (layer, name) in enumerate(zip(net.layers, names, strict=True)):
        tensors = []
        for j, top in enumerate(layer.tops):
            tensor = top
            if last[top] != (i, j) or top in inputs:
                tensor = f"{top}@{name}"
                while tensor in taken:
                    tensor += "'"
                taken.add(tensor)
            tensors.append(tensor)
        result.append(tuple(tensors))
    return result


def _wired(call: Call, values: Sequence[str], tensors: Sequence[str]) -> list[onnx.NodeProto]:
    """Return a call's nodes with the tensors' names on what they make; the layer's name goes to the last."""
    made = {name for node in call.nodes for name in node.output}
    renamed: dict[str, str] = {}
    for value, tensor in zip(values, tensors, strict=True):
        if value in made and value not in renamed:
            renamed[value] = tensor
        else:
            copy = call.node("Identity", [value])
            renamed[copy] = tensor
    for node in call.nodes:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                names[place] = renamed.get(name, name)
        if tensors and tensors[0] in node.output:
            node.name = call.name
    return call.nodes


def _placeholder(
    layer: NetLayer, name: str, bottoms: Iterable[str], tensors: Iterable[str], reason: str
) -> onnx.NodeProto:
    import onnx

    return onnx.helper.make_node(
        layer.type, list(bottoms), list(tensors), name, domain=UNSUPPORTED, doc_string=reason
    )
