"""The formats by their file extension, and `read` and `write` over all of them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from warnings import warn

from . import sidecar
from .encoding import Encoding
from .errors import CnnVisError, CnnVisWarning, VolumeError
from .staging import staging
from .volume import Volume

Header = Callable[[Volume, Path, Encoding], bytes]
"""``header(volume, path, encoding)`` returns a header over the binary of the file `path`."""


@dataclass(frozen=True)
class Format:
    """A file format, as its module registers it.

    Parameters
    ----------
    name : str
        What the format is called in lists and messages.
    extensions : tuple of str
        With the dot, lower case; the first is the one that is written by default.
    read : callable
        ``read(path) -> Volume``: values restored, `Volume.encoding` set.
    write : callable
        ``write(volume, path, encoding)``: writes `path` and whatever lies beside it under the same stem.
    dtype : str
        What is stored unless the caller says otherwise.
    frames : bool
        Whether a file holds several frames (4-D).
    viewer_scales : bool
        Whether viewers apply slope and intercept, and so show values and not stored numbers.
    headers : mapping of str to callable
        Further headers that the format's binary can have, by their extensions without the dot.
    companions : tuple of str
        Endings of the files that `write` makes besides the one it is asked for.
    """

    name: str
    extensions: tuple[str, ...]
    read: Callable[[Path], Volume]
    write: Callable[[Volume, Path, Encoding], None]
    dtype: str = "float32"
    frames: bool = False
    viewer_scales: bool = False
    headers: Mapping[str, Header] = field(default_factory=dict)
    companions: tuple[str, ...] = ()


_FORMATS: dict[str, Format] = {}


def register(new: Format) -> None:
    """Make a format known under its extensions."""
    for extension in new.extensions:
        _FORMATS[extension] = new


def extensions() -> tuple[str, ...]:
    """Return all known extensions, with their dots."""
    return tuple(_FORMATS)


def extension_of(path: str | Path) -> str:
    """Return the longest known extension of a file name, with its dot: ``.nii.gz``, not ``.gz``.

    Raises
    ------
    VolumeError
        If the name ends in no known extension.
    """
    name = Path(path).name.lower()
    for extension in sorted(_FORMATS, key=len, reverse=True):
        if name.endswith(extension) and len(name) > len(extension):
            return extension
    raise VolumeError(f"{path}: unknown volume format; known are {' '.join(sorted(_FORMATS))}")


def format_of(path: str | Path) -> Format:
    """Return the format that a file name stands for.

    Raises
    ------
    VolumeError
        If the name ends in no known extension.
    """
    return _FORMATS[extension_of(path)]


def read(path: str | Path) -> Volume:
    """Read a volume of any known format, its values restored.

    Parameters
    ----------
    path : str or Path
        The file; for formats with a detached header, header or data file.

    Returns
    -------
    Volume
        Float32 values; `encoding` tells how they lie in the file.

    Raises
    ------
    VolumeError
        If the file is missing, damaged, or not a scalar volume.
    """
    path = Path(path)
    form = format_of(path)
    if not path.is_file():
        raise VolumeError(f"{path}: " + ("is a folder" if path.is_dir() else "no such file"))
    try:
        if path.stat().st_size == 0:
            raise VolumeError("the file is empty")
        return form.read(path)
    except CnnVisError as error:
        raise _naming(path, error) from error
    except MemoryError as error:
        raise VolumeError(f"{path}: does not fit into memory") from error
    except OSError as error:
        raise VolumeError(f"{path}: {error.strerror or error}") from error


def write(
    volume: Volume, path: str | Path, dtype: str | None = None, headers: tuple[str, ...] = ()
) -> list[Path]:
    """Write a volume in the format that the file's extension names, with its side-car.

    The files appear whole or not at all.

    Parameters
    ----------
    volume : Volume
        What to write; it is left as it is.
    path : str or Path
        The file. Existing files of the same name are replaced; its folder must exist.
    dtype : {"float32", "int16", "uint16", "uint8"}, optional
        The stored type; by default the format's own (uint8 for CGV, float32 for all others). Integer types
        store the linear map that `Encoding.fit` chooses.
    headers : tuple of str
        Further headers over the same binary, of those in `Format.headers`: "mhd" and "nhdr" for CGV.

    Returns
    -------
    list of Path
        What was written: `path` first, side-car last.

    Raises
    ------
    VolumeError
        If the format cannot hold the volume, or has no such headers, or the file cannot be written.

    Warns
    -----
    CnnVisWarning
        If an earlier header of ours over the binary, not asked for now, no longer fits and was removed.
    """
    path = Path(path)
    form = format_of(path)
    try:
        if volume.frames is not None and not form.frames:
            raise VolumeError(f"{form.name} holds one volume a file, this one has {volume.frames} frames")
        encoding = Encoding.fit(volume.data, dtype or form.dtype)
        with staging(path.parent) as folder:
            staged = folder / path.name
            form.write(volume, staged, encoding)
            for kind in headers:
                staged.with_suffix(f".{kind}").write_bytes(_header(form, kind)(volume, staged, encoding))
            names = sorted(file.name for file in folder.iterdir() if file != staged)
            sidecar.write(volume, staged, encoding)
        written = [path, *(path.with_name(name) for name in names)]
        for kind, header in form.headers.items():
            other = path.with_suffix(f".{kind}")
            if other not in written and _is_over(other, written):
                _remove_stale(other, header(volume, path, encoding))
    except CnnVisError as error:
        raise _naming(path, error) from error
    except OSError as error:
        raise VolumeError(f"{path}: {error.strerror or error}") from error
    return [*written, sidecar.path_of(path)]


def _header(form: Format, kind: str) -> Header:
    if not form.headers:
        others = " or ".join(extension for extension, other in _FORMATS.items() if other.headers)
        raise VolumeError(f"further headers need a {others} file, whose binary they share")
    if kind not in form.headers:
        raise VolumeError(f"unknown header {kind!r}: choose of {', '.join(form.headers)}")
    return form.headers[kind]


def _is_over(header: Path, binaries: Sequence[Path]) -> bool:
    """Return whether a header exists, is ours, and has one of the binaries for its data file."""
    if not header.is_file():
        return False
    text = header.read_bytes()
    names = b"|".join(re.escape(os.fsencode(binary.name)) for binary in binaries)
    data_file = re.search(rb"(?m)[=:] (?:" + names + rb")$", text)
    return data_file is not None and re.search(rb"(?mi)^cnnvis", text) is not None


def _remove_stale(header: Path, expected: bytes) -> None:
    if header.read_bytes() != expected:
        header.unlink()
        warn(f"{header}: removed, as the data file that it shared was replaced", CnnVisWarning, stacklevel=3)


def _naming(path: Path, error: CnnVisError) -> CnnVisError:
    """Return the error with the file's name in front, unless it says it already."""
    message = str(error)
    return error if message.startswith(str(path)) else type(error)(f"{path}: {message}")
