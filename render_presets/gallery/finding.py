"""Which files of a folder are one volume: its formats, and the numbered frames of a series."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converters import VolumeError, extension_of, read, series
from converters.sidecar import load
from converters.volume import Volume

_PREFERRED = (".nrrd", ".nhdr", ".vti", ".mha", ".mhd", ".nii.gz", ".nii", ".hdf", ".vtkhdf", ".vtk", ".vox")
"""Of several formats, the one that is read: those that keep float32 come first."""

_LIST, _SEQUENCE = ".pvd", ".seq"
_NUMBERED = re.compile(r"(.+)_\d{3,}", re.DOTALL)


@dataclass(frozen=True)
class Found:
    """A volume, in one format or several.

    Parameters
    ----------
    name : str
        The path from the folder, with forward slashes and without extension.
    files : tuple of Path
        Its formats, the one to read first; none of a series that only exists as numbered frames.
    frames : tuple of Path
        The numbered files of a series, in one format.
    """

    name: str
    files: tuple[Path, ...]
    frames: tuple[Path, ...] = ()

    @property
    def path(self) -> Path:
        """The file that stands for all."""
        return (*self.files, *self.frames)[0]

    def volume(self) -> Volume:
        """Return the volume; a series is 4-D, its labels are those of its frames.

        Raises
        ------
        VolumeError
            If it cannot be read.
        """
        if self.frames and (not self.files or self.files[0].suffix == _LIST):
            return _together(self.frames)
        return read(self.files[0])


def find(folder: Path) -> list[Found]:
    """Return the volumes in a folder and the folders in it, by their names; hidden ones do not count.

    Files whose names differ in their extensions only are taken for one volume in several formats.

    Raises
    ------
    OSError
        If the folder cannot be read.
    """
    stems: dict[str, list[Path]] = defaultdict(list)
    frames: dict[str, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for path, extension in _volume_files(folder):
        stem = path.relative_to(folder).as_posix()[: -len(extension)].removesuffix(_SEQUENCE)
        numbered = _NUMBERED.fullmatch(stem)
        if numbered and _is_frame(path):
            frames[numbered[1]][extension].append(path)
        else:
            stems[stem].append(path)
    return [
        Found(stem, tuple(sorted(stems.get(stem, []), key=_rank)), _best(frames.get(stem, {})))
        for stem in sorted({*stems, *frames})
    ]


def _volume_files(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            extension = _extension(path)
            # the header of a .vox says nothing of its own
            if extension is not None and not (extension == ".hd" and path.with_suffix(".vox").exists()):
                yield path, extension


def _extension(path: Path) -> str | None:
    if path.suffix.lower() == _LIST:
        return _LIST
    try:
        return extension_of(path)
    except VolumeError:
        return None


def _rank(path: Path) -> tuple[int, str]:
    extension = _extension(path) or ""
    return (_PREFERRED.index(extension) if extension in _PREFERRED else len(_PREFERRED), path.name)


def _best(frames: dict[str, list[Path]]) -> tuple[Path, ...]:
    return min(map(tuple, frames.values()), key=lambda files: _rank(files[0]), default=())


def _is_frame(path: Path) -> bool:
    """Whether a numbered file is a frame, as its side-car says, and not only called so."""
    try:
        document = load(path)
    except VolumeError:
        return False
    return document is not None and _place(document["facts"]) is not None


def _place(facts: Any) -> dict[str, Any] | None:
    place = facts.get("series")
    return place if isinstance(place, dict) and isinstance(place.get("frame"), int) else None


def _together(paths: tuple[Path, ...]) -> Volume:
    volumes = [read(path) for path in paths]
    places = [_place(volume.facts) for volume in volumes]
    labels = [str(place["label"]) if place else path.name for place, path in zip(places, paths, strict=True)]
    alone = [
        volume.replace(facts={key: fact for key, fact in volume.facts.items() if key != "series"})
        for volume in volumes
    ]
    if len(alone) == 1:
        return alone[0]
    gathered = series.gather(alone, [str(path) for path in paths], labels)
    first = gathered.first
    return first.replace(data=np.stack(list(gathered.data)), labels=gathered.labels, facts=gathered.facts)
