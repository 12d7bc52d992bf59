"""The NRRD header, written so that ParaView, Slicer, ITK and Teem all read it right."""

from __future__ import annotations

import re
from urllib.parse import quote

from . import sidecar
from ._geometry import vector
from .encoding import Encoding
from .volume import Described

# up to this width VTK's reader takes the first axis for the components of a vector
VTK_MAX_COMPONENTS = 9
# what makes Teem and ITK look for several data files instead of the one that is named
PATTERN = re.compile(r"%(?=\d*d)|LIST")

# Slicer decodes no more than the blank and % < > " '; what would break the header is encoded nevertheless, as
# are surrogates, which stand for bytes of file names that are no UTF-8
_ENCODED = re.compile(r"""[\0- %<>"'\x7f\ud800-\udfff]""")

_TYPES = {"float32": "float", "int16": "int16", "uint16": "uint16", "uint8": "uint8"}


def header(
    volume: Described, encoding: Encoding, data_file: str | None = None, frames_first: bool = False
) -> bytes:
    """Return the header of a raw NRRD file, with the empty line that ends it.

    Parameters
    ----------
    volume : Described
        3-D, or 4-D for a sequence that Slicer plays.
    encoding : Encoding
        How the values are stored.
    data_file : str, optional
        Name of the data file of a detached header.
    frames_first : bool
        Whether the values of all frames at one place lie together.
    """
    if volume.frames is None:
        axes, sequence = _sizes_first(volume), []
    else:
        axes = _frames_first(volume) if frames_first else _space_first(volume)
        sequence = _sequence(volume.labels, 0 if frames_first else 3)
    lines = [
        "NRRD0005",
        f"type: {_TYPES[encoding.dtype]}",
        *axes,
        "endian: little",
        "encoding: raw",
        f"space origin: {vector(volume.origin)}",
        *([] if data_file is None else [f"data file: {data_file}"]),
        *sequence,
        "cnnvis:=" + escape(sidecar.embed(volume, encoding)),
    ]
    return ("\n".join(lines) + "\n\n").encode("utf-8", "surrogateescape")


def escape(text: str) -> str:
    """Return one line of compact JSON as a key's value: backslashes doubled, as NRRD demands.

    A colon and a blank inside a string become a colon and an escaped blank: VTK's reader would take the line
    for a field that it does not know, and complain.
    """
    return text.replace(": ", ":\\u0020").replace("\\", "\\\\")


def _sizes_first(volume: Described) -> list[str]:
    """Return the axes of a 3-D volume.

    VTK's reader sets the number of axes to 3 when it meets `space`, so a fourth size must come before.
    """
    narrow = volume.size[0] <= VTK_MAX_COMPONENTS
    lead = (lambda first, text: f"{first} {text}") if narrow else (lambda first, text: text)
    return [
        f"dimension: {4 if narrow else 3}",
        "sizes: " + lead("1", " ".join(map(str, volume.size))),
        "space: left-posterior-superior",
        "space directions: " + lead("none", _directions(volume)),
        "kinds: " + lead("scalar", "domain domain domain"),
    ]


def _space_first(volume: Described) -> list[str]:
    """Return the axes of a sequence: here VTK shall lose the fourth size, and so show the first frame.

    There are no `labels`: VTK makes the first one the array's name, an empty one breaks ParaView's scripts.
    """
    return [
        "dimension: 4",
        "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, volume.size))} {volume.frames}",
        f"space directions: {_directions(volume)} none",
        "kinds: domain domain domain list",
    ]


def _frames_first(volume: Described) -> list[str]:
    """Return the axes of a sequence of which VTK shall see all frames: as components of one array."""
    return [
        "dimension: 4",
        f"sizes: {volume.frames} {' '.join(map(str, volume.size))}",
        "space: left-posterior-superior",
        f"space directions: none {_directions(volume)}",
        "kinds: list domain domain domain",
    ]


def _directions(volume: Described) -> str:
    return " ".join(vector(step) for step in volume.affine[:3, :3].T)


def _sequence(labels: tuple[str, ...], axis: int) -> list[str]:
    """Return what Slicer's sequences want to know: the class of the frames, and what each is called.

    Slicer sorts frames whose index is numeric, and drops those of which the numbers are nearly the same; so
    numbers are text as well.
    """
    values = (
        _ENCODED.sub(lambda match: quote(match[0], errors="surrogateescape"), label) for label in labels
    )
    return [
        "DataNodeClassName:=vtkMRMLScalarVolumeNode",
        f"axis {axis} index type:=text",
        f"axis {axis} index values:={' '.join(values)}",
    ]
