"""Opacity by the way of a ray through space, where 3D Slicer has it by voxels: a shader property (.sp)."""

from __future__ import annotations

import json

from converters.volume import Volume

from ..camera import extent
from .property import step_length

_TAKEN = "g_srcColor.a = computeOpacity(scalar);"
"""VTK's line that takes the opacity of a step, in VTK 9.2 to 9.7. Without it, nothing changes."""


def shader_property(volume: Volume) -> str:
    """Return a ``.sp`` file, by which a volume is as dense from the side as from the front.

    Slicer's rays have the opacity of one step through voxels, whatever the way of the step in millimetres;
    `step_length` makes that right for one direction. With the voxels of a deep stack, 16 x 16 x 1 mm, it is
    12 times too transparent from the side, and wrong by a tenth at the edges of a picture in perspective.
    The file tells Slicer to replace a line of VTK's shader, so that an opacity a for the way s becomes
    1 - (1 - a) ** (w / s) for the real way w, by Beer and Lambert's law.

    The shader knows its step in parts of the volume, hence times the lengths of its box in millimetres: axes
    are at right angles.
    """
    sides = ", ".join(repr(length) for length in extent(volume))
    share = f"length(g_dirStep * vec3({sides})) / (in_sampleDistance * {step_length(volume)!r})"
    replacement = {
        "ShaderType": "Fragment",
        "ReplacementSpec": _TAKEN,
        "replaceFirst": False,
        "ReplacementValue": f"g_srcColor.a = 1.0 - pow(1.0 - computeOpacity(scalar), {share});",
        "replaceAll": True,
    }
    return json.dumps({"ShaderReplacements": [replacement]}, indent=1) + "\n"
