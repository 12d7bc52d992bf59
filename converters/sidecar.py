"""What a volume's values, slices and history mean, as JSON: beside the file and inside its header."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .encoding import DTYPES, Encoding
from .errors import VolumeError
from .volume import Described, Vector, Volume

SCHEMA = 1


def path_of(path: Path) -> Path:
    """Return the side-car's path: ``conv1.nrrd`` has ``conv1.nrrd.json``."""
    return path.with_name(path.name + ".json")


def write(volume: Described, path: Path, encoding: Encoding) -> None:
    """Write the side-car of the volume file `path`."""
    text = json.dumps(_document(volume, encoding), indent=1, ensure_ascii=False)
    # lone surrogates, from file names that are no UTF-8, become what JSON has for them
    path_of(path).write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def embed(volume: Described, encoding: Encoding) -> str:
    """Return the same facts as one line of ASCII, for a file's own header."""
    return json.dumps(_document(volume, encoding), separators=(",", ":"))


def parse(text: str) -> dict[str, Any]:
    """Return the document that `write` or `embed` made.

    Raises
    ------
    VolumeError
        If the text is not such a document.
    """
    try:
        document = json.loads(text)
        encoding = encoding_of(document)
        known = document["schema"] <= SCHEMA
        scale = np.array([encoding.slope, encoding.intercept], dtype=np.float64)
        sound = isinstance(document["name"], str) and isinstance(document["facts"], dict)
        sound = sound and isinstance(document["labels"], list) and len(document["geometry"]["size"]) == 3
        sound = sound and bool(np.isfinite(scale).all()) and scale[0] != 0 and encoding.dtype in DTYPES
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise VolumeError(f"not a CNN-VIS side-car ({error})") from error
    if not (known and sound):
        raise VolumeError("not a CNN-VIS side-car, or one of a later version")
    return document  # type: ignore[no-any-return]


def restore(
    stored: NDArray[Any],
    document: dict[str, Any] | None,
    *,
    spacing: Vector,
    origin: Vector,
    direction: tuple[float, ...],
    scale: tuple[float, float] | None = None,
    name: str = "values",
) -> Volume:
    """Return the volume that a file holds, from its own header and the document that is embedded there.

    Parameters
    ----------
    stored : ndarray
        The numbers in the file, shape (z, y, x) or (frame, z, y, x).
    document : dict or None
        The embedded document; None for files of other programs.
    spacing, origin, direction
        As in `Volume`, from the file's own header.
    scale : (float, float), optional
        Slope and intercept where the format has its own fields for them; else the document tells them.
    name : str
        What the file itself calls the values, where there is no document.

    Raises
    ------
    VolumeError
        If the numbers are not real ones, or the volume is not a sound one.
    """
    if stored.dtype.kind not in "biuf":
        raise VolumeError(f"it holds {stored.dtype} values: a volume holds real numbers")
    if scale is None:
        recorded = encoding_of(document) if document else Encoding()
        scale = recorded.slope, recorded.intercept
    encoding = Encoding(stored.dtype.name, *scale)
    volume = Volume(encoding.decode(stored), spacing, origin, direction, name, encoding=encoding)
    return adopt(volume, document) if document else volume


def adopt(volume: Volume, document: dict[str, Any]) -> Volume:
    """Return the volume with name, labels and facts as a document tells them.

    Geometry and values stay as the file's own header has them: it may have been edited since. Labels that no
    longer fit the number of slices are left out.
    """
    labels = tuple(document["labels"])
    if len(labels) != volume.data.shape[0]:
        labels = ()
    return volume.replace(name=document["name"], labels=labels, facts=document["facts"])


def load(path: Path) -> dict[str, Any] | None:
    """Return the side-car document of the volume file `path`, None where there is none.

    Raises
    ------
    VolumeError
        If there is a file of that name which is not such a document.
    """
    beside = path_of(path)
    if not beside.is_file():
        return None
    try:
        return parse(beside.read_text(encoding="utf-8"))
    except (VolumeError, UnicodeDecodeError) as error:
        raise VolumeError(f"{beside}: {error}") from error


def encoding_of(document: dict[str, Any]) -> Encoding:
    """Return the encoding that a document records."""
    return Encoding(**document["encoding"])


def _document(volume: Described, encoding: Encoding) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "name": volume.name,
        "encoding": {"dtype": encoding.dtype, "slope": encoding.slope, "intercept": encoding.intercept},
        "range": volume.range,
        "geometry": {
            "frame": "LPS",
            "size": volume.size,
            "frames": volume.frames,
            "spacing": volume.spacing,
            "origin": volume.origin,
            "direction": volume.direction,
        },
        "facts": dict(volume.facts),
        "labels": volume.labels,
    }
