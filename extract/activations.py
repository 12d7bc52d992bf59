"""Activations: what layers put out for given inputs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from converters.errors import CnnVisWarning

from .batching import in_batches
from .errors import ImageError, ModelError
from .feeding import fed_at
from .model import Model
from .parts import Input

if TYPE_CHECKING:
    Feed = NDArray[Any] | Mapping[str, NDArray[Any]]


def activations(model: Model, x: Feed, names: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Compute the outputs of layers in one pass.

    Parameters
    ----------
    model : Model
        The network.
    x : ndarray or dict of ndarray
        The preprocessed input, shape (N, C, H, W) or (N, C, D, H, W), also where the model itself wants its
        channels last; or one array an input, by name, with axes as the model declares them. Other names than
        inputs' feed a layer's output or a tensor, and what made that is not needed.
    names : sequence of str
        Layers, tensors, or patterns such as ``conv*``, as `Model.find` takes them.

    Returns
    -------
    dict of str to ndarray of float32
        One entry a name, in the order asked, each with the batch axis first.

    Raises
    ------
    UnknownNameError
        If the model has no such layer or tensor.
    ImageError
        If the input does not fit the model.
    ModelError
        If the model cannot be run.
    """
    names = [names] if isinstance(names, str) else names
    if isinstance(x, Mapping):
        inner = [name for name in x if all(name != i.name for i in model.inputs)]
        x = {model.tensor(name) if name in inner else name: value for name, value in x.items()}
        model = fed_at(model, inner) if inner else model
    return Extractor(model, names).run(x)


class Extractor:
    """A network prepared to give the activations of chosen layers for one batch after the other.

    Only the ancestors of the chosen layers are loaded and run. Of the layers that a pattern matches, those
    that put out no tensor of numbers are left out, with a `CnnVisWarning`.

    Parameters
    ----------
    model : Model
        The network.
    names : sequence of str
        As `activations` takes them.
    providers : sequence of str
        Execution providers of onnxruntime, in order of preference.

    Raises
    ------
    UnknownNameError
        If the model has no such layer or tensor.
    ModelError
        If onnxruntime cannot run what the layers need.
    """

    def __init__(
        self, model: Model, names: Sequence[str], providers: Sequence[str] = ("CPUExecutionProvider",)
    ) -> None:
        self.model = model
        self.tensors = {name: model.tensor(name) for name in model.find(names)}
        self._named = frozenset(names)
        inputs = {value.name for value in model.inputs}
        made = dict.fromkeys(t for t in self.tensors.values() if t not in inputs)
        self._runner = model.runner(list(made), providers) if made else None

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs of the model that the chosen layers need."""
        needed = set(self.tensors.values())
        if self._runner is not None:
            needed.update(self._runner.inputs)
        return tuple(value for value in self.model.inputs if value.name in needed)

    def run(self, x: Feed) -> dict[str, NDArray[np.float32]]:
        """Return the activations for one batch; see `activations`."""
        feeds = feeds_of(self.model, self.inputs, x)
        values = dict(feeds)
        if self._runner is not None:
            with self.model.named_in_errors():
                values.update(zip(self._runner.outputs, self._run(feeds), strict=True))
        chosen = {name: values[tensor] for name, tensor in self.tensors.items()}
        wrong = [name for name, value in chosen.items() if not _is_numbers(value)]
        for name in wrong:
            message = f"{self.model.path}: the output of {name!r} is not a tensor of numbers"
            if name in self._named:
                raise ModelError(message)
            warnings.warn(f"{message}: left out", CnnVisWarning, stacklevel=2)
        return {name: np.asarray(v, dtype=np.float32) for name, v in chosen.items() if name not in wrong}

    def _run(self, feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the batch, in pieces of the model's own batch size where that is fixed."""
        assert self._runner is not None
        needed = [i for i in self.model.inputs if i.name in self._runner.inputs]
        sizes = {i.shape[0] for i in needed if i.shape}
        counts = {len(feeds[i.name]) for i in needed if i.shape}
        size, count = next(iter(sizes), None), next(iter(counts), None)
        if len(sizes) != 1 or len(counts) != 1 or size is None or count is None or size == count:
            return self._runner.run(feeds)
        pieces = []
        for images, batch in in_batches(feeds, count, size, [i.name for i in needed if i.shape]):
            outputs = self._runner.run(batch)
            for tensor, output in zip(self._runner.outputs, outputs, strict=True):
                if not output.ndim or len(output) != size:
                    raise ModelError(f"{tensor!r} has no batch axis: give the model {size} images at a time")
            pieces.append([output[: images.stop - images.start] for output in outputs])
        return [np.concatenate(parts) for parts in zip(*pieces, strict=True)]


def feeds_of(model: Model, needed: Sequence[Input], x: Feed) -> dict[str, NDArray[Any]]:
    """Return an input array, or one a name, as what a network is fed.

    Parameters
    ----------
    model : Model
        The network.
    needed : sequence of Input
        Its inputs that need values.
    x : ndarray or dict of ndarray
        As `activations` takes it, but for names of inputs alone.

    Raises
    ------
    ImageError
        If an array is missing, or does not fit.
    """
    if isinstance(x, Mapping):
        unknown = [name for name in x if all(name != i.name for i in model.inputs)]
        if unknown:
            raise ImageError(f"{model.path}: no input {unknown[0]!r}")
        missing = [i.name for i in needed if i.name not in x]
        if missing:
            raise ImageError(f"{model.path}: no value for input {missing[0]!r}")
        return {i.name: _checked(model, i, x[i.name]) for i in model.inputs if i.name in x}
    if len(needed) > 1:
        names = ", ".join(i.name for i in needed)
        raise ImageError(
            f"{model.path}: has {len(needed)} inputs ({names}): give one array for each, by name"
        )
    if not model.inputs:
        return {}
    only = needed[0] if needed else model.inputs[0]
    x = np.asarray(x)
    if only.channels_last and x.ndim == len(only.shape):
        x = np.moveaxis(x, 1, -1)
    return {only.name: _checked(model, only, x)}


def _checked(model: Model, target: Input, x: Any) -> NDArray[Any]:
    """Return the array as the input wants it, contiguous and of its type."""
    array = np.asarray(x)
    fits = len(array.shape) == len(target.shape) and all(
        want is None or have == want for have, want in zip(array.shape[1:], target.shape[1:], strict=True)
    )
    given = " x ".join(map(str, array.shape)) or "a single value"
    if target.ranked and not fits:
        wanted = " x ".join("any" if size is None else str(size) for size in target.shape)
        raise ImageError(f"{model.path}: input {target.name!r} takes {wanted}, not {given}")
    if array.size == 0:
        raise ImageError(f"{model.path}: input {target.name!r} got an empty batch: {given}")
    with np.errstate(invalid="ignore"):
        # of a single value numpy makes an axis
        fed = np.ascontiguousarray(array, dtype=target.dtype).reshape(array.shape)
    if fed.dtype.kind in "iu" and not np.array_equal(fed, array):
        raise ImageError(
            f"{model.path}: input {target.name!r} takes whole numbers of type {target.dtype}, not values "
            f"from {array.min():g} to {array.max():g}; pictures fit with --preprocess raw"
        )
    return fed


def _is_numbers(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "biufV"
