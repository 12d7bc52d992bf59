"""For ParaView: presets for its colour map editor, and scripts that load volumes and show them."""

from __future__ import annotations

from dataclasses import replace

from ..scene import Scene
from .presets import cell_length, preset
from .scripts import refuses, script, write_script

__all__ = ["cell_length", "files", "preset", "refuses", "script", "write_script"]


def files(scene: Scene) -> dict[str, str]:
    """Return the files for a volume or a series, as name ending -> text."""
    fitted = scene.fitted.per(cell_length(scene.volume))
    # ParaView applies the first preset of a name that it ever imported; other volumes have other values
    own = replace(fitted, name=f"{fitted.name} {scene.path.name}")
    return {
        ".paraview.json": preset(own),
        ".paraview.py": script([scene]),
    }
