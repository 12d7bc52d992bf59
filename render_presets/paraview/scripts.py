"""Python scripts for pvpython, pvbatch and ParaView's window."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from converters.volume import IDENTITY, Described

from ..camera import AZIMUTH, ELEVATION, FILL, STEEP, VIEW_ANGLE
from ..drawing import BACKGROUND, INK, OUTLINE, printable
from ..scene import Scene
from ..theme import fractions
from .presets import color_points, opacity_points

DIRECTED = (".vti", ".hdf", ".pvd", ".vti.series")
"""The files that ParaView takes directions from.

Its readers for NRRD and MetaImage leave them out, that for VTKHDF where there are steps.
"""

_SCENE = re.compile(r"(?<=\n# <scene>\n).*?(?=# </scene>\n)", re.DOTALL)


def write_script(scenes: Sequence[Scene], path: Path) -> None:
    """Write a script that shows volumes and series over each other, in LPS.

    Parameters
    ----------
    scenes : sequence of Scene
        The first is the one that the others overlay: see `script`.
    path : Path
        The script.
    """
    path.write_text(script(scenes), encoding="ascii", newline="\n")


def script(scenes: Sequence[Scene]) -> str:
    """Return a Python script for pvpython, pvbatch and ParaView's window, of ParaView 5.11 or later.

    It keeps its place relative to the volumes. Colours and opacities are in the script, so it neither needs
    preset files nor meets older presets of those names.

    One volume is rendered as a volume. Of several, the first is shown as three slices through its middle, or
    as a picture if it has one slice only, and the others as volumes around them. ParaView draws volumes one
    after another, the farthest first: where two of them overlap, the nearer one seems to lie in front as a
    whole.

    ParaView samples colours over the range of all values in the file, at no more places than OpenGL takes in
    a texture (16,384 in Mesa). One outlier at 10,000 times the fitted range makes the volume fainter, one at
    a million times nearly invisible (seen in ParaView 5.11): only a file with clipped values helps.
    """
    ways = ["volume"] if len(scenes) == 1 else ["slices"] + ["volume"] * (len(scenes) - 1)
    titles = [scene.title for scene in scenes] if len(scenes) == 1 else _apart(scenes)
    volumes = [_entry(*parts) for parts in zip(scenes, titles, ways, strict=True)]
    constants = {
        "BACKGROUND": list(BACKGROUND),
        "OUTLINE": list(OUTLINE),
        "INK": list(fractions(INK)),
        "AZIMUTH": AZIMUTH,
        "ELEVATION": ELEVATION,
        "VIEW_ANGLE": VIEW_ANGLE,
        "FILL": FILL,
        "STEEP": STEEP,
    }
    lines = ["VOLUMES = [", *map(_literal, volumes), "]"]
    lines += [f"{name} = {value!a}" for name, value in constants.items()]
    text = (resources.files(__package__) / "show.py").read_text(encoding="ascii")
    return _SCENE.sub(lambda _: "\n".join([*lines, ""]), text)


def _entry(scene: Scene, title: str, way: str) -> dict[str, Any]:
    fitted = scene.fitted
    return {
        "file": scene.file,
        "title": printable(title),
        "show": way,
        "size": list(scene.volume.size),
        "colors": color_points(fitted),
        "opacities": opacity_points(fitted),
        "unit distance": fitted.unit,
        "interpolation": "Linear" if fitted.interpolate else "Nearest",
        "turned": not np.allclose(scene.volume.direction, IDENTITY),
        "frames": [printable(label) for label in scene.frames],
    }


def _apart(scenes: Sequence[Scene]) -> list[str]:
    """Return titles that tell volumes apart: with the names of their layers, or else of their files."""
    layers = [scene.volume.facts.get("layer") for scene in scenes]
    titles = [
        f"{layer}: {scene.title}" if isinstance(layer, str) else scene.title
        for layer, scene in zip(layers, scenes, strict=True)
    ]
    count = Counter(titles)
    return [
        title if count[title] == 1 else f"{scene.path.name}: {scene.title}"
        for title, scene in zip(titles, scenes, strict=True)
    ]


def _literal(entry: Mapping[str, Any]) -> str:
    """Return a dictionary as Python has it, a key a line, all ASCII."""
    lines = [f"        {key!a}: {value!a}," for key, value in entry.items()]
    return "\n".join(["    {", *lines, "    },"])


def refuses(path: Path, volume: Described, frames: bool) -> str | None:
    """Return why ParaView would not show a volume where it lies, None where it does.

    Parameters
    ----------
    path : Path
        The file.
    volume : Described
        What it holds.
    frames : bool
        Whether it holds a series.
    """
    name = path.name.lower()
    directed = name.endswith(DIRECTED) or (name.endswith(".vtkhdf") and not frames)
    if directed or np.allclose(volume.direction, IDENTITY):
        return None
    return (
        "its axes are turned, which ParaView leaves out in such files; it takes directions from "
        + " ".join(DIRECTED)
        + " (cnnvis convert)"
    )
