"""The names of arrays, in the formats whose files hold several named ones."""

from __future__ import annotations

from typing import Any
from warnings import warn

from .errors import CnnVisWarning, VolumeError

# HDF5 takes a slash for a path; VTK writes the others into XML as they are
_RESERVED = "/<>&\"'"


def array_names(name: str, labels: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the names of a volume's arrays: its own name, or for frames their labels, made different.

    Parameters
    ----------
    name : str
        The volume's name.
    labels : tuple of str or None
        The labels of the frames; None for a 3-D volume.
    """
    if labels is None:
        return (_clean(name),)
    cleaned = tuple(map(_clean, labels))
    if len(set(cleaned)) == len(cleaned):
        return cleaned
    return tuple(f"{label} ({index})" for index, label in enumerate(cleaned))


def choose(
    available: tuple[str, ...], active: str | None, document: dict[str, Any] | None
) -> tuple[str, ...]:
    """Return the names of the arrays to read.

    Parameters
    ----------
    available : tuple of str
        The scalar arrays in the file, in its order.
    active : str or None
        The one that the file itself marks as its scalars.
    document : dict or None
        The side-car document in the file: what we wrote is read by the names that we gave.

    Raises
    ------
    VolumeError
        If there is none, or a frame is missing.
    """
    if document is not None and document["geometry"].get("frames"):
        names = array_names(document["name"], tuple(document["labels"]))
        missing = [name for name in names if name not in available]
        if missing:
            raise VolumeError(f"its frame {missing[0]!r} is missing")
        return names
    if not available:
        raise VolumeError(
            "it has no array of one number a point: vectors, colours and cell data are not read"
        )
    chosen = active if active in available else available[0]
    if len(available) > 1:
        warn(f"read array {chosen!r}, one of {', '.join(available)}", CnnVisWarning, stacklevel=2)
    return (chosen,)


def _clean(name: str) -> str:
    """Return a name that XML, HDF5 and the viewers take, with `_` for what they do not."""
    kept = "".join(
        "_" if letter in _RESERVED or not letter.isprintable() else letter for letter in name
    ).strip()
    return kept if kept.strip(".") else f"values{kept}"
