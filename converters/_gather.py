"""Volumes that go together as the frames of a series: looked at one by one, never held all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import VolumeError
from .registry import extension_of
from .volume import Vector, Volume

# facts of the slices; of a file that holds frames they would be taken for facts of its frames
OF_SLICES = ("layout", "order")
# what all volumes of a series have in common
_ALIKE = ("layer", "quantity")


@dataclass(frozen=True, eq=False)
class Series:
    """Volumes that `gather` has checked; a `Described` of as many frames.

    Parameters
    ----------
    labels : tuple of str
        What each frame is called, all different.
    volumes : sequence of Volume
        The frames, 3-D; they may be read anew each time.
    first : Volume
        The first of them: geometry and slices are the same in all.
    range : (float, float) or None
        Smallest and largest finite value of all frames.
    facts : mapping
        What the side-cars of all frames say; ``series`` holds the labels of the slices, and for each frame
        its label and what else its side-car says.
    """

    labels: tuple[str, ...]
    volumes: Sequence[Volume]
    first: Volume
    range: tuple[float, float] | None
    facts: Mapping[str, Any]

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.labels)

    @property
    def name(self) -> str:
        """What the values are."""
        return self.first.name

    @property
    def size(self) -> tuple[int, int, int]:
        """Number of voxels along x, y and z."""
        return self.first.size

    @property
    def spacing(self) -> Vector:
        """Distance between neighbours along x, y and z."""
        return self.first.spacing

    @property
    def origin(self) -> Vector:
        """Position of the centre of voxel (0, 0, 0)."""
        return self.first.origin

    @property
    def direction(self) -> tuple[float, ...]:
        """Unit vectors of the axes, as `Volume` has them."""
        return self.first.direction

    @property
    def affine(self) -> NDArray[np.float64]:
        """The 4 x 4 matrix that takes (x, y, z, 1) indices to LPS positions."""
        return self.first.affine

    @property
    def data(self) -> Iterator[NDArray[np.float32]]:
        """The values of the frames, read one after another."""
        return (volume.data for volume in self.volumes)

    def alone(self) -> Iterator[Volume]:
        """Yield each frame as a volume that says which one it is; all lie in exactly the same place."""
        for frame, label in enumerate(self.labels):
            place = {"frame": frame, "frames": self.frames, "label": label}
            volume = self.volumes[frame]
            yield volume.replace(
                spacing=self.spacing,
                origin=self.origin,
                direction=self.direction,
                facts={**volume.facts, "series": place},
            )


def gather(volumes: Sequence[Volume], sources: Sequence[str], labels: Sequence[str] = ()) -> Series:
    """Return volumes as a series, after a look at each: they must differ in nothing but their values.

    Parameters
    ----------
    volumes : sequence of Volume
        3-D, all of one layer: of the same size, place, name, layer, and with the same slices in the same
        order. The first one is held; the others are taken one after another.
    sources : sequence of str
        The path of each, for messages.
    labels : sequence of str
        What to call them. By default as in the series that they are frames of, as their images, or, where
        these are not known or not different, as their files.

    Raises
    ------
    VolumeError
        If there are no two volumes, they do not go together, or two would be called alike.
    """
    if len(volumes) < 2:
        raise VolumeError("a series takes two volumes or more")
    if labels and len(labels) != len(volumes):
        raise VolumeError(f"{len(labels)} labels for {len(volumes)} volumes")
    first = volumes[0]
    looked = [_look(volume, source, first) for source, volume in zip(sources, volumes, strict=True)]
    ranges = [span for span, _ in looked if span is not None]
    facts = [each for _, each in looked]
    names = _names(labels, facts, sources)
    # what the files tell of an earlier series does not hold for this one
    facts = [{key: value for key, value in each.items() if key != "series"} for each in facts]
    span = (min(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else None
    return Series(names, volumes, first, span, _facts(facts, names, first.labels))


def _look(volume: Volume, source: str, first: Volume) -> tuple[tuple[float, float] | None, dict[str, Any]]:
    """Return range and facts of a volume that goes together with the first one."""
    for check in _CHECKS:
        if problem := check(volume, first):
            raise VolumeError(f"{source}: {problem}")
    return volume.range, dict(volume.facts)


def _names(
    labels: Sequence[str], facts: Sequence[Mapping[str, Any]], sources: Sequence[str]
) -> tuple[str, ...]:
    names = (
        tuple(labels)
        or _told(facts, "series", "label")
        or _told(facts, "image", "file")
        or tuple(map(_stem, sources))
    )
    for name in names:
        if not name.strip():
            raise VolumeError("a frame needs a label that is not blank")
        if names.count(name) > 1:
            raise VolumeError(f"two frames are called {name!r}: they need labels")
    return names


def _told(facts: Sequence[Mapping[str, Any]], fact: str, key: str) -> tuple[str, ...]:
    """Return a text of each side-car, if all have one and no two the same."""
    texts = [told.get(key) for each in facts if isinstance(told := each.get(fact), Mapping)]
    apart = len(set(map(str, texts))) == len(facts) and all(isinstance(text, str) and text for text in texts)
    return tuple(map(str, texts)) if apart else ()


def _stem(source: str) -> str:
    name = Path(source).name
    return name[: -len(extension_of(name))]


def _facts(facts: Sequence[dict[str, Any]], names: Sequence[str], slices: Sequence[str]) -> dict[str, Any]:
    """Return the facts that all frames share, and under ``series`` those of slices and of single frames."""
    first = facts[0]
    shared = {key: value for key, value in first.items() if all(key in o and o[key] == value for o in facts)}
    own = [{key: value for key, value in each.items() if key not in shared} for each in facts]
    return {
        **{key: value for key, value in shared.items() if key not in OF_SLICES},
        "layout": {"kind": "series"},
        "series": {
            "slices": list(slices),
            **{key: shared[key] for key in OF_SLICES if key in shared},
            "frames": [{"label": name, **each} for name, each in zip(names, own, strict=True)],
        },
    }


def _wrong_shape(volume: Volume, first: Volume) -> str | None:
    if volume.frames is not None:
        return f"it holds {volume.frames} frames itself; a series is made of 3-D volumes"
    if volume.size != first.size:
        return f"its size is {_by(volume.size)}, that of the first volume {_by(first.size)}"
    return None


def _wrong_values(volume: Volume, first: Volume) -> str | None:
    if volume.name != first.name:
        return f"it holds {volume.name!r}, the first volume {first.name!r}"
    for fact in _ALIKE:
        found, wanted = volume.facts.get(fact), first.facts.get(fact)
        if found != wanted:
            return f"its {fact} is {found!r}, that of the first volume {wanted!r}"
    return None


def _wrong_slices(volume: Volume, first: Volume) -> str | None:
    if volume.labels == first.labels:
        return None
    if sorted(volume.labels) == sorted(first.labels):
        place = next(i for i, label in enumerate(volume.labels) if label != first.labels[i])
        return (
            f"its slices are in another order than those of the first volume: slice {place} is "
            f"{volume.labels[place]!r}, there {first.labels[place]!r}; order them alike (--order)"
        )
    return "its slices are others than those of the first volume: their labels differ"


def _wrong_place(volume: Volume, first: Volume) -> str | None:
    # a ten-thousandth of a voxel: NIfTI holds the matrix as float32
    if np.allclose(volume.affine, first.affine, rtol=1e-6, atol=1e-4 * min(first.spacing)):
        return None
    for what in ("spacing", "origin", "direction"):
        found, wanted = getattr(volume, what), getattr(first, what)
        if not np.allclose(found, wanted, rtol=1e-6, atol=0):
            return f"its {what} is {_by(found, ' ')}, that of the first volume {_by(wanted, ' ')}"
    return "it lies in another place than the first volume"


def _by(numbers: Sequence[float], sign: str = " x ") -> str:
    return sign.join(format(number, "g") for number in numbers)


_CHECKS: tuple[Callable[[Volume, Volume], str | None], ...] = (
    _wrong_shape,
    _wrong_values,
    _wrong_slices,
    _wrong_place,
)
