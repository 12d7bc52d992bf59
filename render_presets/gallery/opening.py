"""The files of a volume: links to them, and how each viewer opens them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from converters import VolumeError, extension_of


@dataclass(frozen=True)
class Opener:
    """How a viewer opens what `cnnvis preset` writes.

    Parameters
    ----------
    viewer : str
        Its name.
    endings : tuple of str
        What it wants beside a volume file, behind that one's whole name; the best first.
    command : callable
        ``command(volume, beside)``: what to type, of two paths.
    hint : str
        What else there is to say.
    """

    viewer: str
    endings: tuple[str, ...]
    command: Callable[[str, str], str]
    hint: str


OPENERS = (
    Opener("ParaView", (".paraview.py",), lambda _, script: f"paraview --script={script}", "in a terminal"),
    Opener("3D Slicer", (".mrb", ".mrml"), lambda _, scene: f"Slicer {scene}", "or drop the file on Slicer"),
    Opener(
        "CGV", (".cgv.xml",), lambda file, _: file, "drop this file on the viewer; its colours lie beside it"
    ),
)


def links(files: Sequence[Path], page: Path) -> list[dict[str, Any]]:
    """Return name, address from the page, and size in bytes of each file."""
    return [
        {"name": file.name, "href": quote(os.fsencode(_relative(file, page))), "bytes": file.stat().st_size}
        for file in files
    ]


def commands(files: Sequence[Path], page: Path) -> list[dict[str, str]]:
    """Return how viewers open a volume, as commands for the page's folder.

    Only files that are there are named; where none is, the command that makes them.
    """
    told = []
    for opener in OPENERS:
        for file, beside in _beside(files, opener.endings):
            line = opener.command(_quoted(file, page), _quoted(beside, page))
            told.append({"viewer": opener.viewer, "command": line, "hint": opener.hint})
            break
    volumes = [file for file in files if _known(file)]
    if not told and volumes:
        name, folder = (_quoted(path, page) for path in (volumes[0], volumes[0].parent))
        line = f"cnnvis preset {name} -o {folder}"
        told.append(
            {"viewer": "any viewer", "command": line, "hint": "makes what the viewers of this format want"}
        )
    return told


def _beside(files: Sequence[Path], endings: Sequence[str]) -> list[tuple[Path, Path]]:
    pairs = [(file, file.with_name(file.name + ending)) for ending in endings for file in files]
    return [(file, beside) for file, beside in pairs if beside.is_file()]


def _known(file: Path) -> bool:
    try:
        extension_of(file)
    except VolumeError:
        return False
    return True


def _quoted(path: Path, page: Path) -> str:
    relative = _relative(path, page)
    # a name that begins with a dash would be an option
    return shlex.quote(f"./{relative}" if relative.startswith("-") else relative)


def _relative(path: Path, page: Path) -> str:
    return Path(os.path.relpath(path.resolve(), page.parent.resolve())).as_posix()
