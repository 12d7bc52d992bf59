"""What the side-car of a volume tells of it, where its values need not be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters import VolumeError
from converters.sidecar import load
from converters.volume import Vector


@dataclass(frozen=True)
class Told:
    """A `Described` without values; its parts are those of `Volume`."""

    name: str
    labels: tuple[str, ...]
    facts: Mapping[str, Any]
    size: tuple[int, int, int]
    frames: int | None
    range: tuple[float, float] | None
    spacing: Vector
    origin: Vector
    direction: tuple[float, ...]

    @property
    def affine(self) -> NDArray[np.float64]:
        """The 4 x 4 matrix that takes (x, y, z, 1) indices to LPS positions."""
        affine = np.eye(4)
        affine[:3, :3] = np.reshape(self.direction, (3, 3)) * self.spacing
        affine[:3, 3] = self.origin
        return affine


def told(path: Path) -> Told | None:
    """Return what the side-car of a file tells; None where there is none, or none that makes sense."""
    try:
        document = load(path)
        return None if document is None else _told(document)
    except (VolumeError, ValueError, TypeError, KeyError):
        return None


def _told(document: Mapping[str, Any]) -> Told:
    place, labels = document["geometry"], tuple(map(str, document["labels"]))
    x, y, z = map(int, place["size"])
    frames = None if place.get("frames") is None else int(place["frames"])
    if min(x, y, z) < 1 or len(labels) != (z if frames is None else frames):
        raise ValueError("size and labels do not fit")
    spacing, origin = _numbers(place["spacing"], 3), _numbers(place["origin"], 3)
    span = document.get("range")
    return Told(
        name=document["name"],
        labels=labels,
        facts=document["facts"],
        size=(x, y, z),
        frames=frames,
        range=None if span is None else _pair(_numbers(span, 2)),
        spacing=(spacing[0], spacing[1], spacing[2]),
        origin=(origin[0], origin[1], origin[2]),
        direction=_numbers(place["direction"], 9),
    )


def _numbers(values: Any, count: int) -> tuple[float, ...]:
    numbers = np.asarray(values, np.float64)
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise ValueError(f"not {count} numbers")
    return tuple(numbers.tolist())


def _pair(numbers: tuple[float, ...]) -> tuple[float, float]:
    low, high = numbers
    return low, high
