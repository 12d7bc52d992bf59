"""Running a graph with onnxruntime for chosen tensors."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .errors import ModelError
from .external import is_askew, is_external, mapped, size_of, unmapped
from .graph import cut
from .weight import Weight

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

# Messages of onnxruntime come back as exceptions; below this level they would also go to stderr.
_FATAL = 4
_LONGEST = 400
# Elements. onnxruntime keeps a second, rearranged copy of the weights of matrix products: faster for batches
# where the weights fit a cache, but networks above this size would double what they take.
_REARRANGED = 2**24


class Computer(Protocol):
    """What computes chosen tensors of a network: onnxruntime, or another engine.

    Attributes
    ----------
    outputs : list of str
        The tensors, as `run` returns them.
    inputs : dict of str to str
        What must be fed, and its type as onnxruntime calls it.
    """

    outputs: list[str]
    inputs: dict[str, str]

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Return the tensors for one set of inputs; those not needed may be given too."""


class Backward(Protocol):
    """What computes the gradients of a target with respect to chosen tensors.

    Attributes
    ----------
    inputs : collection of str
        What must be fed.
    """

    @property
    def inputs(self) -> Collection[str]:
        """What must be fed."""

    def run(
        self, feeds: Mapping[str, NDArray[Any]], factors: Sequence[NDArray[np.float32]]
    ) -> Iterator[list[NDArray[Any]]]:
        """Yield, for each of `factors`, the gradients of the sum of the images' targets times these."""


class Runner:
    """A session that computes chosen tensors of a graph, and nothing that they do not need.

    Parameters
    ----------
    proto : onnx.ModelProto
        The whole graph.
    folder : Path
        Where external weights lie.
    outputs : sequence of str
        Tensors that nodes make.
    providers : sequence of str
        Execution providers of onnxruntime, in order of preference.
    weights : mapping of str to Weight
        Those external weights that no file holds, by tensor.

    Raises
    ------
    ModelError
        If onnxruntime cannot run the part of the graph that is needed, or that part needs an input that is
        no tensor of numbers.
    """

    def __init__(
        self,
        proto: onnx.ModelProto,
        folder: Path,
        outputs: Sequence[str],
        providers: Sequence[str] = ("CPUExecutionProvider",),
        weights: Mapping[str, Weight] = MappingProxyType({}),
    ) -> None:
        import onnxruntime

        known = onnxruntime.get_available_providers()
        for provider in providers:
            if provider not in known:
                raise ModelError(f"onnxruntime has no provider {provider!r} here; it has {', '.join(known)}")
        part = cut(proto, outputs)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _FATAL
        # it would hold a second block of all that a batch needs, and saves no time that can be measured
        options.enable_mem_pattern = False
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", str(folder.resolve())
        )
        if sum(math.prod(tensor.dims) for tensor in part.graph.initializer) > _REARRANGED:
            options.add_session_config_entry("session.disable_prepacking", "1")
        # onnxruntime reads these where they lie, so they must live as long as the session
        self._held = {
            tensor.name: onnxruntime.OrtValue.ortvalue_from_numpy(unmapped(tensor, folder))
            for tensor in part.graph.initializer
            if tensor.name not in weights and is_askew(tensor)
        }
        for name, value in self._held.items():
            options.add_initializer(name, value)
        made = {tensor.name for tensor in part.graph.initializer if tensor.name in weights}
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(weights[name].read()) for name in made]
        options.add_external_initializers(list(made), values)
        self._held |= dict(zip(made, values, strict=True))
        try:
            self._session = onnxruntime.InferenceSession(
                part.SerializeToString(), options, providers=list(providers)
            )
        except Exception as error:  # onnxruntime's exceptions share no base class of their own
            raise ModelError(f"onnxruntime cannot run this: {_reason(error)}") from error
        self.outputs = list(outputs)
        self.inputs = {value.name: value.type for value in self._session.get_inputs()}
        for name, kind in self.inputs.items():
            if not kind.startswith("tensor(") or kind == "tensor(string)":
                raise ModelError(f"input {name!r} is a {kind}; only tensors of numbers can be given")

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Return the asked tensors, in order, for one set of inputs; those not needed may be given too.

        Raises
        ------
        ModelError
            If onnxruntime fails, for instance as shapes do not fit.
        """
        try:
            return self._session.run(self.outputs, {n: v for n, v in feeds.items() if n in self.inputs})  # type: ignore[no-any-return]
        except Exception as error:
            raise ModelError(f"onnxruntime failed: {_reason(error)}") from error


def constant_values(
    proto: onnx.ModelProto,
    folder: Path,
    tensors: Sequence[str],
    weights: Mapping[str, Weight] = MappingProxyType({}),
) -> dict[str, NDArray[Any]]:
    """Return the values of tensors that depend on no input, by name.

    Parameters
    ----------
    proto : onnx.ModelProto
        The whole graph.
    folder : Path
        Where external weights lie.
    tensors : sequence of str
        The tensors' names.
    weights : mapping of str to Weight
        Those external weights that no file holds, by tensor.

    Raises
    ------
    ModelError
        If a value is no tensor but a sequence of them, a file has changed since the model was loaded, or
        onnxruntime cannot compute what nodes make.
    """
    stored = stored_constants(proto, folder, weights)
    made = [name for name in tensors if name not in stored]
    computed = Runner(proto, folder, made, weights=weights).run({}) if made else []
    values = dict(zip(made, computed, strict=True))
    for name, value in values.items():
        if not isinstance(value, np.ndarray):
            raise ModelError(f"{name!r} is no tensor: onnxruntime gives a {type(value).__name__} for it")
    return {name: stored[name]() if name in stored else values[name] for name in tensors}


def stored_constants(
    proto: onnx.ModelProto, folder: Path, weights: Mapping[str, Weight] = MappingProxyType({})
) -> dict[str, Callable[[], NDArray[Any]]]:
    """Return what reads each constant that a graph stores, by tensor; sparse ones come out dense.

    Parameters
    ----------
    proto : onnx.ModelProto
        The whole graph.
    folder : Path
        Where external weights lie.
    weights : mapping of str to Weight
        Those external weights that no file holds, by tensor.
    """
    graph = proto.graph
    readers: dict[str, Callable[[], NDArray[Any]]] = {
        sparse.values.name: functools.partial(_dense, sparse, folder) for sparse in graph.sparse_initializer
    }
    for tensor in graph.initializer:
        own = weights.get(tensor.name)
        readers[tensor.name] = functools.partial(tensor_value, tensor, folder) if own is None else own.read
    return readers


def tensor_value(tensor: onnx.TensorProto, folder: Path) -> NDArray[Any]:
    """Return the values of a stored tensor; those in a file are mapped where numpy has their type.

    Parameters
    ----------
    tensor : onnx.TensorProto
        The tensor.
    folder : Path
        Where external weights lie.

    Raises
    ------
    ModelError
        If its file has changed since the model was loaded.
    """
    import onnx

    if is_external(tensor) and size_of(tensor) is not None:
        return mapped(tensor, folder)
    # some versions of onnx put what they read from a file into the tensor
    own = onnx.TensorProto.FromString(tensor.SerializeToString()) if is_external(tensor) else tensor
    try:
        return onnx.numpy_helper.to_array(own, str(folder))
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise ModelError(f"weight {tensor.name!r} cannot be read: {' '.join(str(error).split())}") from error


def _dense(sparse: onnx.SparseTensorProto, folder: Path) -> NDArray[Any]:
    values, indices = tensor_value(sparse.values, folder), tensor_value(sparse.indices, folder)
    shape = tuple(sparse.dims)
    try:
        places = np.ravel_multi_index(tuple(indices.T), shape) if indices.ndim > 1 else indices
        if places.min(initial=0) < 0:
            raise IndexError("an index is negative")
        result = np.zeros(shape, values.dtype)
        result.reshape(-1)[places] = values
    except (IndexError, MemoryError, TypeError, ValueError) as error:
        raise ModelError(f"sparse weight {sparse.values.name!r} cannot be read: {error}") from error
    return result


def _reason(error: Exception) -> str:
    """Return onnxruntime's message on one line, without its error code and places in its own source."""
    text = " ".join(str(error).split())
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ", "", text)
    text = re.sub(r"\S*/onnxruntime\S*/\S+:\d+ .*?(?=[\w]+ was false|[A-Z][a-z]+ [a-z])", "", text)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."
