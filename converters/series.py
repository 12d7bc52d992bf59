"""Volumes of one geometry, an image each, as a series that viewers play."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from warnings import warn
from xml.sax.saxutils import quoteattr

import numpy as np

from . import cgv, hdf, nifti, sidecar, vti
from ._arrays import clean
from ._files import raw
from ._gather import Series, gather
from ._nrrd_header import header as nrrd_header
from ._series_files import is_list, opened, parted, read_series
from .encoding import Encoding
from .errors import CnnVisError, CnnVisWarning, VolumeError
from .staging import staging

__all__ = [
    "FORMATS",
    "Format",
    "Series",
    "files",
    "gather",
    "is_list",
    "opened",
    "parted",
    "read_series",
    "split",
    "write",
]

_BLOCK = 2**27
"""Bytes that are gathered at once where the values of all frames lie together."""


def split(path: Path) -> tuple[str, str]:
    """Return the stem of a series' file name and its extension, as `FORMATS` has it.

    Raises
    ------
    VolumeError
        If the name ends in no extension for series.
    """
    name = path.name
    for extension in FORMATS:
        if name.lower().endswith(extension) and len(name) > len(extension):
            return name[: -len(extension)], extension
    raise VolumeError(f"{path}: no format for series; known are {' '.join(FORMATS)}")


def files(path: Path, count: int) -> list[Path]:
    """Return the files that hold the values, or name those that do, of a series of so many frames.

    Raises
    ------
    VolumeError
        If the name ends in no extension for series.
    """
    stem, extension = split(path)
    form = FORMATS[extension]
    frames = [path.with_name(name) for end in form.frames for name in _numbered(stem, end, count)]
    return frames if form.bare else [path, *frames]


def write(series: Series, path: str | Path, dtype: str | None = None) -> list[Path]:
    """Write a series in the format that the file's extension names, all frames on one value scale.

    The files appear whole or not at all.

    Parameters
    ----------
    series : Series
        What to write.
    path : str or Path
        The file; for CGV, ``NAME.vox`` stands for ``NAME_000.vox``, ``NAME_001.vox`` and so on. Existing
        files of the same names are replaced; the folder must exist.
    dtype : {"float32", "int16", "uint16", "uint8"}, optional
        The stored type; by default uint8 for CGV, float32 for all others.

    Returns
    -------
    list of Path
        What was written, side-cars last.

    Raises
    ------
    VolumeError
        If there is no such format, it cannot hold the series, or the files cannot be written.

    Warns
    -----
    CnnVisWarning
        If frames of an earlier, longer series of this name are left over.
    """
    path = Path(path)
    stem, extension = split(path)
    form = FORMATS[extension]
    if form.bare and path.exists():
        raise VolumeError(f"{path}: is a volume already, and would be taken for the series: use another name")
    try:
        encoding = Encoding.common(series.data, dtype or form.dtype)
        with staging(path.parent) as folder:
            form.write(series, folder / path.name, encoding)
            if not form.bare:
                sidecar.write(series, folder / path.name, encoding)
            staged = [file.name for file in folder.iterdir()]
    except CnnVisError as error:
        raise error if str(error).startswith(str(path)) else VolumeError(f"{path}: {error}") from error
    except OSError as error:
        raise VolumeError(f"{path}: {error.strerror or error}") from error
    _note_left_over(path.parent, stem, form, staged)
    staged.sort(key=lambda name: (name.endswith(".json"), name != path.name, name))
    return [path.with_name(name) for name in staged]


def _note_left_over(folder: Path, stem: str, form: Format, written: Sequence[str]) -> None:
    pattern = re.compile(re.escape(stem) + r"_\d{3,}(" + "|".join(map(re.escape, form.frames)) + ")")
    found = sorted(file.name for file in folder.iterdir()) if form.frames else []
    left = [name for name in found if pattern.fullmatch(name) and name not in written]
    if left:
        warn(f"{folder / left[0]}: left over from an earlier, longer series", CnnVisWarning, stacklevel=3)


def _numbered(stem: str, extension: str, count: int) -> list[str]:
    digits = max(3, len(str(count - 1)))
    return [f"{stem}_{frame:0{digits}}{extension}" for frame in range(count)]


def _write_nrrd(series: Series, path: Path, encoding: Encoding) -> None:
    """Write Slicer's volume sequence, the values of all frames at one place together.

    So does Slicer's own recipe for other programs; in versions before 5.10, only the first axis can tell what
    frames are called. The volumes are read once for each block of slices.
    """
    columns, rows, slices = series.size
    bytes_a_slice = series.frames * rows * columns * np.dtype(encoding.dtype).itemsize
    depth = max(1, _BLOCK // bytes_a_slice)
    with path.open("wb") as file:
        file.write(nrrd_header(series, encoding, frames_first=True))
        for start in range(0, slices, depth):
            block = np.empty((min(depth, slices - start), rows, columns, series.frames), encoding.dtype)
            for frame, data in enumerate(series.data):
                block[..., frame] = encoding.encode(data[start : start + depth])
            file.write(raw(block))


def _write_nifti(series: Series, path: Path, encoding: Encoding) -> None:
    nifti.write_parts(series, path, encoding, series.data)


def _write_vtkhdf(series: Series, path: Path, encoding: Encoding) -> None:
    hdf.write_steps(series, path, encoding, series.data)


def _write_pvd(series: Series, path: Path, encoding: Encoding) -> None:
    """Write a .vti for each frame, and the list of them; it names them relative to itself."""
    names = _write_frames(series, path, encoding)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<VTKFile type="Collection" version="0.1" byte_order="LittleEndian">',
        "  <Collection>",
    ]
    for frame, (name, label) in enumerate(zip(names, series.labels, strict=True)):
        label = quoteattr(clean(label))
        lines.append(
            f'    <DataSet timestep="{frame}" group="" part="0" name={label} file={quoteattr(name)}/>'
        )
    path.write_bytes("\n".join([*lines, "  </Collection>", "</VTKFile>", ""]).encode("utf-8"))


def _write_list(series: Series, path: Path, encoding: Encoding) -> None:
    """Write a .vti for each frame, and ParaView's other list of them, in JSON."""
    names = _write_frames(series, path, encoding)
    entries = [{"name": name, "time": float(frame)} for frame, name in enumerate(names)]
    text = json.dumps({"file-series-version": "1.0", "files": entries}, indent=1, ensure_ascii=False)
    path.write_bytes((text + "\n").encode("utf-8"))


def _write_frames(series: Series, path: Path, encoding: Encoding) -> list[str]:
    """Write a .vti with its side-car for each frame, and return their names."""
    stem, extension = split(path)
    if not stem.isprintable():
        raise VolumeError(
            f"this name cannot stand in a {extension} file: it holds control characters or no UTF-8"
        )
    names = _numbered(stem, ".vti", series.frames)
    for name, volume in zip(names, series.alone(), strict=True):
        vti.write(volume, path.with_name(name), encoding)
        sidecar.write(volume, path.with_name(name), encoding)
    return names


def _write_cgv(series: Series, path: Path, encoding: Encoding) -> None:
    """Write a pair of files for each frame: CGV knows no time."""
    stem, extension = split(path)
    for name, volume in zip(_numbered(stem, extension, series.frames), series.alone(), strict=True):
        cgv.write(volume, path.with_name(name), encoding)
        sidecar.write(volume, path.with_name(name), encoding)


@dataclass(frozen=True)
class Format:
    """A format for series.

    Parameters
    ----------
    write : callable
        ``write(series, path, encoding)``: writes all files but the side-car of `path`.
    dtype : str
        What is stored unless the caller says otherwise.
    frames : tuple of str
        Extensions of the numbered files, where each frame has its own.
    bare : bool
        Whether there are only these.
    """

    write: Callable[[Series, Path, Encoding], None]
    dtype: str = "float32"
    frames: tuple[str, ...] = ()
    bare: bool = False


FORMATS: dict[str, Format] = {
    ".seq.nrrd": Format(_write_nrrd),
    ".nii.gz": Format(_write_nifti),
    ".nii": Format(_write_nifti),
    ".pvd": Format(_write_pvd, frames=(".vti",)),
    ".vti.series": Format(_write_list, frames=(".vti",)),
    ".vtkhdf": Format(_write_vtkhdf),
    ".vox": Format(_write_cgv, dtype="uint8", frames=(".vox", ".hd"), bare=True),
}
