"""A volume on the page: the values of its slices, once, and the orders in which files hold them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from converters.volume import Volume

from ..transfer import Fitted
from . import telling
from .finding import Found
from .packing import Packing

MOST_VOXELS = 2**26
"""Of a frame; the page holds it as float32, and once more for the graphics card."""

_SOURCE = ("model", "image", "layer", "quantity", "target", "method")
"""Facts that volumes share which differ in the order of their slices only."""


@dataclass(frozen=True, eq=False)
class Entry:
    """A volume on the page.

    Parameters
    ----------
    document : dict
        What the page is told of it; its ``orders`` grow by `add`.
    values : tuple of str
        What `Packing.pack` made of each frame; nothing where there is a reason for it.
    reason : str or None
        Why the page does not hold the values.
    labels : tuple of str
        Of the slices, in the order in which they are packed.
    """

    document: dict[str, Any]
    values: tuple[str, ...]
    reason: str | None
    labels: tuple[str, ...]

    @classmethod
    def of(cls, found: Found, volume: Volume, fitted: Fitted, order: dict[str, Any], room: float) -> Self:
        """Return the entry of a volume.

        Parameters
        ----------
        found : Found
            Its files.
        volume : Volume
            Their values.
        fitted : Fitted
            The transfer function that it is shown with.
        order : dict
            What the page is told of the files and the order of their slices.
        room : float
            Bytes that the values may take.
        """
        word, labels = telling.slices(volume)
        packing = Packing.of(math.prod(volume.size), volume.range or (0.0, 0.0))
        values, reason = _packed(volume, packing, room)
        frame_word, frames = telling.frames(volume)
        document = {
            "name": found.name,
            "title": telling.title(volume, found.name),
            "kind": telling.kind(volume),
            "source": telling.source(volume),
            "size": volume.size,
            "spacing": volume.spacing,
            "origin": volume.origin,
            "direction": volume.direction,
            "slice": {"word": word, "labels": labels},
            "frame": {"word": frame_word, "labels": frames},
            "function": _function(fitted),
            "packing": {"dtype": packing.dtype, "slope": packing.slope, "intercept": packing.intercept},
            "error": packing.error,
            "reason": reason,
            "orders": [{**order, "permutation": list(range(len(labels)))}],
            "importance": telling.importance(volume, labels),
            "provenance": telling.provenance(volume),
        }
        return cls(document, tuple(values), reason, labels)

    def add(self, volume: Volume, order: dict[str, Any]) -> None:
        """Add the order of a volume of the same `digest`."""
        _, labels = telling.slices(volume)
        permutation = np.empty(len(labels), np.intp)
        permutation[_by_label(labels)] = _by_label(self.labels)
        self.document["orders"].append({**order, "permutation": permutation.tolist()})
        if self.document["importance"] is None:
            self.document["importance"] = telling.importance(volume, self.labels)


def digest(volume: Volume) -> str:
    """Return a digest of what a volume is, its place, and its slices, in whichever order these are."""
    _, labels = telling.slices(volume)
    by_label = _by_label(labels)
    source = [volume.facts.get(fact) for fact in _SOURCE]
    place = (volume.size, volume.spacing, volume.origin, volume.direction)
    told = (volume.name, source, place, telling.frames(volume), [labels[at] for at in by_label])
    found = hashlib.sha256(repr(told).encode("utf-8", "surrogatepass"))
    for data in _frames(volume):
        for at in by_label:
            found.update(data[at].tobytes())
    return found.hexdigest()


def _by_label(labels: Sequence[str]) -> list[int]:
    return sorted(range(len(labels)), key=lambda place: labels[place])


def _function(fitted: Fitted) -> dict[str, Any]:
    return {
        "name": fitted.name,
        "colors": fitted.colors,
        "opacities": fitted.opacities,
        "unit": fitted.unit,
        "interpolate": fitted.interpolate,
        "clear": fitted.clear,
    }


def _packed(volume: Volume, packing: Packing, room: float) -> tuple[list[str], str | None]:
    """Return the frames of a volume as texts, or none and the reason."""
    if math.prod(volume.size) > MOST_VOXELS:
        return [], f"{' x '.join(map(str, volume.size))} voxels are too many for a browser"
    values: list[str] = []
    for data in _frames(volume):
        values.append(packing.pack(data))
        room -= len(values[-1])
        if room < 0:
            return [], "the page would be larger than --max-size"
    return values, None


def _frames(volume: Volume) -> Iterator[NDArray[np.float32]]:
    yield from [volume.data] if volume.frames is None else volume.data
