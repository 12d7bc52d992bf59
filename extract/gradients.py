"""Gradients of a target with respect to weights, activations and inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .activations import feeds_of
from .apart import keeps_images_apart
from .caffe.support import check_supported
from .differentiate import SharedGradientError, backward
from .differentiate.upgrade import upgraded
from .errors import ImageError, ModelError
from .graph import before_reshapes, cut, tensors_of
from .model import Model
from .objective import with_objective
from .parts import Input, Shape
from .runner import Backward, Runner
from .shapes import infer
from .targets import Target, Wanted, check_shape, targets_of

if TYPE_CHECKING:
    import onnx

    from .activations import Feed
    from .differentiate.step import Rule

Gradients = dict[str, NDArray[np.float32]]


def gradients(
    model: Model,
    x: Feed,
    target: Wanted,
    wrt: Sequence[str],
    *,
    reduce: str | None = None,
) -> Gradients:
    """Compute the gradients of a target, for all of `wrt` in one pass.

    Parameters
    ----------
    model : Model
        The network.
    x : ndarray or dict of ndarray
        The preprocessed input, as `activations` takes it.
    target : str, tuple or sequence
        What is differentiated, as `targets_of` takes it: ``fc8:281``, ``("fc8", 281)``, ``top``, ...
    wrt : sequence of str
        What it is differentiated by: parameters such as ``conv1.weight``, layers, inputs or other tensors.
    reduce : {None, "sum"}
        None gives the gradient for each image; ``sum`` sums those of parameters over the images, as torch and
        Caffe do.

    Returns
    -------
    dict of str to ndarray of float32
        One entry a name: (N, *shape); of parameters only *shape* where they are summed.

    Raises
    ------
    UnknownNameError
        If the model has no such layer or tensor.
    ImageError
        If the input does not fit the model.
    ModelError
        If the target is none, or an operator on the way has no gradient.

    Notes
    -----
    With the pycaffe engine these are the gradients of Caffe's own backward. Where that is not the way back of
    its forward pass, they are as wrong: it takes BatchNorm's statistics, and the marks of where a recurrent
    layer's sequences go on, for constants; gives none with respect to the first states of such a layer;
    leaves eps out of MVN; prefers the second of equals in Eltwise MAX; and writes anywhere, or dies, for
    pooling windows wholly outside of the picture. It refuses networks with layers that read indices, such as
    Embed. What it does wrong for layers that work in place comes out right, as none does here.
    """
    names = [wrt] if isinstance(wrt, str) else list(wrt)
    return Differentiator(model, targets_of(model, target), names, reduce=reduce).run(x)


class Differentiator:
    """A network prepared to give the gradients of a target for one batch after the other.

    Parameters
    ----------
    model : Model
        The network.
    target : sequence of Target
        What is differentiated: their weighted sum.
    wrt : sequence of str
        What it is differentiated by, as `gradients` takes it.
    reduce : {None, "sum"}
        As `gradients` takes it.
    providers : sequence of str
        Execution providers of onnxruntime, in order of preference.
    rules : mapping of str to callable, optional
        Rules instead of the operators' own ones, as `backward` takes them.

    Raises
    ------
    UnknownNameError
        If the model has no such name.
    ModelError
        If an operator on the way has no gradient, onnxruntime cannot run the graph, or Caffe runs the network
        and has other rules.
    """

    def __init__(
        self,
        model: Model,
        target: Sequence[Target],
        wrt: Sequence[str],
        *,
        reduce: str | None = None,
        providers: Sequence[str] = ("CPUExecutionProvider",),
        rules: Mapping[str, Rule] | None = None,
    ) -> None:
        if reduce not in (None, "sum"):
            raise ModelError(f"reduce takes None or 'sum', not {reduce!r}")
        if not wrt:
            raise ModelError("gradients need names that the target is differentiated by")
        self.model, self._target = model, tuple(target)
        self.tensors = {name: model.tensor(name) for name in wrt}
        self._parameters = {name for name, tensor in self.tensors.items() if tensor in model.constants}
        self._totals = self._parameters if reduce == "sum" else set()
        self._wrt = list(dict.fromkeys(self.tensors.values()))
        self._proto: onnx.ModelProto | None = None
        self._backward: Backward
        if model.source.differentiator is None:
            seed, self._proto, self._one_by_one = _graph(model, target, self.tensors, reduce, rules)
            self._backward = _GraphBackward(model, self._proto, seed, self._wrt, providers)
        else:
            self._one_by_one = reduce is None
            self._backward = _by_engine(model, target, self.tensors, rules)

    @property
    def proto(self) -> onnx.ModelProto:
        """The graph that computes the gradients; a ModelError where Caffe does without one."""
        if self._proto is None:
            raise ModelError(
                f"{self.model.path}: Caffe computes these gradients without a graph of them: only the "
                "onnxruntime engine has one"
            )
        return self._proto

    @property
    def graph(self) -> Model:
        """The graph that computes the gradients, as a model: ``seed:`` is fed ones, a number an image."""
        return Model(self.proto, replace(self.model.source, layers=None, blobs={}))

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs of the model that the gradients need."""
        return tuple(value for value in self.model.inputs if value.name in self._backward.inputs)

    def run(self, x: Feed) -> Gradients:
        """Return the gradients for one batch; see `gradients`."""
        feeds = feeds_of(self.model, self.inputs, x)
        count = len(next(iter(feeds.values())))
        size = self._together(count)
        if size != count:
            _check_counts(self.model, feeds)
        parts = []
        with self.model.named_in_errors():
            for start in range(0, count, size):
                # the last piece is filled up with its last image
                chosen = np.minimum(np.arange(start, start + size), count - 1)
                piece = {name: values[chosen] for name, values in feeds.items()} if size != count else feeds
                try:
                    parts.append(self._piece(piece, size, min(size, count - start)))
                except ModelError:
                    # where the network leaves sizes open, these are those of this input
                    shapes = infer(self.model.proto, {name: values.shape for name, values in piece.items()})
                    _check_places(self._target, shapes)
                    raise
        if len(parts) == 1:
            return parts[0]
        return {
            name: np.sum([part[name] for part in parts], axis=0)
            if name in self._totals
            else np.concatenate([part[name] for part in parts])
            for name in self.tensors
        }

    @property
    def fixed_batch(self) -> int | None:
        """How many images the network takes at a time; None if that is left open."""
        return max((i.shape[0] for i in self.inputs if i.shape and i.shape[0] is not None), default=None)

    def _together(self, count: int) -> int:
        """Return how many images run together."""
        return self.fixed_batch or (1 if self._one_by_one else count)

    def _piece(self, feeds: Mapping[str, NDArray[Any]], size: int, real: int) -> Gradients:
        """Return the gradients for as many images as run together, of which the first ones are real."""
        images = np.arange(size)
        if not self._one_by_one:
            (found,) = self._run(feeds, [images < real])
            return {name: v if name in self._totals else v[:real] for name, v in found.items()}
        rows = self._run(feeds, [images == i for i in range(real)])
        for name in self.tensors.keys() - self._parameters:
            if len(rows[0][name]) != size:
                raise ModelError(f"{name!r}: has {len(rows[0][name])} rows for {size} images: none for each")
        return {
            name: np.stack(
                [row[name] if name in self._parameters else row[name][i] for i, row in enumerate(rows)]
            )
            for name in self.tensors
        }

    def _run(self, feeds: Mapping[str, NDArray[Any]], marks: Sequence[NDArray[np.bool_]]) -> list[Gradients]:
        """Return, for each of `marks`, the gradients of the sum of the targets of the images in it."""
        rows = []
        for values in self._backward.run(feeds, [chosen.astype(np.float32) for chosen in marks]):
            found = dict(zip(self._wrt, values, strict=True))
            rows.append(
                {name: np.asarray(found[tensor], np.float32) for name, tensor in self.tensors.items()}
            )
        return rows


def _check_counts(model: Model, feeds: Mapping[str, NDArray[Any]]) -> None:
    """Raise an ImageError if a batch that is split has more images in one input than in another."""
    (first, count), *others = ((name, len(values)) for name, values in feeds.items())
    for name, other in others:
        if other != count:
            raise ImageError(f"{model.path}: input {first!r} has {count} images, input {name!r} has {other}")


class _GraphBackward:
    """The gradients by a graph, run by onnxruntime."""

    def __init__(
        self, model: Model, proto: onnx.ModelProto, seed: str, wrt: Sequence[str], providers: Sequence[str]
    ) -> None:
        results = _results(proto)
        self._results = [results[tensor] for tensor in wrt]
        outputs = list(dict.fromkeys(result.tensor for result in self._results))
        with model.named_in_errors():
            self._runner = Runner(proto, model.source.folder, outputs, providers, model.source.weights)
        self._seed = seed
        self.inputs = self._runner.inputs.keys()

    def run(
        self, feeds: Mapping[str, NDArray[Any]], factors: Sequence[NDArray[np.float32]]
    ) -> Iterator[list[NDArray[Any]]]:
        for each in factors:
            values = self._runner.run({**feeds, self._seed: each})
            found = dict(zip(self._runner.outputs, values, strict=True))
            yield [result.of(found) for result in self._results]


@dataclass(frozen=True)
class _Result:
    """A gradient as it leaves the graph.

    Parameters
    ----------
    tensor : str
        What holds its values.
    shape : tuple of int, optional
        The shape that they are to get, -1 for an open size; None if they have it.
    """

    tensor: str
    shape: tuple[int, ...] | None

    def of(self, found: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        values = np.asarray(found[self.tensor], np.float32)
        return values if self.shape is None else values.reshape(self.shape)


def _results(proto: onnx.ModelProto) -> dict[str, _Result]:
    """Return where the gradient with respect to each tensor is found."""
    results = {}
    for value in proto.graph.output:
        kind, _, tensor = value.name.partition("grad:")
        if kind:
            continue
        dims = value.type.tensor_type.shape.dim
        shape = tuple(d.dim_value if d.HasField("dim_value") else -1 for d in dims)
        known = value.type.tensor_type.HasField("shape") and shape.count(-1) <= 1 and 0 not in shape
        results[tensor] = (
            _Result(before_reshapes(proto.graph, value.name), shape) if known else _Result(value.name, None)
        )
    return results


def _by_engine(
    model: Model, target: Sequence[Target], wrt: Mapping[str, str], rules: Mapping[str, Rule] | None
) -> Backward:
    """Return what computes the gradients by the engine that runs the network."""
    assert model.source.differentiator is not None
    if rules:
        raise ModelError(
            f"{model.path}: Caffe goes back through layers by their own rules, and this method by others: "
            "it needs the onnxruntime engine"
        )
    with model.named_in_errors():
        _check_ancestors(cut(model.proto, dict.fromkeys(one.tensor for one in target)), wrt)
    return model.source.differentiator(model, target, list(dict.fromkeys(wrt.values())))


def _check_ancestors(proto: onnx.ModelProto, wrt: Mapping[str, str]) -> None:
    """Raise a ModelError if a graph that is cut to the target lacks what it is differentiated by."""
    known = tensors_of(proto)
    for name, tensor in wrt.items():
        if tensor not in known:
            raise ModelError(f"the target does not depend on {name!r}")


def _check_places(target: Sequence[Target], shapes: Mapping[str, Shape]) -> None:
    for one in target:
        if one.tensor in shapes:
            check_shape(one, shapes[one.tensor])


def _graph(
    model: Model,
    target: Sequence[Target],
    wrt: Mapping[str, str],
    reduce: str | None,
    rules: Mapping[str, Rule] | None,
) -> tuple[str, onnx.ModelProto, bool]:
    """Return the name of the seed, the graph, and whether it is run for each image by itself."""
    with model.named_in_errors():
        check_supported(model.proto, [one.tensor for one in target])
        _check_places(target, model.shapes())
        proto = cut(upgraded(model.proto), [*dict.fromkeys(one.tensor for one in target)])
        whole, objective = with_objective(proto, target)
        _check_ancestors(proto, wrt)
        tensors, seed = list(dict.fromkeys(wrt.values())), f"seed:{objective}"
        if reduce == "sum":
            return seed, backward(whole, objective, tensors, rules=rules), False
        if keeps_images_apart(whole):
            with suppress(SharedGradientError):
                return seed, backward(whole, objective, tensors, per_image=True, rules=rules), False
        return seed, backward(whole, objective, tensors, rules=rules), True
