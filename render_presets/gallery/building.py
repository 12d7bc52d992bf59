"""The volumes of a folder, read one after another, and the page that shows them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from warnings import warn

from converters import CnnVisError, VolumeError
from converters.errors import CnnVisWarning
from converters.series import Series
from converters.staging import staging
from converters.volume import Described, Volume

from ..errors import PresetError
from ..loading import fitted_to, load
from ..transfer import Fitted, Foreign, TransferFunction
from . import opening, telling
from .entry import Entry, digest, frames, too_large
from .finding import Found, find
from .page import page


def gallery(
    folder: Path,
    out: Path,
    preset: str | None = None,
    title: str | None = None,
    max_size: float = math.inf,
) -> Path:
    """Write a page that shows the volumes of a folder; it holds all that it needs.

    Parameters
    ----------
    folder : Path
        Where the volumes are, also in folders within.
    out : Path
        The page. It links to the volume files by their relative places.
    preset : str, optional
        A transfer function's name or file; by default, for each volume the one that suits its values.
    title : str, optional
        By default the folder's name.
    max_size : float
        Megabytes of packed values, as text, that the page may hold beside its scripts and what it tells of
        the volumes. Volumes that do not fit are listed without pictures.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    CnnVisError
        If the folder cannot be read, no volume in it can, the preset cannot be used, or the page cannot be
        written.

    Warns
    -----
    CnnVisWarning
        For each volume that is left out, and why.
    """
    function = None if preset is None else load(preset)
    try:
        found = find(folder)
    except OSError as error:
        raise VolumeError(f"{folder}: {error.strerror or error}") from error
    if not found:
        raise VolumeError(f"{folder}: holds no volumes" if folder.is_dir() else f"{folder}: no such folder")
    if not out.parent.is_dir():
        raise PresetError(f"{out}: its folder does not exist")
    entries: dict[str, Entry] = {}
    left_out: list[dict[str, str]] = []
    room = max_size * 1e6
    for one in found:
        try:
            told = one.told()
            if told is not None and (reason := too_large(told)):
                key, entry = one.name, Entry.listed(one, told, _order(one, told, folder, out), reason)
            else:
                volume = one.opened()
                order, key = _order(one, volume, folder, out), digest(volume)
                if key in entries:
                    entries[key].add(volume, order)
                    continue
                entry = Entry.of(one, volume, _fitted(one, volume, function), order, room)
        except CnnVisError as error:
            left_out.append({"name": one.name, "reason": str(error)})
            warn(f"left out: {error}", CnnVisWarning, stacklevel=2)
            continue
        if entry.reason:
            warn(f"{one.files[0]}: listed without pictures: {entry.reason}", CnnVisWarning, stacklevel=2)
        room -= sum(map(len, entry.values))
        entries[key] = entry
    if not entries:
        raise VolumeError(f"{folder}: none of its {len(found)} volumes can be shown: {left_out[0]['reason']}")
    document = {
        "title": title or folder.resolve().name or "volumes",
        "volumes": _numbered(list(entries.values())),
        "left_out": left_out,
    }
    whole = page(document, [text for entry in entries.values() for text in entry.values])
    try:
        with staging(out.parent) as staged:
            (staged / out.name).write_text(whole, encoding="utf-8", newline="\n")
    except OSError as error:
        raise PresetError(f"{out}: {error.strerror or error}") from error
    return out


def _fitted(found: Found, volume: Volume | Series, function: TransferFunction | Foreign | None) -> Fitted:
    try:
        return fitted_to(frames(volume), function)
    except PresetError as error:
        raise PresetError(f"{found.files[0]}: {error}") from error


def _order(found: Found, volume: Described, folder: Path, out: Path) -> dict[str, Any]:
    """Return the order in which files hold their slices, and all that goes with these files."""
    return {
        "name": telling.order(volume),
        "file": found.files[0].name,
        "files": opening.links(found.files, out),
        "frames": len(found.frames),
        "commands": opening.commands(found, volume, folder, out),
    }


def _numbered(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return what the page is told of each volume, and under which numbers it finds the values."""
    documents, first = [], 0
    for entry in entries:
        documents.append({**entry.document, "values": list(range(first, first + len(entry.values)))})
        first += len(entry.values)
    return documents
