"""A node that is to be said in other nodes: what a rewrite is given, and what it builds with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..graph import graphs
from .facts import Shape
from .step import Workshop

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class Old:
    """A node that is to be said in a newer operator set, or in other operators.

    Parameters
    ----------
    node : onnx.NodeProto
        The node.
    workshop : Workshop
        Where nodes are made that come before the last one.
    used : collection of str
        Tensors that some node of the graph reads, or that are its outputs.
    """

    node: onnx.NodeProto
    workshop: Workshop
    used: Collection[str]

    def attribute(self, name: str, default: Any = None) -> Any:
        """Return an attribute as Python and numpy hold it; text as str."""
        import onnx

        for attribute in self.node.attribute:
            if attribute.name == name:
                value = onnx.helper.get_attribute_value(attribute)
                return value.decode() if isinstance(value, bytes) else value
        return default

    def shape(self, tensor: str) -> Shape | None:
        """Return the shape of a tensor; None if the number of its axes is unknown."""
        return self.workshop.facts.shapes.get(tensor)

    def value(self, tensor: str) -> NDArray[Any] | None:
        """Return the value of a constant; None if it is none, or a large weight."""
        return self.workshop.facts.values.get(tensor)

    def is_empty(self, tensor: str) -> bool:
        """Return whether a tensor is known to hold nothing."""
        shape = self.shape(tensor)
        return shape is not None and 0 in shape

    def is_floating(self, tensor: str) -> bool:
        """Return whether a tensor holds floating-point numbers; True where its type is not known."""
        return self.workshop.facts.dtypes.get(tensor, np.dtype(np.float32)).kind == "f"

    def constant(self, values: NDArray[Any]) -> str:
        """Return a tensor of given values."""
        return self.workshop.constant(values, values.dtype)

    def integers(self, values: ArrayLike) -> str:
        """Return an int64 tensor: axes, sizes, indices."""
        return self.workshop.constant(values, np.int64)

    def number(self, values: ArrayLike, like: str) -> str:
        """Return a tensor of given values, of the type of another."""
        dtype = self.workshop.facts.dtypes.get(like)
        if dtype is None:
            return self.add("CastLike", self.workshop.constant(values, np.float32), like)
        return self.workshop.constant(values, dtype)

    def fresh(self, wanted: str) -> str:
        """Return a tensor name like `wanted` that nothing has."""
        return self.workshop.fresh(wanted)

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node before the last one and return its output."""
        prefix = self.node.name or self.node.output[0]
        (output,) = self.workshop.many(prefix, operator, inputs, 1, **attributes)
        return output

    def last(self, operator: str, inputs: Sequence[str], **attributes: Any) -> onnx.NodeProto:
        """Return the node that takes this one's place: its name and first output."""
        return self.made(operator, inputs, self.node.output[:1], self.node.name, **attributes)

    def made(
        self, operator: str, inputs: Sequence[str], outputs: Sequence[str], name: str = "", **attributes: Any
    ) -> onnx.NodeProto:
        """Return a new node."""
        import onnx

        return onnx.helper.make_node(operator, inputs, outputs, name, **attributes)

    def changed(
        self,
        inputs: Sequence[str],
        *,
        operator: str | None = None,
        without: Collection[str] = (),
        **attributes: Any,
    ) -> onnx.NodeProto:
        """Return the node with other inputs and attributes."""
        import onnx

        new = onnx.NodeProto()
        new.CopyFrom(self.node)
        new.op_type = operator or self.node.op_type
        kept = [a for a in self.node.attribute if a.name not in without and a.name not in attributes]
        del new.input[:], new.attribute[:]
        new.input.extend(inputs)
        new.attribute.extend(kept)
        new.attribute.extend(onnx.helper.make_attribute(key, value) for key, value in attributes.items())
        return new


# Returns the last nodes of those that stand for another one; the ones before are in the workshop.
Rewrite = Callable[[Old], Sequence["onnx.NodeProto"]]


def names_in(proto: onnx.ModelProto) -> set[str]:
    """Return all names of nodes and tensors that a model uses."""
    taken: set[str] = set()
    for graph in graphs(proto.graph):
        taken.update(value.name for value in graph.input)
        taken.update(tensor.name for tensor in graph.initializer)
        for node in graph.node:
            taken.update((*node.input, *node.output, node.name))
    return taken
