"""For ParaView: a preset for its colour map editor, and a script that loads the volume and shows it."""

from __future__ import annotations

import json
import math
from dataclasses import replace

from converters.volume import Volume

from .camera import AZIMUTH, ELEVATION, FILL, VIEW_ANGLE
from .drawing import BACKGROUND, OUTLINE
from .paraview_script import SCRIPT
from .scene import Scene
from .transfer import Fitted


def files(scene: Scene) -> dict[str, str]:
    """Return the files for a volume, as name ending -> text."""
    fitted = scene.fitted.per(cell_length(scene.volume))
    # ParaView applies the first preset of a name that it ever imported; other volumes have other values
    own = replace(fitted, name=f"{fitted.name} {scene.path.name}")
    return {
        ".paraview.json": preset(own),
        ".paraview.py": script(scene),
    }


def preset(fitted: Fitted) -> str:
    """Return a preset file for ParaView's import: an array of one preset, with colours and opacities.

    Parameters
    ----------
    fitted : Fitted
        Its opacities for the unit distance that ParaView will take by itself: see `cell_length`.
    """
    document = {
        "Name": fitted.name,
        "Creator": "CNN-VIS",
        "ColorSpace": "RGB",
        "NanColor": [0.5, 0.5, 0.5],
        "RGBPoints": _color_points(fitted),
        "Points": _opacity_points(fitted),
    }
    return json.dumps([document], indent=1) + "\n"


def cell_length(volume: Volume) -> float:
    """Return the unit distance of opacity that ParaView gives a volume when it is loaded.

    That is the diagonal of its bounds over the cube root of its number of cells (vtkSMBoundsDomain,
    ``approximate_cell_length``; seen in ParaView 5.11).
    """
    steps = [count - 1 for count in volume.size]
    diagonal = math.hypot(*(count * step for count, step in zip(steps, volume.spacing, strict=True)))
    cells = math.prod(max(count, 1) for count in steps)
    return diagonal / cells ** (1 / 3) or 1.0


def script(scene: Scene) -> str:
    """Return a Python script for pvpython, pvbatch and ParaView's window, of ParaView 5.11 or later.

    It lies beside the volume or keeps its relative place to it. Colours and opacities are in the script, so
    it neither needs the preset file nor meets an older preset of that name.

    ParaView samples them over the range of all values in the file, at no more places than OpenGL takes in a
    texture (16,384 in Mesa). One outlier at 10,000 times the fitted range makes the volume fainter, one at a
    million times nearly invisible (seen in ParaView 5.11): only a file with clipped values helps.
    """
    constants = {
        "VOLUME": scene.file,
        "TITLE": scene.title,
        "COLORS": _color_points(scene.fitted),
        "OPACITIES": _opacity_points(scene.fitted),
        "UNIT_DISTANCE": scene.fitted.unit,
        "INTERPOLATION": "Linear" if scene.fitted.interpolate else "Nearest",
        "BACKGROUND": list(BACKGROUND),
        "OUTLINE": list(OUTLINE),
        "AZIMUTH": AZIMUTH,
        "ELEVATION": ELEVATION,
        "VIEW_ANGLE": VIEW_ANGLE,
        "FILL": FILL,
    }
    return SCRIPT.replace(
        "@CONSTANTS@\n", "\n".join(f"{key} = {value!a}" for key, value in constants.items())
    )


def _color_points(fitted: Fitted) -> list[float]:
    return [_exact(value) for point in fitted.colors for value in point]


def _opacity_points(fitted: Fitted) -> list[float]:
    """Return value, opacity, middle and sharpness of each point; the last two make straight ramps."""
    return [_exact(value) for x, o in fitted.opacities for value in (x, o, 0.5, 0.0)]


def _exact(value: float) -> float:
    return float(f"{value:.12g}")
