"""Gradients beside central differences: how far they can be trusted for a network and an input."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .activations import feeds_of
from .differentiate.double import evaluator, to_double
from .differentiate.upgrade import upgraded
from .errors import ModelError
from .gradients import Differentiator
from .graph import cut, reads
from .objective import with_objective
from .runner import stored_constants
from .targets import Wanted, targets_of

if TYPE_CHECKING:
    import onnx

    from .activations import Feed
    from .model import Model

# Central differences are off by some 1e-8 here, by more where third derivatives are large.
TOLERANCE = 1e-6
# Of the tensor's root mean square: the fewer kinks of ReLU and MAX pooling a step crosses, the better. A
# smaller one is tried where the one before has crossed one; deep networks have some million units.
STEPS = (1e-6, 1e-7, 1e-8)
# Of float32's derivative from float64's, of the size of its terms: rounding moves units over kinks, in deep
# networks by some thousandths; a wrong operator, order or shape is off by about 1.
SINGLE = 0.02
# What rounding makes of a float64 value that went through a deep network.
_ROUNDING = 1e-14
# How many times as long as the network its gradients take, about.
_BACKWARD = 4


@dataclass(frozen=True)
class Row:
    """A derivative by the gradient, and by central differences.

    Parameters
    ----------
    name : str
        What the target is differentiated by, as it was asked for.
    kind : str
        ``direction 1``, ... of random directions, or ``entry (3, 0, 1)``.
    analytic : float
        The derivative by the gradient graph in float64, summed over the images.
    single : float
        The same in float32 by onnxruntime, as `gradients` gives it. It differs where rounding moves units
        over the kinks of ReLU and MAX pooling, in deep networks by a thousandth or so.
    numeric : float
        The derivative by central differences in float64.
    bound : float
        How far apart they may be.
    size : float
        The root of the sum of squares of the derivative's terms; of an entry at least a tenth of the largest.
    kink : bool
        Whether the network bends here, so that there is no derivative: the differences ahead and behind
        differ. Gradients at kinks are conventions.
    """

    name: str
    kind: str
    analytic: float
    single: float
    numeric: float
    bound: float
    size: float
    kink: bool

    @property
    def difference(self) -> float:
        """How far apart the two are."""
        return abs(self.analytic - self.numeric)

    @property
    def agrees(self) -> bool:
        """Whether the two are as near to each other as they should."""
        return self.difference <= self.bound

    @property
    def single_agrees(self) -> bool:
        """Whether what `gradients` gives is as near to the derivative in float64 as float32 can be."""
        return abs(self.single - self.analytic) <= SINGLE * self.size


def check_gradients(
    model: Model,
    x: Feed,
    target: Wanted,
    wrt: Sequence[str],
    *,
    reduce: str | None = None,
    directions: int = 2,
    entries: int = 4,
    seed: int = 0,
) -> list[Row]:
    """Compare the gradients of `gradients` with central differences, both in float64.

    Parameters
    ----------
    model, x, target, wrt, reduce
        As `gradients` takes them.
    directions : int
        How many random directions are compared for each of `wrt`.
    entries : int
        How many single entries besides: the one of the largest gradient, and random ones.
    seed : int
        Of the random choices.

    Returns
    -------
    list of Row
        One a direction and entry.

    Raises
    ------
    UnknownNameError, ImageError, ModelError
        As `gradients` does.

    Notes
    -----
    The differences are those of onnx's reference evaluator on the network alone. The bound is `TOLERANCE` of
    the root sum of squares of the derivative's terms, and of an entry a tenth of it of the largest.
    """
    check = GradientCheck(
        model, x, target, wrt, reduce=reduce, directions=directions, entries=entries, seed=seed
    )
    return list(check.rows())


class GradientCheck:
    """A comparison that takes its time; see `check_gradients` for the parameters.

    Attributes
    ----------
    count : int
        How many rows there will be.
    seconds : float
        How long they will take, about.
    """

    def __init__(
        self,
        model: Model,
        x: Feed,
        target: Wanted,
        wrt: Sequence[str],
        *,
        reduce: str | None = None,
        directions: int = 2,
        entries: int = 4,
        seed: int = 0,
    ) -> None:
        targets = targets_of(model, target)
        differentiator = Differentiator(model, targets, wrt, reduce=reduce)
        self._model, self._directions, self._entries = model, directions, entries
        self._rng = np.random.default_rng(seed)
        self._tensors = differentiator.tensors
        feeds = feeds_of(model, differentiator.inputs, x)
        if differentiator.fixed_batch is not None:
            # filled up with the last image, or cut
            chosen = range(differentiator.fixed_batch)
            feeds = {name: v.take(chosen, axis=0, mode="clip") for name, v in feeds.items()}
        self._singles = differentiator.run(feeds)
        proto = cut(upgraded(model.proto), [*dict.fromkeys(one.tensor for one in targets)])
        proto, objective = with_objective(proto, targets)
        readers = stored_constants(differentiator.proto, model.source.folder, model.source.weights)
        self._values = {name: _double(value) for name, value in feeds.items()}
        self._values |= {name: _double(read()) for name, read in readers.items()}
        with _failures_named(model):
            self._network = _Network(proto, objective, self._values)
        self._graph, self._seed = differentiator.proto, f"seed:{objective}"
        counts = {name: directions + min(entries, self._size(name)) for name in self._tensors}
        self.count = sum(counts.values())
        shares = sum(2 * self._network.share(self._tensors[name]) * n for name, n in counts.items())
        self.seconds = self._network.seconds * (_BACKWARD + shares)

    def rows(self) -> Iterator[Row]:
        """Yield the rows, each as soon as it is known."""
        for name, gradient in self._gradients().items():
            movement = _Movement(self._network, self._tensors[name], gradient.shape)
            single = _summed(self._singles[name], gradient.ndim)
            for kind, direction in self._chosen(gradient):
                yield _row(name, kind, gradient, single, direction, movement)

    def _gradients(self) -> dict[str, NDArray[np.float64]]:
        """Return the gradients by the reference evaluator; those of parameters summed over the images."""
        outputs = [f"grad:{tensor}" for tensor in self._tensors.values()]
        ones = np.ones_like(self._network.tensors[self._network.objective])
        graph = to_double(cut(self._graph, outputs))
        with _failures_named(self._model):
            found = evaluator(graph).run(outputs, {**self._values, self._seed: ones})
        return {
            name: _summed(value, np.ndim(self._network.tensors.get(tensor, value)))
            for (name, tensor), value in zip(self._tensors.items(), found, strict=True)
        }

    def _size(self, name: str) -> int:
        return int(np.size(self._network.tensors.get(self._tensors[name], self._singles[name])))

    def _chosen(self, gradient: NDArray[Any]) -> Iterator[tuple[str, NDArray[np.float64]]]:
        for number in range(1, self._directions + 1):
            yield f"direction {number}", self._rng.standard_normal(gradient.shape)
        count = min(self._entries, gradient.size)
        if not count:
            return
        largest = int(np.abs(gradient).argmax())
        others = [i for i in self._rng.choice(gradient.size, count, replace=False).tolist() if i != largest]
        for index in [largest, *others][:count]:
            place = tuple(int(i) for i in np.unravel_index(index, gradient.shape))
            direction = np.zeros(gradient.shape)
            direction[place] = 1
            yield f"entry {place}", direction


@contextmanager
def _failures_named(model: Model) -> Iterator[None]:
    """Turn what the reference evaluator raises, which may be anything, into an error of the model."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ModelError(
            f"{model.path}: onnx's reference evaluator cannot run this network, so its gradients cannot be "
            f"checked: {reason[:200]}"
        ) from error


class _Network:
    """A network in float64 by the reference evaluator, with all its tensors at one input."""

    def __init__(self, proto: onnx.ModelProto, objective: str, values: Mapping[str, NDArray[Any]]) -> None:
        self.proto, self.objective = to_double(proto), objective
        network = evaluator(self.proto)
        start = time.perf_counter()
        self.tensors: dict[str, Any] = dict(network.run(None, dict(values), intermediate=True))
        self.seconds = time.perf_counter() - start

    def after(self, tensor: str) -> onnx.ModelProto:
        """Return the part of the network that changes with a tensor."""
        import onnx

        moved, nodes = {tensor}, []
        for node in self.proto.graph.node:
            if tensor not in node.output and not moved.isdisjoint(reads(node)):
                nodes.append(node)
                moved.update(node.output)
        graph = onnx.helper.make_graph(nodes, "after", [], [onnx.ValueInfoProto(name=self.objective)])
        return onnx.helper.make_model(
            graph, opset_imports=self.proto.opset_import, functions=self.proto.functions
        )

    def share(self, tensor: str) -> float:
        """Return the share of the nodes that change with a tensor."""
        return len(self.after(tensor).graph.node) / max(1, len(self.proto.graph.node))


class _Movement:
    """The target as a function of one tensor."""

    def __init__(self, network: _Network, tensor: str, shape: tuple[int, ...]) -> None:
        part = network.after(tensor)
        self._network, self._tensor = network, tensor
        self._evaluator = evaluator(part) if part.graph.node else None
        self.start = np.asarray(network.tensors.get(tensor, np.zeros(shape)), np.float64)
        self.value = float(np.sum(network.tensors[network.objective]))
        self.scale = float(np.sqrt(np.mean(self.start**2))) or 1.0

    def __call__(self, move: NDArray[np.float64]) -> float:
        """Return the target, summed over the images, where the tensor is moved."""
        if self._evaluator is None:
            return self.value
        values = {**self._network.tensors, self._tensor: self.start + move}
        (objective,) = self._evaluator.run([self._network.objective], values)
        return float(np.sum(objective))


def _row(
    name: str,
    kind: str,
    gradient: NDArray[np.float64],
    single: NDArray[Any],
    direction: NDArray[np.float64],
    movement: _Movement,
) -> Row:
    terms = gradient * direction
    size = float(np.sqrt(np.sum(terms**2)))
    if kind.startswith("entry"):
        size = max(size, 0.1 * float(np.abs(gradient).max()))
    for share in STEPS:
        step = share * movement.scale
        ahead, behind = (
            (movement(sign * step * direction) - movement.value) / (sign * step) for sign in (1, -1)
        )
        bound = TOLERANCE * size + _ROUNDING * abs(movement.value) / step
        kink = abs(ahead - behind) > 2 * bound
        if not kink:
            break
    numbers = (float(terms.sum()), float((single * direction).sum()), (ahead + behind) / 2)
    return Row(name, kind, *numbers, bound, size, kink)


def _double(value: NDArray[Any]) -> NDArray[Any]:
    return value.astype(np.float64) if value.dtype.kind == "f" else value


def _summed(values: NDArray[Any], rank: int) -> NDArray[Any]:
    """Return gradients summed over the images, where they have an axis of images in front."""
    return values.sum(axis=0, dtype=np.float64) if values.ndim > rank else values
