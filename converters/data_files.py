"""The data files of headers."""

from __future__ import annotations

from pathlib import Path

from . import metaimage, nrrd
from .errors import VolumeError

_NAMED = {
    ".nrrd": nrrd.data_file,
    ".nhdr": nrrd.data_file,
    ".mha": metaimage.data_file,
    ".mhd": metaimage.data_file,
}


def data_files(path: Path) -> list[str]:
    """Return the paths, relative to a volume file, of the files that hold its data; none if it does itself.

    These are the files that `read` takes the data from, as the header names them.

    Raises
    ------
    VolumeError
        If the header cannot be read, or its data file is missing or lies outside its folder.
    """
    named = _NAMED.get(path.suffix.lower())
    if named is None:
        return []
    try:
        name = named(path)
    except VolumeError as error:
        raise VolumeError(f"{path}: {error}") from error
    return [] if name is None else [name]
