"""The child process of `preview`: draws one volume by VTK, without a display.

Run as ``python offscreen.py FOLDER``. FOLDER holds ``values.npy`` (float32, z y x, all finite) and, from
`preview`, ``scene.json``; ``picture.npy`` (uint8, row column RGB) is put beside them. It is a process of its
own, as VTK ends the process where it finds no OpenGL library.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

OVERSAMPLING = 2
"""Pixels rendered, in each direction, for one of the picture: smooth edges."""


def main(folder: Path) -> None:
    """Draw the scene in `folder`."""
    # these register VTK's OpenGL classes as they are imported
    import vtkmodules.vtkRenderingOpenGL2
    import vtkmodules.vtkRenderingVolumeOpenGL2  # noqa: F401
    from vtkmodules.vtkRenderingCore import vtkRenderer, vtkRenderWindow

    scene = json.loads((folder / "scene.json").read_text(encoding="utf-8"))
    renderer = vtkRenderer()
    renderer.SetBackground(scene["background"])
    renderer.AddVolume(_volume(scene, np.load(folder / "values.npy", allow_pickle=False)))
    if scene["corners"]:
        renderer.AddActor(_outline(scene))
    _aim(renderer.GetActiveCamera(), scene["camera"])
    renderer.ResetCameraClippingRange()
    window = vtkRenderWindow()
    window.SetOffScreenRendering(True)
    # multisampled depth would let the volume show through the lines in front of it
    window.SetMultiSamples(0)
    window.SetSize([OVERSAMPLING * side for side in scene["size"]])
    window.AddRenderer(renderer)
    window.Render()
    np.save(folder / "picture.npy", _reduced(_pixels(window)))


def _volume(scene: dict[str, Any], values: NDArray[np.float32]) -> Any:
    from vtkmodules.vtkRenderingCore import vtkVolume
    from vtkmodules.vtkRenderingVolumeOpenGL2 import vtkOpenGLGPUVolumeRayCastMapper

    mapper = vtkOpenGLGPUVolumeRayCastMapper()
    mapper.SetInputData(_image(scene, values))
    mapper.SetAutoAdjustSampleDistances(False)
    mapper.SetSampleDistance(scene["sample_distance"])
    mapper.SetUseJittering(True)
    mapper.SetMaxMemoryInBytes(2**32)
    volume = vtkVolume()
    volume.SetMapper(mapper)
    volume.SetProperty(_property(scene))
    return volume


def _image(scene: dict[str, Any], values: NDArray[np.float32]) -> Any:
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkImageData

    image = vtkImageData()
    image.SetDimensions(values.shape[::-1])
    image.SetSpacing(scene["spacing"])
    image.SetOrigin(scene["origin"])
    image.SetDirectionMatrix(scene["direction"])
    image.GetPointData().SetScalars(numpy_to_vtk(values.reshape(-1)))
    return image


def _property(scene: dict[str, Any]) -> Any:
    from vtkmodules.util.vtkConstants import VTK_LINEAR_INTERPOLATION, VTK_NEAREST_INTERPOLATION
    from vtkmodules.vtkCommonDataModel import vtkPiecewiseFunction
    from vtkmodules.vtkRenderingCore import vtkColorTransferFunction, vtkVolumeProperty

    colors, opacities = vtkColorTransferFunction(), vtkPiecewiseFunction()
    for point in scene["colors"]:
        colors.AddRGBPoint(*point)
    for point in scene["opacities"]:
        opacities.AddPoint(*point)
    look = vtkVolumeProperty()
    look.SetColor(colors)
    look.SetScalarOpacity(opacities)
    look.SetScalarOpacityUnitDistance(scene["unit"])
    look.SetInterpolationType(VTK_LINEAR_INTERPOLATION if scene["interpolate"] else VTK_NEAREST_INTERPOLATION)
    look.ShadeOff()
    return look


def _outline(scene: dict[str, Any]) -> Any:
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
    from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

    points, lines = vtkPoints(), vtkCellArray()
    for corner in scene["corners"]:
        points.InsertNextPoint(corner)
    # corners are numbered by three bits, and an edge joins two that differ in one
    for start, end in ((a, a | bit) for a in range(8) for bit in (1, 2, 4) if not a & bit):
        lines.InsertNextCell(2, (start, end))
    box = vtkPolyData()
    box.SetPoints(points)
    box.SetLines(lines)
    mapper = vtkPolyDataMapper()
    mapper.SetInputData(box)
    actor = vtkActor()
    actor.SetMapper(mapper)
    actor.GetProperty().SetColor(scene["line"])
    actor.GetProperty().SetLineWidth(OVERSAMPLING)
    actor.GetProperty().LightingOff()
    return actor


def _aim(camera: Any, place: dict[str, Any]) -> None:
    camera.SetPosition(place["position"])
    camera.SetFocalPoint(place["focal_point"])
    camera.SetViewUp(place["view_up"])
    camera.SetViewAngle(place["view_angle"])


def _pixels(window: Any) -> NDArray[np.uint8]:
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkRenderingCore import vtkWindowToImageFilter

    grab = vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.ReadFrontBufferOff()
    grab.Update()
    image = grab.GetOutput()
    width, height, _ = image.GetDimensions()
    pixels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, 3)
    # VTK's rows go up
    upright: NDArray[np.uint8] = pixels[::-1]
    return upright


def _reduced(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width, _ = pixels.shape
    blocks = pixels.reshape(height // OVERSAMPLING, OVERSAMPLING, width // OVERSAMPLING, OVERSAMPLING, 3)
    reduced: NDArray[np.uint8] = np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8)
    return reduced


if __name__ == "__main__":
    main(Path(sys.argv[1]))
