"""The child process of `painter`: draws volumes by VTK, without a display.

Run as ``python offscreen.py``. It reads a line of JSON that says how pictures shall look, and then messages
of a line each: with ``shape``, a volume, whose levels follow (uint16, z y x); else a camera, for which it
writes a picture (uint8, row column RGB). It is a process of its own, as VTK ends the process where it finds
no OpenGL library.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

OVERSAMPLING = 2
"""Pixels rendered, in each direction, for one of the picture: smooth edges."""

Message = dict[str, Any]


def main() -> None:
    """Draw until there are no more messages."""
    # whatever libraries print must not get among the pictures
    pictures = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    messages = sys.stdin.buffer
    stage = Stage(json.loads(messages.readline()))
    for line in iter(messages.readline, b""):
        message = json.loads(line)
        if "shape" in message:
            stage.show(message, messages)
        else:
            pictures.write(stage.picture(message).tobytes())
            pictures.flush()


class Stage:
    """A window that nobody sees, with a volume and its box.

    Parameters
    ----------
    look : dict
        Size, background, line, outline, colors, opacities, unit, interpolate.
    """

    def __init__(self, look: Message) -> None:
        # these register VTK's OpenGL classes as they are imported
        import vtkmodules.vtkRenderingOpenGL2
        import vtkmodules.vtkRenderingVolumeOpenGL2  # noqa: F401
        from vtkmodules.vtkCommonDataModel import vtkImageData
        from vtkmodules.vtkRenderingCore import vtkActor, vtkRenderer, vtkRenderWindow

        self._image = vtkImageData()
        self._levels: NDArray[np.uint16] = np.empty((0, 0, 0), np.uint16)
        self._mapper = _volume_mapper(self._image)
        self._box = vtkActor()
        self._box.GetProperty().SetColor(look["line"])
        self._box.GetProperty().SetLineWidth(OVERSAMPLING)
        self._box.GetProperty().LightingOff()
        self._box.SetVisibility(look["outline"])
        self._renderer = vtkRenderer()
        self._renderer.SetBackground(look["background"])
        self._renderer.AddVolume(_volume(self._mapper, look))
        self._renderer.AddActor(self._box)
        self._window = vtkRenderWindow()
        self._window.SetOffScreenRendering(True)
        # multisampled depth would let the volume show through the lines in front of it
        self._window.SetMultiSamples(0)
        self._window.SetSize([OVERSAMPLING * side for side in look["size"]])
        self._window.AddRenderer(self._renderer)

    def show(self, place: Message, levels: BinaryIO) -> None:
        """Put a volume in place of the one before.

        Parameters
        ----------
        place : dict
            Shape, spacing, origin, direction, corners, sample_distance, ray_distance.
        levels : file
            Where its levels are read from.
        """
        shape = tuple(place["shape"])
        if self._levels.shape != shape:
            self._levels = np.empty(shape, np.uint16)
            self._image.SetDimensions(self._levels.shape[::-1])
            self._image.GetPointData().SetScalars(_scalars(self._levels))
        _fill(self._levels, levels)
        self._image.SetSpacing(place["spacing"])
        self._image.SetOrigin(place["origin"])
        self._image.SetDirectionMatrix(place["direction"])
        self._image.GetPointData().GetScalars().Modified()
        self._image.Modified()
        self._mapper.SetSampleDistance(place["sample_distance"])
        self._mapper.SetImageSampleDistance(place["ray_distance"])
        self._box.SetMapper(_box_mapper(place["corners"]))

    def picture(self, camera: Message) -> NDArray[np.uint8]:
        """Return what a camera sees: position, focal_point, view_up, view_angle."""
        _aim(self._renderer.GetActiveCamera(), camera)
        self._renderer.ResetCameraClippingRange()
        self._window.Render()
        return _reduced(_pixels(self._window))


def _volume_mapper(image: Any) -> Any:
    from vtkmodules.vtkRenderingVolumeOpenGL2 import vtkOpenGLGPUVolumeRayCastMapper

    mapper = vtkOpenGLGPUVolumeRayCastMapper()
    mapper.SetInputData(image)
    mapper.SetAutoAdjustSampleDistances(False)
    mapper.SetUseJittering(True)
    mapper.SetMaxMemoryInBytes(2**32)
    return mapper


def _volume(mapper: Any, look: Message) -> Any:
    from vtkmodules.vtkRenderingCore import vtkVolume

    volume = vtkVolume()
    volume.SetMapper(mapper)
    volume.SetProperty(_property(look))
    return volume


def _scalars(levels: NDArray[np.uint16]) -> Any:
    from vtkmodules.util.numpy_support import numpy_to_vtk

    return numpy_to_vtk(levels.reshape(-1))


def _fill(levels: NDArray[np.uint16], source: BinaryIO) -> None:
    room = levels.reshape(-1).data.cast("B")
    while room:
        count = source.readinto(room)  # type: ignore[attr-defined]
        if not count:
            raise EOFError("the levels end too early")
        room = room[count:]


def _property(look: Message) -> Any:
    from vtkmodules.util.vtkConstants import VTK_LINEAR_INTERPOLATION, VTK_NEAREST_INTERPOLATION
    from vtkmodules.vtkCommonDataModel import vtkPiecewiseFunction
    from vtkmodules.vtkRenderingCore import vtkColorTransferFunction, vtkVolumeProperty

    colors, opacities = vtkColorTransferFunction(), vtkPiecewiseFunction()
    for point in look["colors"]:
        colors.AddRGBPoint(*point)
    for point in look["opacities"]:
        opacities.AddPoint(*point)
    property_ = vtkVolumeProperty()
    property_.SetColor(colors)
    property_.SetScalarOpacity(opacities)
    property_.SetScalarOpacityUnitDistance(look["unit"])
    property_.SetInterpolationType(
        VTK_LINEAR_INTERPOLATION if look["interpolate"] else VTK_NEAREST_INTERPOLATION
    )
    property_.ShadeOff()
    return property_


def _box_mapper(corners: list[list[float]]) -> Any:
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
    from vtkmodules.vtkRenderingCore import vtkPolyDataMapper

    points, lines = vtkPoints(), vtkCellArray()
    for corner in corners:
        points.InsertNextPoint(corner)
    # corners are numbered by three bits, and an edge joins two that differ in one
    for start, end in ((a, a | bit) for a in range(8) for bit in (1, 2, 4) if not a & bit):
        lines.InsertNextCell(2, (start, end))
    box = vtkPolyData()
    box.SetPoints(points)
    box.SetLines(lines)
    mapper = vtkPolyDataMapper()
    mapper.SetInputData(box)
    return mapper


def _aim(camera: Any, place: Message) -> None:
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
    # it has just been rendered
    grab.ShouldRerenderOff()
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
    main()
