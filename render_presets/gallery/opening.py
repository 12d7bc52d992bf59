"""The files of a volume: links to them, and how each viewer opens them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from converters.volume import Described

from ..viewers import VIEWERS, able
from .finding import Found


@dataclass(frozen=True)
class Opener:
    """How a viewer opens what `cnnvis preset` and `cnnvis scene` write.

    Parameters
    ----------
    viewer : str
        Its name.
    key : str
        Its name among `VIEWERS`.
    endings : tuple of str
        What it wants beside a volume file, behind that one's whole name; the best first.
    scenes : tuple of str
        Extensions of scenes, which take the place of the volume file's own.
    command : callable
        ``command(volume, beside)``: what to type, of two paths.
    hint : str
        What else there is to say.
    """

    viewer: str
    key: str
    endings: tuple[str, ...]
    scenes: tuple[str, ...]
    command: Callable[[str, str], str]
    hint: str


OPENERS = (
    Opener(
        viewer="ParaView",
        key="paraview",
        endings=(".paraview.py",),
        scenes=(),
        command=lambda _, script: f"paraview --script={script}",
        hint="in a terminal",
    ),
    Opener(
        viewer="3D Slicer",
        key="slicer",
        endings=(".mrml",),
        scenes=(".mrb", ".mrml"),
        command=lambda _, scene: f"Slicer {scene}",
        hint="in a terminal, or drop the file on Slicer",
    ),
    Opener(
        viewer="CGV",
        key="cgv",
        endings=(".cgv.xml",),
        scenes=(),
        command=lambda file, _: file,
        hint="drop this file on the viewer; its colours lie beside it",
    ),
)


def links(files: Sequence[Path], page: Path) -> list[dict[str, Any]]:
    """Return name, address from the page, and size in bytes of each file."""
    return [
        {"name": file.name, "href": quote(os.fsencode(_relative(file, page))), "bytes": file.stat().st_size}
        for file in files
    ]


def commands(found: Found, volume: Described, folder: Path, page: Path) -> list[dict[str, str]]:
    """Return how viewers open a volume of a folder, as commands for the page's folder.

    Only files that are there are named; where none is, the command that makes them, and where none can be
    made, no command but a hint.
    """
    told = []
    for opener in OPENERS:
        pair = next(_beside(opener, found, folder / found.name), None)
        if pair is not None:
            line = opener.command(*(_quoted(path, page) for path in pair))
            told.append({"viewer": opener.viewer, "command": line, "hint": opener.hint})
    return told or [_preset(found, volume, page)]


def _preset(found: Found, volume: Described, page: Path) -> dict[str, str]:
    """Return the command that makes what viewers want beside a volume, if any viewer opens its files."""
    path = next((path for path in found.paths if able(path, volume)), None)
    if path is None:
        return {"viewer": "No viewer", "command": "", "hint": f"shows these files: {_reason(found, volume)}"}
    name, beside = (_quoted(path, page) for path in (path, path.parent))
    hint = "makes what the viewers of this format want"
    return {"viewer": "Any viewer", "command": f"cnnvis preset {name} -o {beside}", "hint": hint}


def _reason(found: Found, volume: Described) -> str:
    """Return why no viewer shows the files of a volume."""
    frames = volume.frames is not None
    asked = (viewer.refuses(found.paths[0], volume, frames) for viewer in VIEWERS.values())
    reasons = [reason for reason in asked if reason is not None]
    if frames:
        played = (f"{opener.viewer} plays {' '.join(VIEWERS[opener.key].series)}" for opener in OPENERS)
        reasons.append(f"of series, {', '.join(played)}")
    return "; ".join(reasons)


def _beside(opener: Opener, found: Found, stem: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the pairs of a volume file and what a viewer wants beside it that are there, the best first."""
    # nothing is called as numbered files are together
    first = {frame.suffix: frame for frame in reversed(found.frames)}
    shown = {path: path if path.exists() else first[path.suffix] for path in found.paths}
    pairs = [(shown[found.paths[0]], stem.with_name(stem.name + scene)) for scene in opener.scenes]
    pairs += [
        (shown[path], path.with_name(path.name + ending)) for ending in opener.endings for path in found.paths
    ]
    return ((file, beside) for file, beside in pairs if beside.is_file())


def _quoted(path: Path, page: Path) -> str:
    relative = _relative(path, page)
    # a name that begins with a dash would be an option
    return shlex.quote(f"./{relative}" if relative.startswith("-") else relative)


def _relative(path: Path, page: Path) -> str:
    return Path(os.path.relpath(path.resolve(), page.parent.resolve())).as_posix()
