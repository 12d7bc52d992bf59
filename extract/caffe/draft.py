"""A network's layers as nodes, for one set of input shapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..errors import ModelError
from ..naming import Described, Names, unique_names
from .call import Blob, Call, UnsupportedError
from .net import Net, NetLayer
from .parameters import ParameterTable, Shape
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
    constants : tuple of onnx.TensorProto
        What rules wrote down.
    table : ParameterTable
        The parameters that its layers declared.
    layers : tuple of ImportedLayer
        The layers.
    blobs : mapping of str to str
        The tensor of each blob at the end.
    shapes : mapping of str to (tuple of int or None)
        Shapes of inputs and of what layers write, by tensor; None where it is unknown.
    mixed : frozenset of str
        The tensors whose images a layer mixes.
    """

    nodes: tuple[onnx.NodeProto, ...]
    constants: tuple[onnx.TensorProto, ...]
    table: ParameterTable
    layers: tuple[ImportedLayer, ...]
    blobs: Mapping[str, str]
    shapes: Mapping[str, Shape | None]
    mixed: frozenset[str]

    def same_graph(self, other: Draft) -> bool:
        """Whether another draft has the same nodes, constants and parameters."""
        mine, theirs = ((d.nodes, d.constants, d.table.shapes) for d in (self, other))
        return mine == theirs

    def reached(self, tensors: Iterable[str]) -> set[str]:
        """Return the tensors that depend on any of some, these included."""
        found = set(tensors)
        for node in self.nodes:
            if not found.isdisjoint(node.input):
                found.update(node.output)
        return found


def draft(net: Net, stored: StoredWeights | None, fed: Mapping[str, Shape] = MappingProxyType({})) -> Draft:
    """Turn a network's layers into nodes.

    Parameters
    ----------
    net : Net
        The network.
    stored : StoredWeights or None
        Its weights; what is not in it comes from fillers.
    fed : mapping of str to tuple of int
        Shapes of blobs that layers write which are not known: the layers behind them need to know.

    Raises
    ------
    ModelError
        If a layer is one that Caffe would refuse, or its weights do not fit.
    """
    layer_names = unique_names(
        [Described(n.name, n.tops[0] if n.tops else n.type, n.type) for n in net.layers]
    )
    values = _given(net)
    names = Names({*values, *(top for layer in net.layers for top in layer.tops), *layer_names})
    table = ParameterTable(stored, names)
    blobs = {blob: blob for blob in values}
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []
    mixed: set[str] = set()
    layers = []
    tensors_of = _tensor_names(net, layer_names, names)
    for layer, name, tensors in zip(net.layers, layer_names, tensors_of, strict=True):
        bottoms = [values[blobs[bottom]] for bottom in layer.bottoms]
        call = Call(layer.message, name, [b for b in bottoms if b is not None], len(tensors), table, names)
        try:
            made: Sequence[Blob | None] = _apply(call, layer, bottoms)
            table.check_count(layer.message, name)
            nodes += _wired(call, [value.tensor for value in made if value is not None], tensors)
            constants += call.constants
            mixed |= call.mixed
        except UnsupportedError as error:
            made = [Blob(blob, tuple(fed[blob])) if blob in fed else None for blob in layer.tops]
            read = [blobs[bottom] for bottom in layer.bottoms]
            nodes.append(_placeholder(layer, name, read, tensors, str(error)))
        for blob, tensor, value in zip(layer.tops, tensors, made, strict=True):
            blobs[blob] = tensor
            values[tensor] = value and replace(value, tensor=tensor)
        layers.append(ImportedLayer(name, layer.type, layer.tops, tensors, table.roles.get(name, {})))
    shapes = {tensor: None if value is None else value.shape for tensor, value in values.items()}
    return Draft(tuple(nodes), tuple(constants), table, tuple(layers), blobs, shapes, frozenset(mixed))


def _given(net: Net) -> dict[str, Blob | None]:
    """Return the inputs by their names, which are those of their tensors too."""
    if any(not i.blob for i in net.inputs):
        raise ModelError("an input has no name: give it one")
    return {i.blob: Blob(i.blob, i.shape) for i in net.inputs}


def _apply(call: Call, layer: NetLayer, bottoms: Sequence[Blob | None]) -> list[Blob]:
    """Return what the layer's rule makes of its bottoms."""
    unknown = [blob for blob, value in zip(layer.bottoms, bottoms, strict=True) if value is None]
    if layer.problem is not None:
        raise UnsupportedError(layer.problem)
    if unknown:
        raise UnsupportedError(f"the shape of its bottom {unknown[0]!r} is not known")
    values = rules()[layer.type](call)
    if len(values) != call.tops:
        raise call.error(f"makes {_count(len(values), 'blob')}, but names {_count(call.tops, 'top')}")
    return values


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _tensor_names(net: Net, layers: Sequence[str], names: Names) -> list[tuple[str, ...]]:
    """Return the tensors of each layer's tops: the blob's name for its final value, else ``BLOB@LAYER``.

    ONNX takes an empty name for no tensor at all.
    """
    final = {top: i for i, layer in enumerate(net.layers) for top in layer.tops}
    inputs = {i.blob for i in net.inputs}
    return [
        tuple(
            top if top and final[top] == i and top not in inputs else names.fresh(f"{top}@{name}")
            for top in layer.tops
        )
        for i, (layer, name) in enumerate(zip(net.layers, layers, strict=True))
    ]


def _wired(call: Call, values: Sequence[str], tensors: Sequence[str]) -> list[onnx.NodeProto]:
    """Return a call's nodes with the tensors' names on what they make; the layer's name goes to the last."""
    made = {name for node in call.nodes for name in node.output}
    renamed: dict[str, str] = {}
    for value, tensor in zip(values, tensors, strict=True):
        is_free = value in made and value not in renamed
        renamed[value if is_free else call.node("Identity", [value])] = tensor
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
