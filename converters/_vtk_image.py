"""Between volumes and VTK's images, for the formats that VTK itself reads and writes.

Imports no rendering module: those end the process where no OpenGL library is installed.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import sidecar
from ._arrays import array_names, choose
from ._geometry import split
from .encoding import Encoding
from .errors import VolumeError
from .volume import Volume

DOCUMENT = "cnnvis"


def to_image(volume: Volume, encoding: Encoding) -> Any:
    """Return a vtkImageData: an array, or one for each frame, and the side-car document as field data."""
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonCore import vtkStringArray
    from vtkmodules.vtkCommonDataModel import vtkImageData

    image = vtkImageData()
    image.SetDimensions(volume.size)
    image.SetSpacing(volume.spacing)
    image.SetOrigin(volume.origin)
    image.SetDirectionMatrix(volume.direction)
    stored = encoding.encode(volume.data)
    frames = [stored] if volume.frames is None else list(stored)
    names = array_names(volume.name, None if volume.frames is None else volume.labels)
    for name, frame in zip(names, frames, strict=True):
        array = numpy_to_vtk(frame.reshape(-1))
        array.SetName(name)
        image.GetPointData().AddArray(array)
    image.GetPointData().SetActiveScalars(names[0])
    document = vtkStringArray()
    document.SetName(DOCUMENT)
    document.InsertNextValue(sidecar.embed(volume, encoding))
    image.GetFieldData().AddArray(document)
    return image


def run_reader(reader: Any, path: Path) -> Any:
    """Return what a VTK reader makes of a file.

    Raises
    ------
    VolumeError
        If the reader complains in any way; VTK's readers go on with arbitrary data after most errors.
    """
    reader.SetFileName(str(path))
    with _complaints() as told:
        reader.Update()
        complaints = told()
    if complaints:
        raise VolumeError(f"VTK cannot read it ({_essence(complaints)})")
    return reader.GetOutput()


def run_writer(writer: Any, path: Path, image: Any) -> None:
    """Write an image with a VTK writer.

    Raises
    ------
    VolumeError
        If the writer complains.
    """
    writer.SetFileName(str(path))
    writer.SetInputData(image)
    with _complaints() as told:
        written = writer.Write()
        complaints = told()
    if complaints or not written:
        raise VolumeError(f"VTK could not write it ({_essence(complaints)})")


def to_volume(image: Any) -> Volume:
    """Return the volume that an image of VTK holds.

    Raises
    ------
    VolumeError
        If it has no scalar point data.
    """
    from vtkmodules.util.numpy_support import vtk_to_numpy

    document = _document(image)
    data = image.GetPointData()
    found = [data.GetArray(index) for index in range(data.GetNumberOfArrays())]
    arrays = {
        array.GetName() or "values": array for array in found if array and array.GetNumberOfComponents() == 1
    }
    active = data.GetScalars().GetName() if data.GetScalars() else None
    names = choose(tuple(arrays), active, document)
    shape = image.GetDimensions()[::-1]
    values = [vtk_to_numpy(arrays[name]).reshape(shape) for name in names]
    framed = document is not None and document["geometry"].get("frames")
    spacing, direction = split(_matrix(image) * image.GetSpacing())
    # the first voxel may have other indices than 0, to which VTK's own origin belongs
    x, y, z = image.GetPoint(0)
    return sidecar.restore(
        np.stack(values) if framed else values[0],
        document,
        spacing=spacing,
        origin=(x, y, z),
        direction=direction,
        name=names[0],
    )


def _matrix(image: Any) -> NDArray[np.float64]:
    matrix = image.GetDirectionMatrix()
    return np.array([[matrix.GetElement(row, column) for column in range(3)] for row in range(3)])


def _document(image: Any) -> dict[str, Any] | None:
    array = image.GetFieldData().GetAbstractArray(DOCUMENT)
    if array is None or array.GetClassName() != "vtkStringArray" or array.GetNumberOfValues() == 0:
        return None
    return sidecar.parse(array.GetValue(0))


@contextlib.contextmanager
def _complaints() -> Iterator[Callable[[], str]]:
    """Yield a function that gives the errors and warnings of VTK so far, which are kept from stderr."""
    from vtkmodules.vtkCommonCore import vtkLogger, vtkOutputWindow, vtkStringOutputWindow

    before, verbosity = vtkOutputWindow.GetInstance(), vtkLogger.GetCurrentVerbosityCutoff()
    window = vtkStringOutputWindow()
    vtkOutputWindow.SetInstance(window)
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)
    try:
        yield lambda: _text(window.GetOutput())
    finally:
        vtkLogger.SetStderrVerbosity(verbosity)
        vtkOutputWindow.SetInstance(before)


def _text(output: str | bytes) -> str:
    return output if isinstance(output, str) else output.decode("latin-1")


def _essence(complaints: str) -> str:
    """Return what is said in the first complaint, without VTK's source lines and addresses."""
    lines = [line for line in complaints.splitlines() if line and " In vtk" not in line]
    return re.sub(r"^\w+ \(0x[0-9a-f]+\): ", "", lines[0]) if lines else "no reason given"
