"""Curves of removal over a set of labelled pictures: for criteria side by side, per class and overall."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .ablation import Ablation
from .errors import ImageError
from .filters import Filters
from .importance import ALL, CRITERIA, Study, importance
from .importance.criteria import OfWeights
from .importance.streaming import feed, image_input
from .labelled import Fault, LabelledBatch, labelled_batches
from .parts import Input
from .removal import Curve, Removal, least_first

RANDOM, ORACLE = "random", "ablation"

Scores = Mapping[tuple[str, str, str], NDArray[np.float64]]
"""A score a filter, by criterion, layer, and class or `ALL`."""


class Trial(NamedTuple):
    """An order in which filters go.

    Parameters
    ----------
    criterion : str
        Whose order.
    label : str
        The class whose scores and pictures count, or `ALL`.
    most : bool
        Whether the most important filter goes first, and not the least.
    seed : int
        Of random orders, which one.
    """

    criterion: str
    label: str
    most: bool
    seed: int = 0


def scores_of(
    study: Study, labels: Sequence[str], known: Scores, done: Callable[[int], object] = lambda count: None
) -> tuple[dict[tuple[str, str, str], NDArray[np.float64]], tuple[Fault, ...]]:
    """Return the scores of a study's criteria and of the oracle, and what was left out to compute them.

    Parameters
    ----------
    study : Study
        What is to be found out; ``random`` is left out.
    labels : sequence of str
        The classes that are wanted, and `ALL`.
    known : mapping
        Scores that need not be computed.
    done : callable
        Is told how many pictures are done with, batch by batch.
    """
    names = [name for name in dict.fromkeys([*study.criteria, ORACLE]) if name != RANDOM]
    wanted = [(name, one.layer, label) for name in names for one in study.filters for label in labels]
    found = {key: known[key] for key in wanted if key in known}
    missing = tuple(name for name in names if any(key not in found for key in wanted if key[0] == name))
    if not missing:
        return found, ()
    computed = importance(replace(study, criteria=missing, replicates=0), done=done)
    found |= {key: estimate.mean for key, estimate in computed.estimates.items() if key not in found}
    return found, computed.faults


def trials(
    study: Study, filters: Filters, labels: Sequence[str], scores: Scores, seeds: int
) -> dict[Trial, NDArray[np.intp]]:
    """Return all orders in which a layer's filters are to go.

    Parameters
    ----------
    study : Study
        Whose criteria.
    filters : Filters
        The layer's.
    labels : sequence of str
        The classes that are wanted, and `ALL`.
    scores : mapping
        As `scores_of` gives them.
    seeds : int
        How many orders the criterion ``random`` stands for.
    """
    orders = {}
    random = CRITERIA[RANDOM]
    assert isinstance(random, OfWeights)
    for name in study.criteria:
        for label in labels:
            if name != RANDOM:
                if (name, filters.layer, label) in scores:
                    orders[name, label, 0] = least_first(scores[name, filters.layer, label])
                continue
            for seed in range(seeds):
                numbers = random.compute(filters, np.empty(0), study.seed + seed)
                orders[name, label, seed] = least_first(numbers)
    return {
        Trial(name, label, most, seed): order[::-1] if most else order
        for (name, label, seed), order in orders.items()
        for most in (False, True)
    }


def removal_curves(
    study: Study,
    orders: Mapping[str, Mapping[Trial, NDArray[np.intp]]],
    removed: Mapping[str, Sequence[int]],
    maps: Mapping[str, NDArray[np.float32]],
    done: Callable[[int], object] = lambda count: None,
) -> tuple[dict[str, dict[Trial, Curve]], tuple[Fault, ...]]:
    """Return the curves of each layer, and what was left out, in one pass over the pictures.

    The trials of a class see its pictures alone, those of `ALL` see all.

    Parameters
    ----------
    study : Study
        The network, the pictures and the layers.
    orders : mapping of str to mapping of Trial to ndarray of int
        What `trials` gives, by layer.
    removed : mapping of str to sequence of int
        How many filters are removed, rising, by layer.
    maps : mapping of str to ndarray of float32
        What removed filters' maps become, by layer; 0 where there is nothing.
    done : callable
        Is told how many pictures are done with, batch by batch.
    """
    removals = {
        one.layer: Removal(
            Ablation(study.model, one, maps=maps.get(one.layer)), orders[one.layer], removed[one.layer]
        )
        for one in study.filters
    }
    faults: list[Fault] = []
    target = _input(study)
    for batch in _batches(study, target, done):
        faults += batch.faults
        labels = np.array([study.pictures.labels[number] for number in batch.numbers])
        for label in dict.fromkeys(labels.tolist()):
            own = np.flatnonzero(labels == label)
            x, classes = feed(study, target, batch.x[own]), np.full(len(own), study.neurons[label], np.intp)
            for layer, removal in removals.items():
                removal.add(x, classes, [trial for trial in orders[layer] if trial.label in (ALL, label)])
    return {layer: removal.curves() for layer, removal in removals.items()}, tuple(faults)


def mean_maps(
    study: Study, done: Callable[[int], object] = lambda count: None
) -> dict[str, NDArray[np.float32]]:
    """Return the mean of each filter's output over all places and pictures of a set, by layer."""
    from .activations import Extractor

    names = {one.layer: f"tensor:{one.output}" for one in study.filters}
    extractor = Extractor(study.model, list(names.values()))
    sums = {one.layer: np.zeros(one.count) for one in study.filters}
    counts = dict.fromkeys(sums, 0)
    target = _input(study)
    for batch in _batches(study, target, done):
        if not batch.numbers:
            continue
        values = extractor.run(feed(study, target, batch.x))
        for one in study.filters:
            rows = np.moveaxis(values[names[one.layer]], one.channel_axis, 0).reshape(one.count, -1)
            sums[one.layer] += rows.sum(axis=1, dtype=np.float64)
            counts[one.layer] += rows.shape[1]
    return {layer: (total / counts[layer]).astype(np.float32) for layer, total in sums.items()}


def _batches(study: Study, target: Input, done: Callable[[int], object]) -> Iterator[LabelledBatch]:
    """Yield the pictures in batches; some hold none, but only what could not be read."""
    position, seen, first = 0, 0, ""
    shape = target.channels_first
    for batch in labelled_batches(study.pictures, study.order, study.preprocessing, shape, study.batch):
        seen += len(batch.numbers)
        first = first or "".join(fault.reason for fault in batch.faults[:1])
        yield batch
        done(batch.end - position)
        position = batch.end
    if not seen:
        raise ImageError(f"{study.pictures.path}: no picture of this set can be read: {first}")


def _input(study: Study) -> Input:
    return image_input(study, Ablation(study.model, study.filters[0]).inputs)
