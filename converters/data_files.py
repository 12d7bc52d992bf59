"""The data files of detached headers."""

from __future__ import annotations

import re
from pathlib import Path

# NRRD's "data file: x.raw", MetaImage's "ElementDataFile = x.raw"
_DATA_FILE = re.compile(rb"^(?:data ?file:|ElementDataFile\s*=)[ \t]*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)
_LONGEST_HEADER = 65536


def data_files(path: Path) -> list[str]:
    """Return the paths, relative to a volume file, of the files that hold its data; none if it does itself.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    if path.suffix.lower() not in (".nhdr", ".mhd"):
        return []
    with path.open("rb") as file:
        names = _DATA_FILE.findall(file.read(_LONGEST_HEADER))
    decoded = [name.decode(errors="surrogateescape") for name in names]
    # some headers say LIST or LOCAL here
    return [name for name in decoded if (path.parent / name).is_file()]
