"""Curves of removal over a set of labelled pictures: for criteria side by side, per class and overall."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .ablation import Ablation
from .errors import ImageError, ModelError
from .feeding import image_input
from .filters import Filters
from .importance import ALL, Study, importance
from .importance.criteria import random_scores
from .importance.graph import on_the_way
from .importance.streaming import feed
from .labelled import NOT_FINITE, Fault, LabelledBatch, labelled_batches, nothing_counts, refused
from .parts import Input
from .removal import Curve, Removal, least_first, most_first

if TYPE_CHECKING:
    from .activations import Feed

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
    order : int
        Of random orders, which one.
    """

    criterion: str
    label: str
    most: bool
    order: int = 0


def computed_scores(
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
    names = [name for name in study.criteria if name != RANDOM]
    # nothing is compared with the oracle where all orders are random
    names = [*dict.fromkeys([*names, ORACLE])] if names else []
    wanted = [(name, one.layer, label) for name in names for one in study.filters for label in labels]
    found = {key: known[key] for key in wanted if key in known}
    missing = tuple(name for name in names if any(key not in found for key in wanted if key[0] == name))
    if not missing:
        done(len(study.order))
        return found, ()
    computed = importance(replace(study, criteria=missing, replicates=0), done=done)
    found |= {key: estimate.mean for key, estimate in computed.estimates.items() if key not in found}
    return found, computed.faults


def trials(
    study: Study, filters: Filters, labels: Sequence[str], scores: Scores, orders: int
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
        As `computed_scores` gives them.
    orders : int
        How many orders the criterion ``random`` stands for.
    """
    found: dict[tuple[str, str, int], NDArray[np.float64]] = {}
    for name in study.criteria:
        for label in labels:
            if name == RANDOM:
                for number in range(orders):
                    found[name, label, number] = random_scores(filters, study.seed, number)
            elif (name, filters.layer, label) in scores:
                found[name, label, 0] = scores[name, filters.layer, label]
    return {
        Trial(name, label, most, number): most_first(own) if most else least_first(own)
        for (name, label, number), own in found.items()
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
            Ablation(
                study.model, one, scores_tensor(study), maps=maps.get(one.layer), layers=len(study.filters)
            ),
            orders[one.layer],
            removed[one.layer],
        )
        for one in study.filters
    }
    shown = {trial.label for removal in removals.values() for trial in removal.keys}
    faults: list[Fault] = []
    target = _input(study)
    for batch in _batches(study, target, done):
        faults += batch.faults
        labels = [study.pictures.labels[number] for number in batch.numbers]
        whose = np.array([label if label in shown else ALL for label in labels])
        x = batch.x if labels else np.empty(0, np.float32)
        for name in dict.fromkeys(whose.tolist()):
            own = np.flatnonzero(whose == name)
            numbers = [batch.numbers[place] for place in own.tolist()]
            try:
                counted = _counted(study, removals.values(), name, numbers, feed(study, target, x[own]))
            except ModelError as error:
                if not target.is_open:
                    raise
                faults += [refused(study.pictures, number, error) for number in numbers]
                continue
            left_out = [number for number, good in zip(numbers, counted.tolist(), strict=True) if not good]
            faults += [refused(study.pictures, number, NOT_FINITE) for number in left_out]
    curves = {layer: removal.curves() for layer, removal in removals.items()}
    seen = {trial.label for own in curves.values() for trial in own}
    faults += [nothing_counts(study.pictures, label) for label in study.neurons if label in shown - seen]
    if not any(curves.values()):
        raise ImageError(f"{study.pictures.path}: no picture of this set counts: {faults[0].reason}")
    return curves, tuple(faults)


def _counted(
    study: Study, removals: Iterable[Removal[Trial]], name: str, numbers: Sequence[int], x: Feed
) -> NDArray[np.bool_]:
    """Let pictures count in the trials of a class and of `ALL`; return which of them do."""
    classes = np.array([study.neurons[study.pictures.labels[number]] for number in numbers], np.intp)
    counted = np.ones(len(numbers), bool)
    for removal in removals:
        trials = [trial for trial in removal.keys if trial.label in (ALL, name)]
        if trials:
            counted &= removal.add(x, classes, trials)
    return counted


def scores_tensor(study: Study) -> str | None:
    """Return what holds a score for each class, as `Ablation` takes it; None for the network's own."""
    return f"tensor:{study.target}" if isinstance(study.target, str) else None


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
        try:
            values = extractor.run(feed(study, target, batch.x))
        except ModelError:
            # the curves leave out and tell pictures that are too small
            if not target.is_open:
                raise
            continue
        for one in study.filters:
            maps = np.moveaxis(values[names[one.layer]], one.channel_axis, 1)
            # the curves leave out the others, and tell it
            finite = maps[np.isfinite(maps).reshape(len(maps), -1).all(axis=1)]
            sums[one.layer] += finite.sum(axis=(0, *range(2, maps.ndim)), dtype=np.float64)
            counts[one.layer] += finite.size // one.count
    return {layer: (total / max(counts[layer], 1)).astype(np.float32) for layer, total in sums.items()}


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
    known = on_the_way(study.model, study.target)
    return image_input(
        study.model, [value for value in study.model.inputs if value.name in known], study.fixed
    )
