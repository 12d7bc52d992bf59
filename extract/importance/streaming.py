"""The one pass over the pictures: batch by batch into running means, class by class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError, ModelError
from ..feeding import image_input
from ..labelled import NOT_FINITE, LabelledBatch, labelled_batches, nothing_counts, refused
from ..parts import Input
from .moments import Moments, poisson_weights
from .rows import Table
from .state import State, StateFile
from .study import Study

if TYPE_CHECKING:
    from ..activations import Feed


def one_pass(
    study: Study,
    table: Table,
    state: State,
    keep: StateFile | None,
    key: str,
    done: Callable[[int], object],
) -> State:
    """Return what is found in all pictures.

    Parameters
    ----------
    study : Study
        What is to be found out.
    table : Table
        What makes a row of values a picture.
    state : State
        Where to begin.
    keep, key : StateFile and str
        Where to keep what was found so far, and under what key.
    done : callable
        Is told how many more pictures are done with.

    Raises
    ------
    ImageError
        If no picture counts.
    """
    done(state.position)
    order, spans = study.order, _spans(study)
    target = image_input(study.model, table.inputs, study.fixed)
    batches = labelled_batches(
        study.pictures, order, study.preprocessing, target.channels_first, study.batch, state.position
    )
    for batch in batches:
        done(batch.end - state.position)
        _count_in(state, study, spans, _taken(state, study, table, target, batch), batch.end)
        if keep is not None and batch.end < len(order):
            keep.save_now_and_then(key, state)
    if not state.overall.count:
        reason = f": {state.faults[0].reason}" if state.faults else ""
        raise ImageError(f"{study.pictures.path}: no picture of this set counts{reason}")
    return state


@dataclass(frozen=True, eq=False)
class _Taken:
    """The pictures of a batch that count: labels, rows of values, and weights in the bootstrap."""

    labels: NDArray[np.str_]
    rows: NDArray[np.float64]
    weights: NDArray[np.float64]


def _taken(state: State, study: Study, table: Table, target: Input, batch: LabelledBatch) -> _Taken:
    """Return the pictures of a batch that count, and record those that do not."""
    state.faults += batch.faults
    names = [study.pictures.names[number] for number in batch.numbers]
    labels = [study.pictures.labels[number] for number in batch.numbers]
    for name, label, one in zip(names, labels, batch.inputs, strict=True):
        state.note_content(name, label, one.sha256)
    if not names:
        return _nothing(table.width, study.replicates)
    classes = np.array([study.neurons[label] for label in labels], np.intp)
    try:
        rows = table.rows(feed(study, target, batch.x), classes)
    except ModelError as error:
        if not target.is_open:
            raise
        # pictures of a batch have one size, and some are too small for what takes most
        state.faults += [refused(study.pictures, number, error) for number in batch.numbers]
        return _nothing(table.width, study.replicates)
    finite: NDArray[np.bool_] = np.all(np.isfinite(rows), axis=1)
    state.faults += [
        refused(study.pictures, number, NOT_FINITE)
        for number, good in zip(batch.numbers, finite.tolist(), strict=True)
        if not good
    ]
    weights = poisson_weights(batch.numbers, study.replicates, study.seed)
    return _Taken(np.array(labels)[finite], rows[finite], weights[finite])


def _nothing(columns: int, replicates: int) -> _Taken:
    return _Taken(np.array([], np.str_), np.empty((0, columns)), np.empty((0, replicates)))


def _count_in(
    state: State, study: Study, spans: Mapping[str, tuple[int, int]], taken: _Taken, end: int
) -> None:
    """Let pictures count, and close the classes that are done with at `end`."""
    state.overall.add(taken.rows, taken.weights)
    for label, (first, last) in spans.items():
        if not (first < end and state.position < last):
            continue
        own = taken.labels == label
        state.current.add(taken.rows[own], taken.weights[own])
        if last <= end:
            _close(state, study, label)
    state.position = end


def _close(state: State, study: Study, label: str) -> None:
    if state.current.count:
        state.done[label] = state.current.estimate()
    else:
        state.faults.append(nothing_counts(study.pictures, label))
    state.current = Moments(state.current.columns, study.replicates)


def _spans(study: Study) -> dict[str, tuple[int, int]]:
    """Return which part of the order is a class's."""
    own, end, spans = study.pictures.classes, 0, {}
    for label in own:
        if label in study.neurons:
            spans[label] = end, end + len(own[label])
            end += len(own[label])
    return spans


def feed(study: Study, target: Input, x: NDArray[np.float32]) -> Feed:
    """Return what the network is fed with for some pictures, the other inputs included."""
    if not study.fixed:
        return x
    return {target.name: np.moveaxis(x, 1, -1) if target.channels_last else x, **study.fixed}
