"""For 3D Slicer: the transfer function (.vp, .vp.json), and a scene (.mrml) that shows the volume by it."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.sax.saxutils import quoteattr

import numpy as np

from converters.volume import Vector, Volume

from .camera import camera, view_direction
from .drawing import BACKGROUND
from .scene import Scene, numbers
from .transfer import Fitted

_ENCODED = str.maketrans({letter: f"%{ord(letter):02X}" for letter in "% '\"<>"})
"""What Slicer encodes in file names; it decodes nothing else, so the rest stays as it is."""

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

_VOLUME, _STORAGE = "vtkMRMLScalarVolumeNode1", "vtkMRMLVolumeArchetypeStorageNode1"
_DISPLAY, _PROPERTY = "vtkMRMLScalarVolumeDisplayNode1", "vtkMRMLVolumePropertyNode1"
_RENDERING = "vtkMRMLGPURayCastVolumeRenderingDisplayNode1"


def files(scene: Scene) -> dict[str, str]:
    """Return the files for a volume, as name ending -> text."""
    step = step_length(scene.volume)
    rescaled = replace(scene, fitted=scene.fitted.per(step))
    return {
        ".vp": volume_property(rescaled.fitted),
        # `X.vp.json` would pass for the side-car of `X.vp`
        ".slicer.vp.json": volume_property_json(scene.fitted, scene.fitted.unit / step),
        ".mrml": mrml(rescaled),
    }


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
    return "\n".join(_look(fitted).values()) + "\n"


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
    look = {
        "effectiveRange": [_exact(end) for end in fitted.range],
        "isoSurfaceValues": [],
        "independentComponents": True,
        "interpolationType": "linear" if fitted.interpolate else "nearest",
        "useClippedVoxelIntensity": False,
        "clippedVoxelIntensity": 0.0,
        "scatteringAnisotropy": 0.0,
        "components": [component],
    }
    return json.dumps({"@schema": _SCHEMA, "volumeProperties": [look]}, indent=1) + "\n"


def mrml(scene: Scene) -> str:
    """Return a scene of its own: volume, display, volume rendering, camera, slice views.

    The transfer function lies in the scene itself, in the form that all versions read. The camera looks along
    +z of LPS with -y up, which are superior and anterior in Slicer's RAS: row 0 is on top, x goes right. The
    slice views need no help: Slicer's axial view has that orientation.
    """
    lines = "".join(f" {node}\n" for node in (*_volume_nodes(scene), *_view_nodes(scene.volume)))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<MRML version="Slicer 5.0.0 30000">\n{lines}</MRML>\n'


def _volume_nodes(scene: Scene) -> list[str]:
    """Return the volume, its file, and its display in slices and in depth, linked by their ids."""
    low, high = scene.fitted.range
    name = scene.volume.name
    return [
        _node(
            "VolumeArchetypeStorage",
            id=_STORAGE,
            name=f"{name} file",
            fileName=scene.file.translate(_ENCODED),
        ),
        _node(
            "VolumeDisplay",
            id=_DISPLAY,
            name=f"{name} slices",
            colorNodeID="vtkMRMLColorTableNodeGrey",
            window=numbers(high - low),
            level=numbers((low + high) / 2),
            autoWindowLevel="0",
            interpolate="0",
        ),
        _node(
            "VolumeProperty",
            id=_PROPERTY,
            name=scene.fitted.name,
            effectiveRange=numbers(low, high),
            **_look(scene.fitted),
        ),
        _node(
            "GPURayCastVolumeRendering",
            id=_RENDERING,
            name=f"{name} volume rendering",
            visibility="true",
            references=f"volumeProperty:{_PROPERTY};",
        ),
        _node(
            "Volume",
            id=_VOLUME,
            name=name,
            references=f"storage:{_STORAGE};display:{_DISPLAY} {_RENDERING};",
        ),
    ]


def _view_nodes(volume: Volume) -> list[str]:
    """Return the 3-D view with its camera, and what makes the three slice views show the volume."""
    eye = camera(volume)
    background = numbers(*BACKGROUND)
    view = _node(
        "View",
        id="vtkMRMLViewNode1",
        name="View1",
        singletonTag="1",
        layoutName="1",
        layoutLabel="1",
        backgroundColor=background,
        backgroundColor2=background,
    )
    aim = _node(
        "Camera",
        id="vtkMRMLCameraNode1",
        name="Camera",
        singletonTag="1",
        position=numbers(*_ras(eye.position)),
        focalPoint=numbers(*_ras(eye.focal_point)),
        viewUp=numbers(*_ras(eye.view_up)),
        viewAngle=numbers(eye.view_angle),
    )
    slices = [
        _node(
            "SliceComposite",
            id=f"vtkMRMLSliceCompositeNode{color}",
            name="SliceComposite",
            singletonTag=color,
            layoutName=color,
            backgroundVolumeID=_VOLUME,
        )
        for color in ("Red", "Green", "Yellow")
    ]
    return [view, aim, *slices]


def _look(fitted: Fitted) -> dict[str, str]:
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


def _node(tag: str, **attributes: str) -> str:
    return f"<{tag} " + " ".join(f"{key}={_quoted(value)}" for key, value in attributes.items()) + "/>"


def _quoted(value: str) -> str:
    """Return the value in quotes; without control characters, which XML cannot hold."""
    return quoteattr("".join(letter for letter in value if letter.isprintable()))


def _ras(vector: Vector) -> Vector:
    """Turn an LPS vector into RAS; without negative zeros."""
    x, y, z = vector
    return 0.0 - x, 0.0 - y, z
