"""One binary with several headers: a CGV volume that ParaView, Slicer and ITK open too."""

from __future__ import annotations

from pathlib import Path

from . import _nrrd_header, metaimage
from .encoding import Encoding
from .errors import VolumeError
from .volume import Volume

_HEADERS = {
    "mhd": (metaimage.header, metaimage.PATTERN),
    "nhdr": (_nrrd_header.header, _nrrd_header.PATTERN),
}


def write_headers(volume: Volume, path: Path, encoding: Encoding, headers: tuple[str, ...]) -> None:
    """Write further headers over the binary of a ``.vox`` file.

    Parameters
    ----------
    volume : Volume
        What the file holds; 3-D.
    path : Path
        The ``.vox`` file.
    encoding : Encoding
        How its values are stored.
    headers : tuple of {"mhd", "nhdr"}
        Which ones.

    Raises
    ------
    VolumeError
        If a header is unknown or cannot name the file, or the file is not a ``.vox`` file.
    """
    if path.suffix.lower() != ".vox":
        raise VolumeError("further headers need a .vox file, whose binary they share")
    for kind in headers:
        if kind not in _HEADERS:
            raise VolumeError(f"unknown header {kind!r}: choose of {', '.join(_HEADERS)}")
        header, pattern = _HEADERS[kind]
        if pattern.search(path.name):
            raise VolumeError(
                f"a header .{kind} takes this name for that of several files: use one without % and LIST"
            )
        path.with_suffix(f".{kind}").write_bytes(header(volume, encoding, path.name))
