"""Further headers over the binary of a CGV volume, so that ParaView, Slicer and ITK open it too."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from . import _nrrd_header, metaimage
from .encoding import Encoding
from .errors import VolumeError
from .registry import Header
from .volume import Volume


def over_vox(kind: str, header: Callable[[Volume, Encoding, str], bytes], several: re.Pattern[str]) -> Header:
    """Return how a kind of header is made over a ``.vox`` file.

    Parameters
    ----------
    kind : str
        The header's extension without the dot.
    header : callable
        ``header(volume, encoding, data_file)`` returns the header over the file of that name.
    several : re.Pattern
        Finds what makes readers of this kind take a name for that of several files. MetaIO has no other
        spelling for such names: it reads LIST and doubled percent signs as one file for each slice.

    Returns
    -------
    callable
        As `Format.headers` has them; raises VolumeError if the header cannot name the file.
    """

    def over(volume: Volume, path: Path, encoding: Encoding) -> bytes:
        name = path.name if path.suffix.lower() == ".vox" else path.with_suffix(".vox").name
        if several.search(name):
            raise VolumeError(
                f"a header .{kind} takes this name for that of several files: use one without % and LIST"
            )
        return header(volume, encoding, name)

    return over


HEADERS = {
    "mhd": over_vox("mhd", metaimage.header, metaimage.PATTERN),
    "nhdr": over_vox("nhdr", _nrrd_header.header, _nrrd_header.PATTERN),
}
