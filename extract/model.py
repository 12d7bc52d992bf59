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
from .graph import constants
from .parts import Layer, Shape, inputs_of, layers_of
from .weight import Weight

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

    from .geometry import Place
    from .preprocessing import Preprocessing
    from .runner import Backward, Computer
    from .targets import Target


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
    differentiator : callable, optional
        What differentiates it there: makes, of the model, targets and tensors, a `Backward`.
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
    differentiator: Callable[[Model, Sequence[Target], Sequence[str]], Backward] | None = None


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
        self.inputs = tuple(inputs_of(proto.graph, may_be_last=is_onnx))
        self.constants = frozenset(constants(proto.graph))
        layers = layers_of(proto, self.constants) if source.layers is None else source.layers
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
        if prefix == "blob" and self.source.blobs:
            near = [f"blob:{blob}" for blob in difflib.get_close_matches(rest, self.source.blobs, cutoff=0.5)]
        else:
            known = {*self.layers, *self.tensors, *self.parameters}
            near = difflib.get_close_matches(bare, known, n=3, cutoff=0.5)
        hint = f"; nearest: {', '.join(near)}" if near else "; `cnnvis layers` lists them"
        raise UnknownNameError(f"{self.path}: no layer or tensor {name!r}{hint}")

    def find(self, patterns: Iterable[str]) -> list[str]:
        """Return the names that patterns stand for, each once, in the order asked.

        A pattern that is a name means itself; otherwise ``*``, ``?`` and ``[]`` match layers' names, and
        behind ``blob:`` those of blobs.

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
                blobs = (f"blob:{blob}" for blob in self.source.blobs if pattern.startswith("blob:"))
                matches = [n for n in (*self.layers, *blobs) if fnmatch.fnmatchcase(n, pattern)]
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
