"""Scores of filters over a labelled set of pictures, in one pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError, ModelError
from ..files import sha256
from ..filters import Filters
from ..labelled import Fault, LabelledBatch, LabelledSet, labelled_batches
from ..model import Model
from ..parts import Input
from ..preprocessing import Preprocessing
from ..targets import Target
from .criteria import CRITERIA, OfPictures, OfWeights
from .graph import Statistics, part_of
from .moments import Estimate, Moments, poisson_weights
from .state import State, StateFile, key_of

if TYPE_CHECKING:
    from ..activations import Feed

ALL = "all"
"""What all pictures together are called, where others are called by their class."""

Columns = dict[tuple[str, str], slice]


@dataclass(frozen=True, eq=False)
class Study:
    """What is to be found out.

    Parameters
    ----------
    model : Model
        The network, run by onnxruntime.
    pictures : LabelledSet
        The pictures.
    neurons : mapping of str to int
        For each label the class of the network; pictures of other labels are left out.
    filters : sequence of Filters
        Whose scores are wanted.
    criteria : sequence of str
        Names in `CRITERIA`.
    preprocessing : Preprocessing
        How pictures become inputs.
    target : sequence of Target, optional
        The neuron, for all pictures; by default that of each picture's class, before softmax.
    fixed : mapping of str to ndarray
        Values of further inputs, the same for all batches.
    batch : int
        How many pictures run together. It changes results by rounding errors at most.
    replicates : int
        Of the bootstrap; 0 for no intervals.
    seed : int
        For the bootstrap, and for the criterion ``random``.
    """

    model: Model
    pictures: LabelledSet
    neurons: Mapping[str, int]
    filters: Sequence[Filters]
    criteria: Sequence[str]
    preprocessing: Preprocessing
    target: Sequence[Target] | None = None
    fixed: Mapping[str, NDArray[Any]] = MappingProxyType({})
    batch: int = 16
    replicates: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        for name in self.criteria:
            if name not in CRITERIA:
                raise ModelError(f"unknown criterion {name!r}: choose of {', '.join(CRITERIA)}")
        if not self.filters or not self.criteria:
            raise ModelError(f"{self.model.path}: importance needs a layer and a criterion")
        if self.model.source.runner is not None:
            raise ModelError(f"{self.model.path}: importance needs the onnxruntime engine")
        if ALL in self.neurons:
            raise ImageError(
                f"{self.pictures.path}: a class cannot be called {ALL!r}, as all pictures together are called so"
            )

    @cached_property
    def order(self) -> list[int]:
        """The numbers of the pictures, class by class, so that one class at a time is open."""
        own = self.pictures.classes
        return [number for label in own if label in self.neurons for number in own[label]]


@dataclass(frozen=True, eq=False)
class Importance:
    """Scores of filters.

    Parameters
    ----------
    study : Study
        What was asked.
    estimates : mapping of (str, str, str) to Estimate
        By criterion, layer, and class, or `ALL`.
    counts : mapping of str to int
        How many pictures counted, by class and for `ALL`.
    faults : tuple of Fault
        What was left out.
    contents : str
        SHA-256 over names, labels and SHA-256 of all pictures that were read.
    """

    study: Study
    estimates: Mapping[tuple[str, str, str], Estimate]
    counts: Mapping[str, int]
    faults: tuple[Fault, ...]
    contents: str


class Rows(Protocol):
    """What makes a row of values for each picture."""

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs of the model that are needed."""

    def rows(self, x: Feed, classes: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return a row a picture."""


def importance(
    study: Study, keep: StateFile | None = None, done: Callable[[int], object] = lambda count: None
) -> Importance:
    """Score filters by criteria, in one pass over the pictures of a set.

    Memory does not grow with the number of pictures or classes: it is that of one batch, and of 16 bytes a
    replicate of the bootstrap, criterion and filter.

    Parameters
    ----------
    study : Study
        What is to be found out.
    keep : StateFile, optional
        Where to keep what was found so far. A run that is started again goes on there, and comes to the same
        numbers, to the last bit.
    done : callable
        Is told how many pictures are done with, batch by batch.

    Raises
    ------
    ModelError
        If the network cannot be run, an operator has no gradient, or the neuron does not depend on a layer.
    ImageError
        If no picture can be read.
    """
    columns, source = _sources(study)
    width = max((place.stop for place in columns.values()), default=0)
    empty = Moments(width, study.replicates)
    state = State(empty, Moments(width, study.replicates))
    if source is not None:
        state = _passed(study, source, state, keep, done)
    estimates = {**state.done, ALL: state.overall.estimate()}
    by_name = {
        (criterion, layer, label): estimate.part(place)
        for (criterion, layer), place in columns.items()
        for label, estimate in estimates.items()
    }
    for filters in study.filters:
        for name in study.criteria:
            criterion = CRITERIA[name]
            if isinstance(criterion, OfWeights):
                weight = study.model.values([filters.weight])[filters.weight]
                score = Estimate(0, criterion.compute(filters, weight, study.seed))
                by_name |= {(name, filters.layer, label): score for label in estimates}
    counts = {label: estimate.count for label, estimate in estimates.items()}
    return Importance(study, by_name, counts, (*study.pictures.faults, *state.faults), state.contents)


def _sources(study: Study) -> tuple[Columns, Rows | None]:
    """Return what makes rows, and which columns of them belong to a criterion and layer."""
    names = [name for name in study.criteria if isinstance(CRITERIA[name], OfPictures)]
    columns: Columns = {}
    end = 0
    for name in names:
        for filters in study.filters:
            columns[name, filters.layer] = slice(end, end := end + filters.count)
    if not names:
        return columns, None
    shapes = study.model.shapes()
    parts = [part_of(study.model, filters, shapes) for filters in study.filters]
    chosen = [c for c in (CRITERIA[name] for name in names) if isinstance(c, OfPictures)]
    return columns, Statistics(study.model, study.target, parts, chosen)


def _passed(
    study: Study, source: Rows, fresh: State, keep: StateFile | None, done: Callable[[int], object]
) -> State:
    """Return what is found in all pictures."""
    key = key_of(_facts(study)) if keep else ""
    state = (keep.load(key) if keep else None) or fresh
    done(state.position)
    target = _image_input(study, source)
    ends = _ends(study)
    for batch in labelled_batches(
        study.pictures, study.order, study.preprocessing, target.channels_first, study.batch, state.position
    ):
        done(batch.end - state.position)
        _count_in(study, source, target, batch, state, ends)
        if keep is not None and batch.end < len(study.order):
            keep.save_now_and_then(key, state)
    if not state.overall.count:
        reason = f": {state.faults[0].reason}" if state.faults else ""
        raise ImageError(f"{study.pictures.path}: no picture of this set counts{reason}")
    return state


def _count_in(
    study: Study, source: Rows, target: Input, batch: LabelledBatch, state: State, ends: Mapping[str, int]
) -> None:
    """Let a batch count, class by class, and close the classes that are done with."""
    labels = [study.pictures.labels[number] for number in batch.numbers]
    names = [study.pictures.names[number] for number in batch.numbers]
    state.faults += batch.faults
    for name, label, one in zip(names, labels, batch.inputs, strict=True):
        state.count_in(name, label, one.sha256)
    if batch.numbers:
        classes = np.array([study.neurons[label] for label in labels], np.intp)
        rows = source.rows(_feed(study, target, batch.x), classes)
        finite = np.isfinite(rows).all(axis=1)
        state.faults += [
            Fault(name, f"{study.pictures.path}: {name}: values or gradients are NaN or infinite")
            for name, good in zip(names, finite, strict=True)
            if not good
        ]
        weights = poisson_weights(batch.numbers, study.replicates, study.seed)
        state.overall.add(rows[finite], weights[finite])
    for label in _open(study, state, ends, batch.end):
        if batch.numbers:
            own = finite & np.array([other == label for other in labels])
            state.current.add(rows[own], weights[own])
        if ends[label] <= batch.end:
            _close(study, state, label)
    state.position = batch.end


def _open(study: Study, state: State, ends: Mapping[str, int], end: int) -> list[str]:
    """Return the classes of which pictures lie between the state's position and `end`."""
    start, found = 0, []
    for label, stop in ends.items():
        if start < end and stop > state.position:
            found.append(label)
        start = stop
    return found


def _close(study: Study, state: State, label: str) -> None:
    """Turn the moments of a class into its estimate."""
    if state.current.count:
        state.done[label] = state.current.estimate()
    else:
        reason = f"{study.pictures.path}: no picture of class {label!r} counts"
        state.faults.append(Fault(label, reason))
    state.current = Moments(len(state.overall.arrays()["mean"]), study.replicates)


def _ends(study: Study) -> dict[str, int]:
    """Return for each class how many pictures are done with behind its last one."""
    own, end = study.pictures.classes, 0
    return {label: (end := end + len(own[label])) for label in own if label in study.neurons}


def _image_input(study: Study, source: Rows) -> Input:
    """Return the input that the pictures are for."""
    found = [value for value in source.inputs if value.name not in study.fixed]
    if len(found) != 1:
        wanted = ", ".join(value.name for value in found) or "none"
        raise ImageError(
            f"{study.model.path}: pictures feed one input, and {wanted} are left: use --feed NAME=FILE.npy"
        )
    return found[0]


def _feed(study: Study, target: Input, x: NDArray[np.float32]) -> Feed:
    if not study.fixed:
        return x
    return {target.name: np.moveaxis(x, 1, -1) if target.channels_last else x, **study.fixed}


def _facts(study: Study) -> dict[str, Any]:
    """Return all that the numbers depend on."""
    import onnx
    import onnxruntime

    return {
        "versions": [module.__version__ for module in (np, onnx, onnxruntime)],
        "model": [sha256(file) for file in study.model.source.files],
        "set": study.pictures.identity,
        "neurons": dict(study.neurons),
        "layers": [(filters.layer, filters.shape) for filters in study.filters],
        "criteria": list(study.criteria),
        "preprocessing": study.preprocessing.facts,
        "target": [repr(target) for target in study.target or ()],
        "fixed": {name: key_of({"values": values.tobytes().hex()}) for name, values in study.fixed.items()},
        "batch": study.batch,
        "replicates": study.replicates,
        "seed": study.seed,
    }
