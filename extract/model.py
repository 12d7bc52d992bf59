"""A network: its graph, and its layers, tensors and parameters by name."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import ModelError, UnknownNameError
from .graph import constants, initializer_names, whole_constants
from .naming import Described, unique_names
from .parameters import roles
from .weight import Weight

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

    from .geometry import Place
    from .preprocessing import Preprocessing
    from .runner import Computer

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
    """A node of the graph that depends on an input.

    Parameters
    ----------
    name : str
        The node's name if no other node has it, else its first output's name; where a node has that for a
        name, ``OUTPUT:OPERATOR``, and a number behind it if need be.
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


class Parameter(NamedTuple):
    """What a name of a parameter stands for.

    Parameters
    ----------
    layer : str or None
        The layer that it is a part of; None where the name is a tensor's own.
    role : str
        ``weight``, ``bias``, ``param2``, ... of the layer, or the tensor's name.
    tensor : str
        The tensor's name.
    """

    layer: str | None
    role: str
    tensor: str


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


@dataclass(frozen=True)
class Source:
    """Where a graph came from, and what its files say that it does not.

    Parameters
    ----------
    path : Path
        The model's file, for messages.
    files : tuple of Path
        All files that it consists of, the model's own first.
    folder : Path
        Where external weights lie.
    weights : mapping of str to Weight
        Those external weights that no file holds as they are, by tensor.
    layers : tuple of Layer, optional
        The layers; by default the graph's nodes.
    blobs : mapping of str to str
        Of a Caffe network the tensors that hold its blobs' final values.
    filled : tuple of str
        The parameters that no file holds; they come from fillers.
    preprocessing : callable, optional
        Returns how pictures become its input, if the network says so.
    runner : callable, optional
        What runs it instead of onnxruntime: makes, of the model and the asked tensors, a `Computer`.
    """

    path: Path
    files: tuple[Path, ...]
    folder: Path
    weights: Mapping[str, Weight] = field(default_factory=dict)
    layers: tuple[Layer, ...] | None = None
    blobs: Mapping[str, str] = field(default_factory=dict)
    filled: tuple[str, ...] = ()
    preprocessing: Callable[[], Preprocessing] | None = None
    runner: Callable[[Model, Sequence[str]], Computer] | None = None


class Model:
    """A network as an ONNX graph, with names for what is in it.

    Parameters
    ----------
    proto : onnx.ModelProto
        The graph. Large weights are external data.
    source : Source
        Where it came from.

    Attributes
    ----------
    layers : dict of str to Layer
        All layers by name, in the order of the graph.
    inputs : tuple of Input
        The inputs that must be fed.
    """

    def __init__(self, proto: onnx.ModelProto, source: Source) -> None:
        self.proto = proto
        self.source = source
        is_onnx = source.layers is None
        self.inputs = tuple(_inputs(proto.graph, may_be_last=is_onnx))
        self.constants = frozenset(constants(proto.graph))
        layers = _layers(proto, self.constants) if source.layers is None else source.layers
        self.layers = {layer.name: layer for layer in layers}

    @property
    def path(self) -> Path:
        """The model's file."""
        return self.source.path

    @cached_property
    def tensors(self) -> frozenset[str]:
        """Names of all tensors: inputs, weights and outputs of nodes."""
        made = {name for node in self.proto.graph.node for name in node.output if name}
        return frozenset(made | self.constants | {i.name for i in self.inputs})

    @cached_property
    def parameters(self) -> dict[str, str]:
        """Tensors of the parameters by the names that they have as parts of layers: ``conv1.weight``."""
        return {
            f"{layer.name}.{name}": tensor
            for layer in self.layers.values()
            for name, tensor in layer.named_parameters.items()
        }

    def tensor(self, name: str) -> str:
        """Return the tensor that a name stands for.

        Parameters
        ----------
        name : str
            A layer (its first output), or what `parameter` takes.

        Raises
        ------
        UnknownNameError
            If the model has no such name; the message suggests the nearest ones.
        """
        if name in self.layers:
            return self.layers[name].outputs[0]
        return self.parameter(name).tensor

    def parameter(self, name: str) -> Parameter:
        """Return the layer, the role and the tensor that a parameter's or tensor's name stands for.

        Parameters
        ----------
        name : str
            ``LAYER.weight``, ``LAYER.bias``, ``LAYER.param2`` ..., else a tensor; ``tensor:TENSOR`` passes
            over layers and their parameters of that name, ``blob:BLOB`` is a Caffe blob's final value.

        Raises
        ------
        UnknownNameError
            If the model has no such name; the message suggests the nearest ones.
        """
        if name in self.parameters:
            layer, _, role = name.rpartition(".")
            return Parameter(layer, role, self.parameters[name])
        prefix, _, rest = name.partition(":")
        if prefix == "blob" and rest in self.source.blobs:
            return Parameter(None, rest, self.source.blobs[rest])
        bare = rest if prefix in ("tensor", "blob") and name not in self.tensors else name
        if bare in self.tensors:
            return Parameter(None, bare, bare)
        known = {*self.layers, *self.tensors, *self.parameters}
        near = difflib.get_close_matches(bare, known, n=3, cutoff=0.5)
        hint = f"; nearest: {', '.join(near)}" if near else "; `cnnvis layers` lists them"
        raise UnknownNameError(f"{self.path}: no layer or tensor {name!r}{hint}")

    def find(self, patterns: Iterable[str]) -> list[str]:
        """Return the names that patterns stand for, each once, in the order asked.

        A pattern that is a name means itself; otherwise ``*``, ``?`` and ``[]`` match layers' names.

        Raises
        ------
        UnknownNameError
            If a pattern matches nothing.
        """
        found: dict[str, None] = {}
        for pattern in patterns:
            try:
                self.tensor(pattern)
                found[pattern] = None
            except UnknownNameError:
                matches = [name for name in self.layers if fnmatch.fnmatchcase(name, pattern)]
                if not matches:
                    raise
                found.update(dict.fromkeys(matches))
        return list(found)

    def value(self, name: str) -> NDArray[Any]:
        """Return the value of a parameter, weight or other constant tensor, as numpy holds it.

        Raises
        ------
        UnknownNameError
            If the model has no such name.
        ModelError
            If the tensor depends on an input, or onnxruntime cannot compute it.
        """
        tensor = self.tensor(name)
        if tensor not in self.constants:
            raise ModelError(f"{self.path}: {name!r} is not a constant: it depends on the network's input")
        return self.values([tensor])[tensor]

    def values(self, tensors: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Return the values of constant tensors, by their names as tensors; see `Model.value`."""
        from .runner import constant_values

        with self.named_in_errors():
            return constant_values(self.proto, self.source.folder, tensors, self.source.weights)

    def shapes(self, inputs: Mapping[str, tuple[int, ...]] | None = None) -> dict[str, Shape]:
        """Return the shapes of all tensors, as far as shape inference finds them.

        Parameters
        ----------
        inputs : mapping of str to tuple of int, optional
            Shapes of the inputs as the model declares their axes; what is not given stays as declared.

        Raises
        ------
        ModelError
            If the graph contradicts itself.
        """
        from .shapes import infer

        with self.named_in_errors():
            return infer(self.proto, inputs or {})

    def places(self, shapes: Mapping[str, Shape]) -> dict[str, Place]:
        """Return where the axes of each tensor lie in the input; `shapes` as `Model.shapes` gives them."""
        from .geometry import places

        known = {
            name: tuple(size for size in shape if size is not None)
            for name, shape in shapes.items()
            if None not in shape
        }
        last = frozenset(i.name for i in self.inputs if i.channels_last)
        return places(self.proto, known, channels_last=last)

    def runner(
        self, tensors: Sequence[str], providers: Sequence[str] = ("CPUExecutionProvider",)
    ) -> Computer:
        """Return what computes chosen tensors, made by nodes, for one batch after the other.

        Raises
        ------
        ModelError
            If they need a layer that could not be imported, or the engine cannot run what they need.
        """
        from .caffe.support import check_supported
        from .runner import Runner

        if self.source.runner is not None:
            return self.source.runner(self, tensors)
        with self.named_in_errors():
            check_supported(self.proto, tensors)
            return Runner(self.proto, self.source.folder, tensors, providers, self.source.weights)

    @contextmanager
    def named_in_errors(self) -> Iterator[None]:
        """Put the model's file in front of what a `ModelError` says."""
        try:
            yield
        except ModelError as error:
            raise ModelError(f"{self.path}: {error}") from error


def _inputs(graph: onnx.GraphProto, *, may_be_last: bool) -> Iterable[Input]:
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


def _layers(proto: onnx.ModelProto, constant: frozenset[str]) -> Iterable[Layer]:
    live = [n for n in proto.graph.node if any(name and name not in constant for name in n.output)]
    learned = constant - whole_constants(proto, constant)
    outputs_of = [tuple(tensor for tensor in node.output if tensor) for node in live]
    described = [
        Described(n.name, outputs[0], n.op_type) for n, outputs in zip(live, outputs_of, strict=True)
    ]
    for name, node, outputs in zip(unique_names(described), live, outputs_of, strict=True):
        domain = "" if node.domain in ("", "ai.onnx") else node.domain + "."
        operator = domain + node.op_type
        yield Layer(name, operator, outputs, roles(operator, list(node.input), constant, learned))
