"""VTK's XML image data (.vti): the format for ParaView."""

from __future__ import annotations

from pathlib import Path

from . import _vti_header
from ._files import guarded
from ._vtk_image import run_reader, run_writer, to_image, to_volume
from .encoding import Encoding
from .registry import Format, register
from .volume import Volume


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
    """
    from vtkmodules.vtkIOXML import vtkXMLImageDataWriter

    writer = vtkXMLImageDataWriter()
    writer.SetHeaderTypeToUInt64()
    writer.SetDataModeToAppended()
    writer.EncodeAppendedDataOff()
    writer.SetCompressorTypeToNone()
    writer.SetByteOrderToLittleEndian()
    run_writer(writer, path, to_image(volume, encoding))


def read(path: Path) -> Volume:
    """Read the scalar point data of a file; of several arrays, the active one.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    VolumeError
        If the file is damaged or has no scalar point data.
    """
    from vtkmodules.vtkIOXML import vtkXMLImageDataReader

    with guarded("VTK image data (.vti)"):
        _vti_header.check(path)
        return to_volume(run_reader(vtkXMLImageDataReader(), path))


register(Format("VTK XML image data", (".vti",), read, write, frames=True))
