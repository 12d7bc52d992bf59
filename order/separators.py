"""Blank slices between the clusters of an ordered volume."""

from __future__ import annotations

import itertools

import numpy as np

from converters.volume import Volume

from .errors import OrderError

BLANK = ""
"""The label of a blank slice."""


def separate(volume: Volume, width: int = 1) -> Volume:
    """Return an ordered volume with blank slices between its clusters; every map stays.

    Blank slices hold zeros, or what lies nearest to zero among the values; their places are in
    ``facts["order"]["blank"]``. A volume without clusters comes back as it is.

    Raises
    ------
    OrderError
        If the recorded clusters are not those of this volume.
    """
    volume = joined(volume)
    order = volume.facts.get("order")
    if not (isinstance(order, dict) and order.get("clusters")):
        return volume
    sizes = order["clusters"]
    if not (isinstance(sizes, list) and all(isinstance(n, int) and n > 0 for n in sizes)):
        raise OrderError("the clusters that the volume records are damaged")
    if sum(sizes) != len(volume.data):
        raise OrderError(f"clusters of {sum(sizes)} maps do not fit a volume of {len(volume.data)} slices")
    starts = list(itertools.accumulate(sizes[:-1]))
    before = np.repeat(starts, width).astype(np.intp)
    blank = before + np.arange(len(before))
    labels = list(volume.labels)
    for place in blank.tolist():
        labels.insert(place, BLANK)
    low, high = volume.range or (0.0, 0.0)
    return volume.replace(
        data=np.insert(volume.data, before, np.clip(0, low, high), axis=0),
        labels=tuple(labels),
        facts={**volume.facts, "order": {**order, "blank": blank.tolist()}},
    )


def joined(volume: Volume) -> Volume:
    """Return the volume without the blank slices that `separate` put in.

    Raises
    ------
    OrderError
        If their recorded places are not those of slices.
    """
    order = volume.facts.get("order")
    if not (isinstance(order, dict) and order.get("blank")):
        return volume
    blank = order["blank"]
    sound = isinstance(blank, list) and all(isinstance(n, int) and 0 <= n < len(volume.data) for n in blank)
    gone = set(blank) if sound else set(range(len(volume.data)))
    kept = [place for place in range(len(volume.data)) if place not in gone]
    if not kept:
        raise OrderError("the places of blank slices that the volume records are damaged")
    return volume.replace(
        data=volume.data[kept],
        labels=tuple(volume.labels[i] for i in kept),
        facts={**volume.facts, "order": {key: value for key, value in order.items() if key != "blank"}},
    )
