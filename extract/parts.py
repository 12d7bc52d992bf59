"""Inputs and layers, as a graph shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .graph import initializer_names, whole_constants
from .naming import Described, unique_names
from .parameters import roles

if TYPE_CHECKING:
    import onnx

Shape = tuple[int | None, ...]

_PICTURE_CHANNELS = (1, 3, 4)
# Operators that take their channels first: an input that feeds one of them is not channels-last.
_CHANNELS_FIRST = frozenset(
    {
        *("AveragePool", "BatchNormalization", "Conv", "ConvTranspose", "DepthToSpace", "GlobalAveragePool"),
        *("GlobalMaxPool", "InstanceNormalization", "LRN", "LpPool", "MaxPool", "SpaceToDepth"),
    }
)


@dataclass(frozen=True)
class Layer:
    """A node of the graph that depends on an input, or makes an output; or a layer of a Caffe network.

    Parameters
    ----------
    name : str
        Its own name if no other has it, else its first output's (a Caffe layer's first blob's); where another
        has that for a name, ``OUTPUT:OPERATOR``, and a number behind it if need be.
    operator : str
        The node's type, with its domain unless that is the standard one.
    outputs : tuple of str
        Names of its output tensors; the first is what the layer's name stands for.
    named_parameters : mapping of str to str
        Tensors of its parameters by what they are to it: weight, bias, param2, ... A part that depends on an
        input of the network is missing.
    blobs : tuple of str
        Of a Caffe layer the blobs that it writes: those of `outputs`, until a later layer works in place.
    """

    name: str
    operator: str
    outputs: tuple[str, ...]
    named_parameters: Mapping[str, str] = field(hash=False)
    blobs: tuple[str, ...] = ()

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of its parameters' tensors."""
        return tuple(self.named_parameters.values())


@dataclass(frozen=True)
class Input:
    """An input of the network.

    Parameters
    ----------
    name : str
        The tensor's name.
    shape : tuple of int or None
        As the model declares it; None where a size is free. Empty for a single value, and where the model
        does not say how many axes there are.
    dtype : str
        Name of the numpy type that it takes; ``object`` where that is no tensor of numbers.
    channels_last : bool
        Whether the declared shape is (N, H, W, C) or (N, D, H, W, C).
    ranked : bool
        Whether the model says how many axes there are.
    """

    name: str
    shape: Shape
    dtype: str
    channels_last: bool
    ranked: bool = True

    @property
    def channels_first(self) -> Shape:
        """The shape as callers see it: (N, C, H, W) whatever the model wants."""
        if not self.channels_last:
            return self.shape
        return (self.shape[0], self.shape[-1], *self.shape[1:-1])

    @property
    def is_open(self) -> bool:
        """Whether images of other sizes may fit: some size of one is free."""
        return None in self.shape[1:]


def inputs_of(graph: onnx.GraphProto, *, may_be_last: bool) -> Iterable[Input]:
    """Yield the inputs of a graph that must be fed.

    Parameters
    ----------
    graph : onnx.GraphProto
        The graph.
    may_be_last : bool
        Whether an input may want its channels last.
    """
    weights = initializer_names(graph)
    for value in graph.input:
        if value.name in weights:
            continue
        tensor = value.type.tensor_type
        shape = tuple(d.dim_value if d.dim_value > 0 else None for d in tensor.shape.dim)
        feeds_first = any(n.op_type in _CHANNELS_FIRST and value.name in n.input for n in graph.node)
        last = may_be_last and _looks_channels_last(shape) and not feeds_first
        yield Input(value.name, shape, _dtype(value.type), last, ranked=tensor.HasField("shape"))


def _dtype(kind: onnx.TypeProto) -> str:
    import onnx

    if kind.WhichOneof("value") not in (None, "tensor_type"):
        return "object"
    return onnx.helper.tensor_dtype_to_np_dtype(kind.tensor_type.elem_type or onnx.TensorProto.FLOAT).name


def _looks_channels_last(shape: Shape) -> bool:
    """Whether a shape is that of pictures with a few channels behind larger or free sizes."""
    if len(shape) not in (4, 5) or shape[-1] not in _PICTURE_CHANNELS or shape[1] in _PICTURE_CHANNELS:
        return False
    channels = shape[-1] or 0
    return all(size is None or size > channels for size in shape[1:-1])


def layers_of(proto: onnx.ModelProto, constant: frozenset[str]) -> Iterable[Layer]:
    """Yield the layers of a model: its nodes, but for those that only compute constants on the way.

    Parameters
    ----------
    proto : onnx.ModelProto
        The model.
    constant : frozenset of str
        The tensors of its graph that depend on no input.
    """
    ends = {value.name for value in proto.graph.output}
    live = [
        n for n in proto.graph.node if any(name in ends or name not in constant for name in n.output if name)
    ]
    learned = constant - whole_constants(proto, constant)
    outputs_of = [tuple(tensor for tensor in node.output if tensor) for node in live]
    described = [
        Described(n.name, outputs[0], n.op_type) for n, outputs in zip(live, outputs_of, strict=True)
    ]
    for name, node, outputs in zip(unique_names(described), live, outputs_of, strict=True):
        domain = "" if node.domain in ("", "ai.onnx") else node.domain + "."
        operator = domain + node.op_type
        yield Layer(name, operator, outputs, roles(operator, list(node.input), constant, learned))
