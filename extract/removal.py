"""What a network gets wrong as more and more of a layer's filters go, in any order."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from .ablation import Ablation
from .class_scores import by_class, check_classes

if TYPE_CHECKING:
    from .activations import Feed

Key = TypeVar("Key", bound=Hashable)

Floats = NDArray[np.float64]
Order = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Curve:
    """What a network makes of pictures without some of a layer's filters.

    Parameters
    ----------
    filters : int
        How many filters the layer has.
    removed : tuple of int
        Numbers of filters that are removed, rising.
    pictures : int
        How many pictures counted.
    wrong : ndarray of int
        How many of them the network takes for another class, for each of `removed`.
    neuron : ndarray of float64
        The mean of the neuron of the right class.
    """

    filters: int
    removed: tuple[int, ...]
    pictures: int
    wrong: NDArray[np.int64]
    neuron: Floats

    @property
    def error(self) -> Floats:
        """The part of the pictures that the network gets wrong."""
        return self.wrong / self.pictures

    @property
    def area(self) -> float:
        """The area under the error over the part of the filters that is removed: the mean error on the way.

        By the trapezoidal rule. A criterion is the better, the smaller the area from the least important
        filter on, and the larger that from the most important one on.
        """
        return float(np.trapezoid(self.error, np.divide(self.removed, self.filters)))

    def at(self, removed: int) -> int:
        """Return the place of a number of removed filters; an error if it is none of the curve's."""
        return self.removed.index(removed)


class Removal(Generic[Key]):
    """Curves of removal that grow picture by picture.

    Parameters
    ----------
    ablation : Ablation
        A network and a layer; its output are scores of classes, (N, classes) or maps of these, whose means
        count.
    orders : mapping of hashable to ndarray of int
        The filters in the order in which they go, by names of the caller's choice.
    removed : sequence of int
        Numbers of filters to remove, rising.
    """

    def __init__(self, ablation: Ablation, orders: Mapping[Key, Order], removed: Sequence[int]) -> None:
        self._ablation, self._removed, self._orders = ablation, tuple(removed), dict(orders)
        self._pictures = dict.fromkeys(orders, 0)
        self._wrong = {key: np.zeros(len(self._removed), np.int64) for key in orders}
        self._neuron = {key: np.zeros(len(self._removed)) for key in orders}

    @property
    def keys(self) -> tuple[Key, ...]:
        """The names of the orders."""
        return tuple(self._orders)

    def add(self, x: Feed, classes: NDArray[np.intp], keys: Sequence[Key]) -> NDArray[np.bool_]:
        """Let pictures count for some of the orders.

        Parameters
        ----------
        x : ndarray or dict of ndarray
            A batch of N pictures, as `activations` takes it.
        classes : ndarray of int
            The right class of each, shape (N,).
        keys : sequence of hashable
            The names of the orders, at least one.

        Returns
        -------
        ndarray of bool
            Which pictures count, shape (N,): those of which the whole network's scores are finite. A score
            that is not because filters are missing counts as wrong.
        """
        whole = np.ones((1, self._ablation.filters.count), bool)
        rows = np.concatenate([whole, *(_kept(self._orders[key], self._removed) for key in keys)])
        choices, places = np.unique(rows, axis=0, return_inverse=True)
        intact, *others = places.ravel().tolist()
        right, neurons, counted = self._answers(x, classes, choices, intact)
        wrong, sums = (~right[counted]).sum(axis=0), neurons[counted].sum(axis=0)
        for key, own in zip(keys, np.split(np.array(others), len(keys)), strict=True):
            self._pictures[key] += int(counted.sum())
            self._wrong[key] += wrong[own]
            self._neuron[key] += sums[own]
        return counted

    def _answers(
        self, x: Feed, classes: NDArray[np.intp], choices: NDArray[np.bool_], intact: int
    ) -> tuple[NDArray[np.bool_], Floats, NDArray[np.bool_]]:
        """Return whether each picture is known with each choice, its neuron, and whether it counts.

        `intact` is the choice of all filters.
        """
        right = np.empty((len(classes), len(choices)), bool)
        neurons = np.empty(right.shape)
        counted = np.zeros(len(classes), bool)
        where = f"{self._ablation.model.path}: {self._ablation.output!r}"
        for images, some, values in self._ablation.parts(x, choices):
            scores, own = by_class(values, where), classes[images]
            check_classes(own, scores.shape[2], where)
            found = scores[np.arange(len(own)), :, own]
            neurons[images, some] = found
            # of values that are none, the first one would count as the largest
            right[images, some] = (scores.argmax(axis=2) == own[:, np.newaxis]) & np.isfinite(found)
            if some.start <= intact < some.stop:
                counted[images] = np.isfinite(scores[:, intact - some.start]).all(axis=1)
        return right, neurons, counted

    def curves(self) -> dict[Key, Curve]:
        """Return the curves of all orders for which a picture counted."""
        count = self._ablation.filters.count
        return {
            key: Curve(count, self._removed, pictures, self._wrong[key].copy(), self._neuron[key] / pictures)
            for key, pictures in self._pictures.items()
            if pictures
        }


def _kept(order: Order, removed: Sequence[int]) -> NDArray[np.bool_]:
    """Return which filters are still there, a row for each number of removed ones."""
    places = np.empty(len(order), np.intp)
    places[order] = np.arange(len(order))
    return places >= np.reshape(removed, (-1, 1))


def numbers_to_remove(count: int, most: int) -> tuple[int, ...]:
    """Return numbers from 0 to `count`: all, or at most `most`, evenly spread, 1 and `count` - 1 too."""
    if count < most:
        return tuple(range(count + 1))
    spread = np.rint(np.linspace(0, count, most - 2)).astype(int).tolist()
    return tuple(sorted({*spread, 1, count - 1}))


def thresholds(removed: Sequence[int], scores: Floats) -> list[float | None]:
    """Return, for each number of removed filters, the score below which they lie.

    None where no threshold removes as many: where it would part filters of equal scores, or all go.
    """
    rising = np.sort(scores)
    below = np.searchsorted(rising, rising)
    return [float(rising[n]) if n < len(rising) and below[n] == n else None for n in removed]


def error_by_threshold(curve: Curve, scores: Floats) -> tuple[Floats, Floats]:
    """Return the error without all filters whose score is below a threshold, as the points of a line.

    Parameters
    ----------
    curve : Curve
        Of removal from the least important filter on.
    scores : ndarray of float64
        The score of each filter.

    Returns
    -------
    (ndarray of float64, ndarray of float64)
        Thresholds, and the error at each: steps, but straight lines across numbers of filters that the curve
        leaves out.
    """
    rising, errors = np.sort(scores), curve.error.tolist()
    points: list[tuple[float, float]] = []
    reached = 0
    for removed, known, error in zip(curve.removed, thresholds(curve.removed, scores), errors, strict=True):
        # behind the highest score all filters go
        threshold = float(rising[-1]) if removed == len(rising) else known
        if threshold is None:
            continue
        if points and removed == reached:
            points.append((points[-1][0], error))
        points.append((threshold, error))
        reached = int(np.searchsorted(rising, threshold, side="right"))
    x, y = np.transpose(points)
    return x, y


def least_first(scores: NDArray[np.floating]) -> Order:
    """Return filters by score, the least important one first; equal ones by their numbers."""
    return np.argsort(scores, kind="stable")


def most_first(scores: NDArray[np.floating]) -> Order:
    """Return filters by score, the most important one first, as they rank; equal ones by their numbers."""
    return np.argsort(-scores, kind="stable")


def rank_correlation(scores: NDArray[np.floating], others: NDArray[np.floating]) -> float | None:
    """Return Spearman's rank correlation; None where one of both is constant, so that there is none."""
    from scipy import stats

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        found = float(stats.spearmanr(scores, others).statistic)
    return found if np.isfinite(found) else None
