"""3D Slicer's volume properties: a transfer function, and how it is lit."""

from __future__ import annotations

import json

import numpy as np

from converters.volume import Volume

from ..camera import view_direction
from ..scene import numbers
from ..transfer import Fitted

_LIGHT = {
    "shade": "0",
    "diffuse": "1",
    "ambient": "0.2",
    "specular": "0",
    "specularPower": "1",
}

_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/main/Modules/Loadable/VolumeRendering/Resources/Schema/"
    "volume-property-schema-v1.0.0.json#"
)
"""By which Slicer knows its volume properties in JSON."""


def step_length(volume: Volume) -> float:
    """Return the distance that Slicer's opacities are for: one step in index space, along our camera's view.

    Slicer's images have spacing 1, as the geometry lies in a matrix of the volume rendering's actor; so VTK's
    rays, and with them its unit distance of 1, go through voxels and not through millimetres (measured in
    slicer-core 5.13: with anisotropic spacing, pictures agree with ParaView's only so).
    """
    return 1.0 / float(np.linalg.norm(np.linalg.solve(volume.affine[:3, :3], view_direction())))


def volume_property(fitted: Fitted) -> str:
    """Return the nine lines of a ``.vp`` file, which every version of Slicer reads.

    Parameters
    ----------
    fitted : Fitted
        Its opacities for the distance that Slicer takes as unit: see `step_length`.

    Notes
    -----
    Slicer draws by the same part of VTK as ParaView, so far outliers fade the volume: see `paraview.script`.
    """
    return "\n".join(look(fitted).values()) + "\n"


def volume_property_json(fitted: Fitted, distance: float) -> str:
    """Return a ``.vp.json`` file, which Slicer reads since 5.10; it holds the unit distance of opacities too.

    Parameters
    ----------
    fitted : Fitted
        With its own opacities.
    distance : float
        What they are for, in steps of Slicer: see `step_length`.
    """
    light = {key: float(value) for key, value in _LIGHT.items() if key != "shade"}
    component = {
        "shade": _LIGHT["shade"] == "1",
        "lighting": light,
        "disableGradientOpacity": True,
        "scalarOpacityUnitDistance": _exact(distance),
        "rgbTransferFunction": {
            "type": "colorTransferFunction",
            "points": [{"x": _exact(x), "color": list(rgb)} for x, *rgb in fitted.colors],
        },
        "scalarOpacity": {
            "type": "piecewiseLinearFunction",
            "points": [{"x": _exact(x), "y": _exact(o)} for x, o in fitted.opacities],
        },
        "gradientOpacity": {
            "type": "piecewiseLinearFunction",
            "points": [{"x": 0.0, "y": 1.0}, {"x": 255.0, "y": 1.0}],
        },
    }
    properties = {
        "effectiveRange": [_exact(end) for end in fitted.range],
        "isoSurfaceValues": [],
        "independentComponents": True,
        "interpolationType": "linear" if fitted.interpolate else "nearest",
        "useClippedVoxelIntensity": False,
        "clippedVoxelIntensity": 0.0,
        "scatteringAnisotropy": 0.0,
        "components": [component],
    }
    return json.dumps({"@schema": _SCHEMA, "volumeProperties": [properties]}, indent=1) + "\n"


def look(fitted: Fitted) -> dict[str, str]:
    """Return a volume property by its parts, in the order of a ``.vp`` file.

    The functions are opacity, gradient opacity (off) and colour as Slicer writes them: count, then numbers.
    """
    return {
        "interpolation": str(int(fitted.interpolate)),
        **_LIGHT,
        "scalarOpacity": _counted(fitted.opacities),
        "gradientOpacity": "4 0 1 255 1",
        "colorTransfer": _counted(fitted.colors),
    }


def _exact(value: float) -> float:
    return float(numbers(value))


def _counted(points: tuple[tuple[float, ...], ...]) -> str:
    flat = [value for point in points for value in point]
    return f"{len(flat)} {numbers(*flat)}"
