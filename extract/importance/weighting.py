"""Volumes whose slices show how important each is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from converters.errors import VolumeError

if TYPE_CHECKING:
    from converters import Volume

Floats = NDArray[np.float64]


def _scaled(data: NDArray[np.float32], shares: Floats, scores: Floats) -> Floats:
    return data * shares


def _carried(data: NDArray[np.float32], shares: Floats, scores: Floats) -> Floats:
    return np.broadcast_to(scores, data.shape)


WAYS: Mapping[str, Callable[[NDArray[np.float32], Floats, Floats], Floats]] = {
    "scaled": _scaled,
    "carried": _carried,
}
"""``scaled``: each slice times its score, the largest score taken for 1; ``carried``: the score itself."""


def weighted(volume: Volume, scores: Sequence[float], way: str, criterion: str, label: str) -> Volume:
    """Return a volume whose slices are scaled by scores, or carry them.

    Parameters
    ----------
    volume : Volume
        Slices, or frames, are filters, or kernels of filters: labels are the filters' numbers, or
        ``FILTER,INPUT``. Slices of other labels, such as blank ones, become 0.
    scores : sequence of float
        One a filter.
    way : str
        One of `WAYS`.
    criterion, label : str
        By what, and for which class, as ``facts["importance"]`` tells with the score of each slice.

    Raises
    ------
    VolumeError
        If no label is a filter's number, or one is beyond the last filter.
    """
    filters = [_filter_of(name) for name in volume.labels]
    known = [number for number in filters if number is not None]
    if not known:
        raise VolumeError(f"its labels, such as {volume.labels[0]!r}, are no numbers of filters")
    if max(known) >= len(scores):
        raise VolumeError(f"has a slice of filter {max(known)}, and the layer {len(scores)} filters")
    own = np.array([0.0 if number is None else scores[number] for number in filters])
    largest = float(np.abs(scores).max()) or 1.0
    columns = own.reshape(-1, *[1] * (volume.data.ndim - 1))
    data = WAYS[way](volume.data, columns / largest, columns)
    told = {
        name: float(score)
        for name, number, score in zip(volume.labels, filters, own, strict=True)
        if number is not None
    }
    fact = {"criterion": criterion, "class": label, "way": way, "scores": told}
    return volume.replace(data=data.astype(np.float32), facts={**volume.facts, "importance": fact})


def _filter_of(label: str) -> int | None:
    match = re.fullmatch(r"([0-9]{1,9})(,[0-9]+)*", label)
    return int(match[1]) if match else None
