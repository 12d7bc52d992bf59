"""Series as they lie in files: frames in one file, a list of files, or numbered files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from . import sidecar
from ._files import beside, guarded
from ._gather import OF_SLICES, Series, gather
from .errors import VolumeError
from .registry import read
from .volume import Volume
from .volume_files import VolumeFiles


def read_series(path: Path) -> Series:
    """Open a series; of listed and numbered files, frames are read when they are needed.

    Parameters
    ----------
    path : Path
        A file with several frames; a list of files (.pvd, .series); or the common name of numbered files, of
        which none needs to be called so: ``conv1.vox`` for ``conv1_000.vox``, ``conv1_001.vox`` and so on.

    Raises
    ------
    VolumeError
        If there is no such series, a file is damaged or missing, or the frames do not go together.
    """
    for ending, listed in _LISTS.items():
        if path.name.lower().endswith(ending):
            return _together(path, _named(path, listed))
    if not path.exists() and (found := numbered(path)):
        return _together(path, found)
    volume = read(path)
    if volume.frames is None:
        raise VolumeError(f"{path}: holds one volume and no series")
    return parted(volume)


def is_list(path: Path) -> bool:
    """Whether a file's name says that it is a list of files, or the common name of numbered ones."""
    listed = any(path.name.lower().endswith(ending) for ending in _LISTS)
    return listed or (not path.exists() and bool(numbered(path)))


def opened(path: Path) -> Volume | Series:
    """Return what lies under a name: a volume, or the frames of a series.

    Raises
    ------
    VolumeError
        As `read_series` does.
    """
    if is_list(path):
        return read_series(path)
    volume = read(path)
    return volume if volume.frames is None else parted(volume)


def numbered(path: Path) -> list[Path]:
    """Return the files called as `path`, but for a number of three digits or more behind the stem.

    Where the side-car of the first one tells how many frames there are, others are left over from a longer
    series, and do not count.
    """
    pattern = re.compile(re.escape(path.stem) + r"_(\d{3,})" + re.escape(path.suffix))
    if not path.parent.is_dir():
        return []
    found = [(int(m[1]), file) for file in path.parent.iterdir() if (m := pattern.fullmatch(file.name))]
    files = [file for _, file in sorted(found)]
    document = sidecar.load(files[0]) if files else None
    told = document["facts"].get("series") if document else None
    count = told.get("frames") if isinstance(told, Mapping) else None
    return files[:count] if isinstance(count, int) and count > 0 else files


def parted(volume: Volume) -> Series:
    """Return the frames of a volume as a series, each with the slices that it had before it was one."""
    told = volume.facts.get("series")
    told = told if isinstance(told, Mapping) else {}
    shared = {key: value for key, value in volume.facts.items() if key not in ("series", "layout")}
    shared |= {key: told[key] for key in OF_SLICES if key in told}
    labels = _labels(told.get("slices"), volume.size[2])
    frames = [
        Volume(data, volume.spacing, volume.origin, volume.direction, volume.name, labels, {**shared, **own})
        for data, own in zip(volume.data, _own(told.get("frames"), len(volume.data)), strict=True)
    ]
    frames = [frame.replace(encoding=volume.encoding) for frame in frames]
    return Series(volume.labels, frames, frames[0], volume.range, volume.facts)


def _named(path: Path, listed: Callable[[Path], list[Path]]) -> list[Path]:
    """Return the files of a list; errors name it."""
    if not path.is_file():
        raise VolumeError(f"{path}: no such file")
    try:
        return listed(path)
    except VolumeError as error:
        raise VolumeError(f"{path}: {error}") from error


def _together(path: Path, files: Sequence[Path]) -> Series:
    if not files:
        raise VolumeError(f"{path}: lists no files")
    encodings = set()

    def seen(volume: Volume) -> Volume:
        encodings.add(volume.encoding)
        return volume

    series = gather(VolumeFiles(files, seen), [str(file) for file in files])
    if len(encodings) > 1:
        raise VolumeError(f"{path}: its frames are stored on different value scales")
    return series


def _labels(told: Any, count: int) -> tuple[str, ...]:
    return tuple(map(str, told)) if isinstance(told, Sequence) and len(told) == count else ()


def _own(told: Any, count: int) -> list[dict[str, Any]]:
    """Return what the side-car says of single frames."""
    if not (isinstance(told, Sequence) and len(told) == count and all(isinstance(e, Mapping) for e in told)):
        return [{} for _ in range(count)]
    return [{key: value for key, value in each.items() if key != "label"} for each in told]


def _of_pvd(path: Path) -> list[Path]:
    with guarded("ParaView data (.pvd)"):
        entries = ElementTree.fromstring(path.read_bytes()).iter("DataSet")
        timed = sorted((float(entry.attrib["timestep"]), entry.attrib["file"]) for entry in entries)
        return [beside(path, file) for _, file in timed]


def _of_series(path: Path) -> list[Path]:
    with guarded("file series (.series)"):
        entries = json.loads(path.read_text(encoding="utf-8"))["files"]
        timed = sorted((float(entry["time"]), str(entry["name"])) for entry in entries)
        return [beside(path, name) for _, name in timed]


_LISTS: dict[str, Callable[[Path], list[Path]]] = {".pvd": _of_pvd, ".series": _of_series}
