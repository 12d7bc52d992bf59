"""A volume on the page: the values of its slices, once, and the orders in which files hold them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from converters.series import Series
from converters.volume import Described, Volume

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
    def of(
        cls, found: Found, volume: Volume | Series, fitted: Fitted, order: dict[str, Any], room: float
    ) -> Self:
        """Return the entry of a volume.

        Parameters
        ----------
        found : Found
            Its files.
        volume : Volume or Series
            Their values.
        fitted : Fitted
            The transfer function that it is shown with.
        order : dict
            What the page is told of the files and the order of their slices.
        room : float
            Bytes that the values may take.
        """
        packing = Packing.of(math.prod(volume.size), volume.range or (0.0, 0.0))
        values, reason = _packed(volume, packing, room)
        document = {
            **_document(found, volume, order, telling.values(frames(volume))),
            "function": _function(fitted),
            "packing": {"dtype": packing.dtype, "slope": packing.slope, "intercept": packing.intercept},
            "error": packing.error,
            "reason": reason,
        }
        return cls(document, tuple(values), reason, telling.slices(volume)[1])

    @classmethod
    def listed(cls, found: Found, volume: Described, order: dict[str, Any], reason: str) -> Self:
        """Return the entry of a volume whose values the page cannot hold, for a reason."""
        document = {
            **_document(found, volume, order, []),
            "function": None,
            "packing": None,
            "reason": reason,
        }
        return cls(document, (), reason, telling.slices(volume)[1])

    def add(self, volume: Volume | Series, order: dict[str, Any]) -> None:
        """Add the order of a volume of the same `digest`."""
        _, labels = telling.slices(volume)
        permutation = np.empty(len(labels), np.intp)
        permutation[_by_label(labels)] = _by_label(self.labels)
        self.document["orders"].append({**order, "permutation": permutation.tolist()})
        if self.document["importance"] is None:
            self.document["importance"] = telling.importance(volume, self.labels)


def frames(volume: Volume | Series) -> Sequence[Volume]:
    """Return the frames of a series, which may be read anew each time, else the volume itself."""
    return [volume] if isinstance(volume, Volume) else volume.volumes


def too_large(volume: Described) -> str | None:
    """Return why a volume cannot be on the page at all; None if it can."""
    if math.prod(volume.size) <= MOST_VOXELS:
        return None
    return f"{' x '.join(map(str, volume.size))} voxels are too many for a browser"


def digest(volume: Volume | Series) -> str:
    """Return a digest of what a volume is, its place, and its slices, in whichever order these are."""
    _, labels = telling.slices(volume)
    by_label = _by_label(labels)
    source = [volume.facts.get(fact) for fact in _SOURCE]
    place = (volume.size, volume.spacing, volume.origin, volume.direction)
    told = (volume.name, source, place, telling.frames(volume), [labels[at] for at in by_label])
    found = hashlib.sha256(repr(told).encode("utf-8", "surrogatepass"))
    for frame in frames(volume):
        for at in by_label:
            found.update(frame.data[at].tobytes())
    return found.hexdigest()


def _by_label(labels: Sequence[str]) -> list[int]:
    return sorted(range(len(labels)), key=lambda place: labels[place])


def _document(
    found: Found, volume: Described, order: dict[str, Any], values: telling.Lines
) -> dict[str, Any]:
    """Return what the page is told of a volume, whether it holds its values or not."""
    word, labels = telling.slices(volume)
    frame_word, frame_labels = telling.frames(volume)
    return {
        "name": found.name,
        "title": telling.title(volume, found.name),
        "kind": telling.kind(volume),
        "source": telling.source(volume),
        "size": volume.size,
        "spacing": volume.spacing,
        "origin": volume.origin,
        "direction": volume.direction,
        "slice": {"word": word, "labels": labels},
        "frame": {"word": frame_word, "labels": frame_labels},
        "orders": [{**order, "permutation": list(range(len(labels)))}],
        "importance": telling.importance(volume, labels),
        "provenance": telling.provenance(volume, values),
    }


def _function(fitted: Fitted) -> dict[str, Any]:
    return {
        "name": fitted.name,
        "colors": fitted.colors,
        "opacities": fitted.opacities,
        "unit": fitted.unit,
        "interpolate": fitted.interpolate,
        "clear": fitted.clear,
    }


def _packed(volume: Volume | Series, packing: Packing, room: float) -> tuple[list[str], str | None]:
    """Return the frames of a volume as texts, or none and the reason."""
    if reason := too_large(volume):
        return [], reason
    values: list[str] = []
    for frame in frames(volume):
        values.append(packing.pack(frame.data))
        room -= len(values[-1])
        if room < 0:
            return [], "the page would be larger than --max-size"
    return values, None
