"""Which files of a folder are one volume: its formats, and the lists and numbered frames of a series."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from converters import VolumeError, extension_of, series
from converters.sidecar import load
from converters.volume import Volume

from .told import Told, told

_PREFERRED = (".nrrd", ".nhdr", ".vti", ".mha", ".mhd", ".nii.gz", ".nii", ".hdf", ".vtkhdf", ".vtk", ".vox")
"""Of several formats, the one that is read: those that keep float32 come first."""

_LISTS = (".pvd", ".vti.series")
_SEQUENCE = ".seq"
_NUMBERED = re.compile(r"(.+)_\d{3,}", re.DOTALL)


@dataclass(frozen=True)
class Found:
    """A volume, in one format or several.

    Parameters
    ----------
    name : str
        The path from the folder, with forward slashes and without extension.
    paths : tuple of Path
        Its formats, the one to read first: files, lists of files, and last the common names of numbered ones,
        as `converters.series.opened` opens them.
    frames : tuple of Path
        The numbered files.
    """

    name: str
    paths: tuple[Path, ...]
    frames: tuple[Path, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that a reader would ask for; of a series that has no other, its first frame."""
        return tuple(path for path in self.paths if path.exists()) or self.frames[:1]

    def told(self) -> Told | None:
        """Return what is known of the volume without reading its values, None where that is nothing."""
        return told(self.paths[0])

    def opened(self) -> Volume | series.Series:
        """Return the volume, or the frames of a series.

        Raises
        ------
        VolumeError
            If it cannot be read.
        """
        return series.opened(self.paths[0])


def find(folder: Path) -> list[Found]:
    """Return the volumes in a folder and the folders in it, by their names; hidden ones do not count.

    Files whose names differ in their extensions only are taken for one volume in several formats.

    Raises
    ------
    OSError
        If the folder cannot be read.
    """
    groups: dict[str, _Group] = defaultdict(_Group)
    for path, extension in _volume_files(folder):
        stem = path.relative_to(folder).as_posix()[: -len(extension)].removesuffix(_SEQUENCE)
        numbered = _NUMBERED.fullmatch(stem)
        if numbered and _is_frame(path):
            stem = numbered[1]
            groups[_key(stem)].frames.append(path)
            path = folder / f"{stem}{path.name[-len(extension) :]}"
        groups[_key(stem)].names.add(stem)
        groups[_key(stem)].paths.add(path)
    found = [
        Found(min(group.names), tuple(sorted(group.paths, key=_rank)), tuple(sorted(group.frames, key=_rank)))
        for group in groups.values()
    ]
    return sorted(found, key=lambda one: one.name)


@dataclass
class _Group:
    names: set[str] = field(default_factory=set)
    paths: set[Path] = field(default_factory=set)
    frames: list[Path] = field(default_factory=list)


def _key(stem: str) -> str:
    """Return a name as files with an .mhd header have it: there, a plus stands for a percent sign."""
    return stem.replace("%", "+")


def _volume_files(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            extension = _extension(path)
            # the header of a .vox says nothing of its own
            if extension is not None and not (extension == ".hd" and path.with_suffix(".vox").exists()):
                yield path, extension


def _extension(path: Path) -> str | None:
    for ending in _LISTS:
        if path.name.lower().endswith(ending):
            return ending
    try:
        return extension_of(path)
    except VolumeError:
        return None


def _rank(path: Path) -> tuple[bool, int, str]:
    """Return what paths are sorted by: those that exist first, then by their formats."""
    extension = _extension(path) or ""
    place = _PREFERRED.index(extension) if extension in _PREFERRED else len(_PREFERRED)
    return not path.exists(), place, path.name


def _is_frame(path: Path) -> bool:
    """Whether a numbered file is a frame, as its side-car says, and not only called so."""
    try:
        document = load(path)
    except VolumeError:
        return False
    place = document["facts"].get("series") if document is not None else None
    return isinstance(place, dict) and isinstance(place.get("frame"), int)
