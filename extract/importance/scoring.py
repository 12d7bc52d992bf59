"""Scores of filters over a labelled set of pictures, in one pass."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from converters.errors import CnnVisWarning

from ..files import sha256
from ..filters import Filters
from ..labelled import Fault
from .criteria import CRITERIA, OfWeights, score_weights
from .moments import Estimate
from .rows import Table
from .state import State, StateFile, key_of
from .streaming import one_pass
from .study import ALL, Study

# Counts up where a change of the code changes scores: what an older version has begun then begins anew.
_METHOD = "2"


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
    maps : mapping of str to str
        For each layer the tensor that criteria of maps looked at; empty if there were none.
    """

    study: Study
    estimates: Mapping[tuple[str, str, str], Estimate]
    counts: Mapping[str, int]
    faults: tuple[Fault, ...]
    contents: str
    maps: Mapping[str, str]


def importance(
    study: Study, keep: StateFile | None = None, done: Callable[[int], object] = lambda count: None
) -> Importance:
    """Score filters by criteria, in one pass over the pictures of a set.

    Memory does not grow with the number of pictures: it is that of one batch, 16 bytes a replicate of the
    bootstrap, criterion and filter, and of what is found of each class 32 bytes a criterion and filter.

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
    table = Table(study.model, study.target, study.filters, study.criteria)
    state = State.fresh(table.width, study.replicates)
    if table.columns:
        key = key_of({**_facts(study), "maps": dict(table.maps)}) if keep else ""
        state = one_pass(study, table, _kept(keep, key, len(study.order)) or state, keep, key, done)
        estimates = {**state.done, ALL: state.overall.estimate()}
    else:
        # criteria that look at no picture say the same of all classes
        estimates = dict.fromkeys([*study.neurons, ALL], state.overall.estimate())
        done(len(study.order))
    found = {
        (criterion, layer, label): estimate.part(place)
        for (criterion, layer), place in table.columns.items()
        for label, estimate in estimates.items()
    }
    for filters in study.filters:
        for name, score in _of_weights(study, filters).items():
            found |= {(name, filters.layer, label): score for label in estimates}
    ordered = {
        (name, filters.layer, label): found[name, filters.layer, label]
        for filters in study.filters
        for name in study.criteria
        for label in estimates
    }
    counts = {label: estimate.count for label, estimate in estimates.items()}
    faults = (*study.pictures.faults, *state.faults)
    return Importance(study, ordered, counts, faults, state.contents, table.maps)


def _kept(keep: StateFile | None, key: str, total: int) -> State | None:
    """Return what an earlier run has left, and tell so."""
    if keep is None or not keep.path.exists():
        return None
    state = keep.load(key)
    if state is None:
        message = f"{keep.path}: is of another model, set or settings, or damaged: all pictures are seen anew"
    else:
        message = f"{keep.path}: goes on behind picture {state.position} of {total}"
    warnings.warn(message, CnnVisWarning, stacklevel=3)
    return state


def _of_weights(study: Study, filters: Filters) -> dict[str, Estimate]:
    """Return the scores by those criteria that look at no picture."""
    own = [name for name in study.criteria if isinstance(CRITERIA[name], OfWeights)]
    return {name: Estimate(0, score_weights(study.model, filters, name, study.seed)) for name in own}


def _facts(study: Study) -> dict[str, Any]:
    """Return all that the numbers depend on, the code included."""
    import onnx
    import onnxruntime

    return {
        "versions": [_METHOD, *(module.__version__ for module in (np, onnx, onnxruntime))],
        "model": [sha256(file) for file in study.model.source.files],
        "set": study.pictures.identity,
        "neurons": dict(study.neurons),
        "layers": [(filters.layer, filters.shape) for filters in study.filters],
        "criteria": list(study.criteria),
        "preprocessing": study.preprocessing.facts,
        "target": repr(study.target),
        "fixed": {name: key_of({"values": values.tobytes().hex()}) for name, values in study.fixed.items()},
        "batch": study.batch,
        "replicates": study.replicates,
        "seed": study.seed,
    }
