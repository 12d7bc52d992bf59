"""Targets that stay the same while the input changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..activations import Extractor, feeds_of
from ..errors import ModelError
from ..gradients import Differentiator, Gradients
from ..model import Model
from ..parts import Input
from ..targets import Target, check_shape

if TYPE_CHECKING:
    from ..activations import Feed

Feeds = Mapping[str, NDArray[Any]]


class PinnedDifferentiator:
    """Gradients at several places, of one target: the class predicted at the first stays the one meant.

    A target that is the largest of some values, each image's own, becomes their sum weighted by one more
    input of the network: 1 for the one that is largest at the input itself, 0 for all others.

    Parameters
    ----------
    model : Model
        The network.
    target : sequence of Target
        What is differentiated: their weighted sum.
    wrt, reduce, providers
        As `extract.gradients.Differentiator` takes them.

    Raises
    ------
    CnnVisError
        As `Differentiator` does.
    """

    def __init__(
        self,
        model: Model,
        target: Sequence[Target],
        wrt: Sequence[str],
        *,
        reduce: str | None = None,
        providers: Sequence[str],
    ) -> None:
        self._model = model
        self._target = target
        self._pins = {one.tensor: f"chosen:{one.tensor}" for one in target if one.index is None}
        pinned = [
            replace(one, tensor=_score(one.tensor), index=(0, 0)) if one.index is None else one
            for one in target
        ]
        self._differentiator = Differentiator(
            _with_pins(model, self._pins) if self._pins else model,
            pinned,
            wrt,
            reduce=reduce,
            providers=providers,
        )
        self._extractor = Extractor(model, [f"tensor:{one.tensor}" for one in target], providers)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs of the model that the target and its gradients need."""
        needed = {i.name for i in (*self._differentiator.inputs, *self._extractor.inputs)}
        return tuple(i for i in self._model.inputs if i.name in needed)

    def feeds(self, x: Feed) -> dict[str, NDArray[Any]]:
        """Return what the model's inputs are fed, by name, with axes as the model declares them."""
        return feeds_of(self._model, self.inputs, x)

    def pins(self, feeds: Feeds) -> dict[str, NDArray[np.float32]]:
        """Return what pins the target to the classes predicted for a batch: further feeds."""
        if not self._pins:
            return {}
        values = self._extractor.run(feeds)
        return {pin: _largest(values[f"tensor:{tensor}"]) for tensor, pin in self._pins.items()}

    def run(self, feeds: Feeds, pins: Feeds) -> Gradients:
        """Return the gradients for one batch."""
        return self._differentiator.run({**feeds, **pins})

    def scores(self, feeds: Feeds, pins: Feeds) -> NDArray[np.float64]:
        """Return the target for each image of a batch, shape (N,)."""
        values = self._extractor.run(feeds)
        parts = [
            one.weight * _value(one, values[f"tensor:{one.tensor}"], pins.get(f"chosen:{one.tensor}"))
            for one in self._target
        ]
        return np.asarray(np.sum(parts, axis=0))


def _score(tensor: str) -> str:
    return f"chosen:{tensor}:score"


def _with_pins(model: Model, pins: Mapping[str, str]) -> Model:
    """Return a network with further inputs (N, K), and sums (N, 1, 1) of its tensors weighted by them."""
    import onnx

    if model.source.runner is not None:
        raise ModelError(f"{model.path}: Caffe runs the network as it is: name the target as NAME:INDEX")
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    graph = proto.graph
    for tensor, pin in pins.items():
        graph.input.append(onnx.helper.make_tensor_value_info(pin, onnx.TensorProto.FLOAT, [None, None]))
        flat = []
        for name, shape in ((tensor, [0, 1, -1]), (pin, [0, -1, 1])):
            sizes = onnx.numpy_helper.from_array(np.asarray(shape, np.int64), f"{pin}:shape of {name}")
            graph.initializer.append(sizes)
            flat.append(f"{pin}:flat {name}")
            graph.node.append(onnx.helper.make_node("Reshape", [name, sizes.name], [flat[-1]], flat[-1]))
        graph.node.append(onnx.helper.make_node("MatMul", flat, [_score(tensor)], _score(tensor)))
    return Model(proto, model.source)


def _largest(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 1 at the first largest value of each image, 0 elsewhere; shape (N, K)."""
    rows = values.reshape(len(values), -1)
    chosen = np.zeros_like(rows)
    chosen[np.arange(len(rows)), rows.argmax(axis=1)] = 1
    return chosen


def _value(
    target: Target, values: NDArray[np.float32], pin: NDArray[np.float32] | None
) -> NDArray[np.float64]:
    """Return a target for each image, of the tensor that it is a part of."""
    if target.index is None:
        assert pin is not None
        return np.asarray((values.reshape(pin.shape) * pin).sum(axis=1), np.float64)
    check_shape(target, values.shape)
    place: tuple[slice | int, ...] = (slice(None), *target.index)
    rows = values[place].reshape(len(values), -1).astype(np.float64)
    return np.asarray(rows.max(axis=1) if target.how == "max" else rows.mean(axis=1))
