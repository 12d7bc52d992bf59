"""The README of an archive: what lies in it and how to read it, for someone who has none of our programs."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from . import sidecar
from .encoding import Encoding
from .errors import CnnVisWarning, VolumeError

_START = """\
ABOUT THIS FOLDER

This folder holds volumes made from the layers of a convolutional neural network by the program CNN-VIS.

A convolutional network turns a picture, layer by layer, into stacks of smaller pictures, the feature maps:
one map for each channel (filter) of the layer. The maps of a layer, stacked, fill a box with numbers: a
volume. Its x axis runs along the columns of a map, y down the rows, and z from map to map, in channel order
unless another order is recorded. Such volumes open in programs for three-dimensional images, in 2026 for
example ParaView, 3D Slicer and CGV. A volume may also hold the weights of a layer, the gradient of a class
score with respect to a layer or its weights, or the input picture.

    README.txt              this text
    data/                   the files, as they were in the folder that was archived (hidden files left out)
    manifest-sha256.txt     the checksum of each file in data/
    tagmanifest-sha256.txt  the checksums of the other files
    bagit.txt, bag-info.txt mark the folder as a BagIt bag, a common form of archive (RFC 8493)
"""

_TABLE_NOTES = """\
All sizes are numbers of voxels along x, y and z. "Stored as" is the type of the numbers in the file, "value"
says how the true value follows from a stored number, "range" is the smallest and the largest true value
where it is known ("within" if only bounds are). File names are relative to data/.
"""

_NAMES = """\
FILE NAMES

    model-M_img-I_layer-L_channel-C_order-O_Q.EXT

M is the model, I the picture that it saw, L the layer, C the channel, where a file holds only one, O the
method that ordered the slices, Q what the values are, and EXT the file format. Parts that do not apply are
left out (no order means channel order), and there may be others of the form key-value. Q is for example act
for activations, weight for filters, input for what the network saw. All characters but English letters,
digits and . - = , _ are percent-encoded as in web addresses: % and two hexadecimal digits for each byte in
UTF-8, so %2F is a slash and %20 a blank; in the names of .vox files with an .mhd header, + stands for %. A
name that was too long is cut: then ~ and 8 digits make it unique.
"""

_SIDECARS = """\
SIDE-CAR FILES

Beside each volume FILE.EXT lies FILE.EXT.json, a text file in JSON (RFC 8259) with these fields:

    schema      version of this list of fields: 1
    name        name of the values
    encoding    how values are stored: dtype is the type of the stored numbers (float32: IEEE 754, 32 bits;
                int16, uint16, uint8: integers with or without sign, of that many bits), and
                value = slope * stored + intercept
    geometry    where the volume lies: size is the number of voxels along x, y, z; frames the number of
                volumes in the file, null if there is one; spacing the distance of neighbours along x, y, z;
                origin the position of the centre of the first voxel; direction a 3 x 3 matrix, row by row,
                whose columns are the directions of the x, y and z axes.
                position = origin + direction * (spacing * index), index counted from 0.
                Frame LPS: the coordinates grow to the left, the back (posterior) and the head (superior) of
                a patient; for pictures: to the right, down, and into the picture. The unit is the pixel of
                the input picture, or the millimetre for medical images.
    facts       where the values come from: model and picture with their SHA-256 checksums, layer, quantity,
                layout, the order of the slices (permutation: which channel, counted from 0, came first,
                second, ...; clusters: sizes of groups, in order; blank: which slices show no channel but
                stand between groups), software with its versions, the command
    labels      one text for each slice along z, from the first to the last, or for each frame of a file
                that holds several volumes: mostly the number of the channel that it shows
"""

_RAW = """\
FILE FORMATS, AND HOW TO READ THEM WITHOUT A LIBRARY

In all volume files x runs fastest, then y, then z, then the frame, where a file has several: with W x H x D
voxels, the number at column x, row y, slice z of frame f is number x + W * (y + H * (z + D * f)) of the
file's numbers, all counted from 0. Bytes are little-endian (the lowest byte first) unless said otherwise
below. Then apply the value scale of the side-car. Example in Python with NumPy, START being the number of
bytes before the numbers:
    numpy.fromfile(FILE, dtype="<f4", count=W * H * D, offset=START).reshape(D, H, W)[z, y, x]
"<f4" stands for float32, "<i2" for int16, "<u2" for uint16, "u1" for uint8. Here lie these kinds of files:
"""

_CHECKSUMS = """\
CHECKSUMS

Each line of manifest-sha256.txt is the SHA-256 checksum of a file, two blanks, and the file's name. On any
Unix-like system, inside this folder:

    sha256sum -c manifest-sha256.txt
    sha256sum -c tagmanifest-sha256.txt

(macOS: shasum -a 256 -c MANIFEST; Windows: certutil -hashfile FILE SHA256 shows the checksum of one file.)
Files that were added are found by programs for BagIt (of CNN-VIS: cnnvis verify FOLDER), or by comparing
the names in the manifests with those in the folder.
"""

_LICENCE = """\
LICENCES

CNN-VIS claims no rights in these files. The model and the pictures may have licences of their own, which may
also bind what is made from them: ask where they came from before you pass these files on.
"""


class _Volume(NamedTuple):
    row: tuple[str, ...]
    facts: dict[str, Any]


class _Format(NamedTuple):
    extensions: tuple[str, ...]
    text: str


# A file belongs to the first entry that has its ending.
_FORMATS = (
    _Format(
        (".nrrd", ".nhdr"),
        """\
NRRD (teem.sourceforge.net/nrrd). Lines of text until the first empty line; then the numbers, or in a .nhdr
file none: its line "data file" names the file that holds them. "sizes" are the voxels along x, y, z, maybe
after a first size of 1, which counts no axis, and before the number of frames; where "kinds" begins with
"list", the frames come first, and the numbers of all frames at one place lie together. "type" is the stored
type (float: float32). "encoding: raw" means that the numbers are there as they are.""",
    ),
    _Format(
        (".nii", ".nii.gz"),
        """\
NIfTI-1 (nifti.nimh.nih.gov). A .nii.gz file is a .nii file compressed by gzip (RFC 1952). A header of binary
fields; counted from 0, at byte 40 are 16-bit integers: the number of axes, then the voxels along x, y, z and
the frames; at byte 70 is a 16-bit code of the stored type (2 uint8, 4 int16, 16 float32, 512 uint16); at byte
108, as a float32, the byte where the numbers start; at 112 and 116 slope and intercept as float32. Positions
(three rows of four float32 from byte 280) have the first two coordinates negated: frame RAS, not LPS.""",
    ),
    _Format(
        (".vox", ".hd"),
        """\
CGV volume. The .vox file is the numbers and nothing else. The .hd file beside it is text: "Size WxHxD" with
the stored type (unsigned byte: uint8, signed short: int16, unsigned short: uint16, float: float32), and
"Spacing".""",
    ),
    _Format(
        (".mhd", ".mha"),
        """\
MetaImage (itk.org). Lines of text "key = value". "DimSize" are the voxels along x, y, z, "ElementType" the
stored type (MET_FLOAT: float32, MET_SHORT: int16, MET_USHORT: uint16, MET_UCHAR: uint8). "ElementDataFile"
is the last line and names the file that holds the numbers; LOCAL means that they follow after this line.""",
    ),
    _Format(
        (".vti",),
        """\
VTK image data (vtk.org). XML text; the element ImageData has WholeExtent "0 W-1 0 H-1 0 D-1", and the
element PointData one DataArray for each frame (one for a plain volume) with its stored type (Float32, Int16,
UInt16, UInt8) and an offset. Count this offset from the byte after the first underscore behind <AppendedData:
there is the number of bytes as an integer of 64 bits, then the numbers.""",
    ),
    _Format(
        (".vtk",),
        """\
VTK legacy file (vtk.org). Lines of text, among them "DIMENSIONS W H D", and for each frame (one for a plain
volume) "SCALARS name type 1" (float: float32, short: int16, unsigned_short: uint16, unsigned_char: uint8);
the numbers follow after the line "LOOKUP_TABLE default". They are big-endian: the highest byte first
(">f4", ">i2", ">u2" in NumPy).""",
    ),
    _Format(
        (".hdf", ".vtkhdf"),
        """\
VTKHDF (vtk.org), an HDF5 file (hdfgroup.org), which needs a program for HDF5. /VTKHDF/PointData holds one
array for each frame (one for a plain volume), with the axes z, y, x;
"h5dump -d /VTKHDF/PointData/NAME -b LE -o RAW FILE" writes its numbers to the file RAW.""",
    ),
    _Format(
        (".npy",),
        """\
NumPy array (numpy.org). The byte 93 (hexadecimal), "NUMPY", two bytes of version, a 16-bit length, and a text
of that length with the type, axis order and shape; then the numbers, the last axis fastest.""",
    ),
    _Format(
        (".raw",), "Numbers and nothing else; they belong to the .nhdr or .mhd file that names this file."
    ),
    _Format(
        (".png", ".jpg", ".jpeg", ".gif"), "Pictures, such as montages of the maps and previews; no volumes."
    ),
    _Format(
        (".vp", ".mrml"),
        """\
3D Slicer: a transfer function (colour and opacity of each value; nine lines of text), a scene (XML).""",
    ),
    _Format(
        (".xml",), "CGV: a transfer function, colour (r, g, b) and opacity (o) of values x, from 0 to 1."
    ),
    _Format((".py",), "A script in Python, for ParaView: loads a volume and shows it."),
    _Format(
        (".json",),
        "JSON text (RFC 8259): side-cars, see above; else transfer functions for ParaView or 3D Slicer.",
    ),
    _Format((".pvd",), "XML, for ParaView: the files that are the frames of a series, in their order."),
    _Format((".series",), "JSON, for ParaView: the files that are the frames of a series, in their order."),
    _Format((".mrb",), "3D Slicer: a zip archive of a scene and the volume files that it names."),
    _Format((".mp4", ".html"), "A film, or a page for a web browser, that shows volumes."),
    _Format((".csv", ".tsv", ".txt", ".md", ".toml"), "Text."),
)


def readme(folder: Path, software: Mapping[str, str]) -> str:
    """Return the text that explains a folder of volumes.

    Parameters
    ----------
    folder : Path
        The folder; what is said of its volumes comes from their side-cars. A side-car that cannot be read
        gives a `CnnVisWarning`, and its volume is left out of the table.
    software : mapping of str to str
        The programs that made the archive, with their versions.

    Returns
    -------
    str
        Plain text; lines end in a line feed.
    """
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    present = frozenset(names)
    described = (name for name in names if f"{name}.json" in present)
    volumes = [volume for name in described if (volume := _volume(folder / name, name))]
    sections = [
        _START,
        f"VOLUMES\n\n{_table(volumes)}\n{_TABLE_NOTES}" if volumes else "",
        _shared_facts([volume.facts for volume in volumes]),
        _NAMES,
        _SIDECARS,
        f"{_RAW}\n{_formats(names)}",
        _CHECKSUMS,
        _software(software),
        _LICENCE,
    ]
    return "\n\n".join(section for section in sections if section)


def _volume(path: Path, name: str) -> _Volume | None:
    try:
        document = sidecar.load(path)
        return None if document is None else _Volume(_row(name, document), document["facts"])
    except (VolumeError, TypeError, ValueError):
        message = f"{name}.json: not a sound side-car, so the README leaves {name} out of its table"
        warnings.warn(message, CnnVisWarning, stacklevel=2)
        return None


def _table(volumes: Iterable[_Volume]) -> str:
    head = ("layer", "quantity", "image", "size", "stored as", "value", "range", "file")
    rows = [head, *(volume.row for volume in volumes)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _row(name: str, document: Mapping[str, Any]) -> tuple[str, ...]:
    encoding = sidecar.encoding_of(dict(document))
    spelled, facts = _entities(name), document["facts"]
    frames = document["geometry"].get("frames")
    return (
        *(_line(_named(facts.get(key)) or spelled.get(key) or "-") for key in ("layer", "quantity", "image")),
        _line(" x ".join(map(str, document["geometry"]["size"])) + (f", {frames} frames" if frames else "")),
        _line(encoding.dtype),
        _scale(encoding),
        _range(document.get("range")),
        name,
    )


def _named(fact: Any) -> str:
    """Return what a fact is called: those of files have several fields."""
    if isinstance(fact, Mapping):
        fact = fact.get("file")
    return fact if isinstance(fact, str) else ""


def _entities(name: str) -> dict[str, str]:
    """Return what a file name says of layer, image and quantity, as `_NAMES` explains it."""
    head, _, last = Path(name).name.rpartition("_")
    pairs = re.split("_(?=[a-z]+-)", head)
    values = {key: unquote(value) for key, _, value in (pair.partition("-") for pair in pairs)}
    if "model" not in values:
        return {}
    return {"layer": values.get("layer", ""), "image": values.get("img", ""), "quantity": last.split(".")[0]}


def _scale(encoding: Encoding) -> str:
    if encoding.slope == 1 and encoding.intercept == 0:
        return "stored"
    return f"{encoding.slope!r} * stored + {encoding.intercept!r}"


def _range(known: Any) -> str:
    if not known:
        return "-"
    low, high = known
    return f"{low:g} to {high:g}"


def _shared_facts(facts: list[dict[str, Any]]) -> str:
    if not facts:
        return ""
    first, *others = facts
    shared = {key: value for key, value in first.items() if all(key in o and o[key] == value for o in others)}
    lines = (f"    {_line(key)}: {_line(value)}\n" for key, value in sorted(shared.items()))
    return "WHAT THE SIDE-CARS OF ALL VOLUMES SAY\n\n" + "".join(lines) if shared else ""


def _line(value: Any) -> str:
    """Return a value as one line of text of bounded length."""
    text = value if isinstance(value, str) and value.isprintable() else json.dumps(value)
    return text if len(text) <= 200 else f"{text[:190]} ... (see the side-car)"


def _formats(names: Iterable[str]) -> str:
    groups: dict[_Format, list[str]] = {}
    for name in names:
        groups.setdefault(_format_of(name), []).append(name)
    order = [form for form in _FORMATS if form in groups] + [form for form in groups if form not in _FORMATS]
    return "\n".join(
        f"{', '.join(form.extensions)} (files: {len(groups[form])})\n{form.text}\n" for form in order
    )


def _format_of(name: str) -> _Format:
    known = (form for form in _FORMATS if name.lower().endswith(form.extensions))
    return next(known, _Format((Path(name).suffix or "no ending",), "Not described here."))


def _software(versions: Mapping[str, str]) -> str:
    listed = "".join(f"    {name} {version}\n" for name, version in versions.items())
    return f"SOFTWARE\n\nThis archive was made by\n\n{listed}\nThe side-cars name what made each volume.\n"
