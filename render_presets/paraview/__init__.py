"""For ParaView: presets for its colour map editor, and scripts that load volumes and show them."""

from __future__ import annotations

from ..scene import Scene
from .presets import cell_length, preset
from .scripts import script, write_script

__all__ = ["cell_length", "files", "preset", "script", "write_script"]


def files(scene: Scene) -> dict[str, str]:
    """Return the files for a volume or a series, as name ending -> text."""
    return {
        ".paraview.json": preset(scene.fitted.per(cell_length(scene.volume))),
        ".paraview.py": script([scene]),
    }
