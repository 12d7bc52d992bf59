"""Presets for ParaView's colour map editor."""

from __future__ import annotations

import json
import math

from converters.volume import Volume

from ..transfer import Fitted


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
        "RGBPoints": color_points(fitted),
        "Points": opacity_points(fitted),
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


def color_points(fitted: Fitted) -> list[float]:
    """Return value, red, green and blue of each point, one after another."""
    return [_exact(value) for point in fitted.colors for value in point]


def opacity_points(fitted: Fitted) -> list[float]:
    """Return value, opacity, middle and sharpness of each point; the last two make straight ramps."""
    return [_exact(value) for x, o in fitted.opacities for value in (x, o, 0.5, 0.0)]


def _exact(value: float) -> float:
    return float(f"{value:.12g}")
