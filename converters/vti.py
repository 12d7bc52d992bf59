"""VTK's XML image data (.vti): the format for ParaView."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from . import _vti_file, sidecar
from ._arrays import assemble, named
from ._files import check_compressed, guarded
from .encoding import Encoding
from .errors import VolumeError
from .registry import Format, register
from .volume import IDENTITY, Volume

_DOCUMENT = "cnnvis"


def write(volume: Volume, path: Path, encoding: Encoding) -> None:
    """Write a volume as raw appended data: one array of its name, or one for each frame, called by its label.

    Not compressed, for the same reasons as NRRD.

    Parameters
    ----------
    volume : Volume
        3-D or 4-D.
    path : Path
        Where to write.
    encoding : Encoding
        How to store the values.

    Raises
    ------
    VolumeError
        If VTK cannot write the file.
    """
    from vtkmodules.vtkIOXML import vtkXMLImageDataWriter

    writer = vtkXMLImageDataWriter()
    writer.SetHeaderTypeToUInt64()
    writer.SetDataModeToAppended()
    writer.EncodeAppendedDataOff()
    writer.SetCompressorTypeToNone()
    writer.SetByteOrderToLittleEndian()
    writer.SetInputData(_image(volume, encoding))
    # VTK takes file names that are no UTF-8 as bytes, which its type hints do not know
    name: Any = os.fsencode(path)
    writer.SetFileName(name)
    if not writer.Write():
        raise VolumeError("VTK could not write it; is the disk full?")


def read(path: Path) -> Volume:
    """Read the scalar point data of a file of one piece; of several arrays, the active one.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    VolumeError
        If the file is damaged or has no scalar point data.
    """
    with guarded("VTK image data (.vti)"):
        file = _vti_file.parse(path)
        bounds = [int(bound) for bound in file.image["WholeExtent"].split()]
        x, y, z = (high - low + 1 for low, high in zip(bounds[::2], bounds[1::2], strict=True))
        check_compressed(x * y * z, path.stat().st_size)
        document = file.text(_DOCUMENT)
        direction = _numbers(file.image.get("Direction"), IDENTITY).reshape(3, 3)
        columns = direction * _numbers(file.image.get("Spacing"), (1, 1, 1))
        # the origin belongs to index 0, where the extent need not begin
        first = columns @ bounds[::2] + _numbers(file.image.get("Origin"), (0, 0, 0))
        return assemble(
            file.scalars,
            lambda name: file.array(name, (z, y, x)),
            active=file.points.get("Scalars"),
            document=None if document is None else sidecar.parse(document),
            columns=columns,
            origin=(float(first[0]), float(first[1]), float(first[2])),
        )


def _image(volume: Volume, encoding: Encoding) -> Any:
    """Return a vtkImageData with the volume's arrays, and the side-car document as field data."""
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonCore import vtkStringArray
    from vtkmodules.vtkCommonDataModel import vtkImageData

    image = vtkImageData()
    image.SetDimensions(volume.size)
    image.SetSpacing(volume.spacing)
    image.SetOrigin(volume.origin)
    image.SetDirectionMatrix(volume.direction)
    arrays = named(volume, encoding.encode(volume.data))
    for name, values in arrays.items():
        array = numpy_to_vtk(values.reshape(-1))
        array.SetName(name)
        image.GetPointData().AddArray(array)
    image.GetPointData().SetActiveScalars(next(iter(arrays)))
    document = vtkStringArray()
    document.SetName(_DOCUMENT)
    document.InsertNextValue(sidecar.embed(volume, encoding))
    image.GetFieldData().AddArray(document)
    return image


def _numbers(text: str | None, default: tuple[float, ...]) -> np.ndarray:
    return np.array(default if text is None else [float(number) for number in text.split()], dtype=np.float64)


register(Format("VTK XML image data", (".vti",), read, write, frames=True))
