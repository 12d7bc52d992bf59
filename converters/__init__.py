"""Volumes, and the file formats that hold them."""

from . import cgv, hdf, metaimage, nifti, nrrd, vti, vtk_legacy
from .encoding import DTYPES, Encoding
from .errors import CnnVisError, CnnVisWarning, VolumeError
from .layouts import LAYOUTS, lay_out
from .registry import Format, extension_of, extensions, format_of, read, register, write
from .volume import Volume

__all__ = [
    "DTYPES",
    "LAYOUTS",
    "CnnVisError",
    "CnnVisWarning",
    "Encoding",
    "Format",
    "Volume",
    "VolumeError",
    "cgv",
    "extension_of",
    "extensions",
    "format_of",
    "hdf",
    "lay_out",
    "metaimage",
    "nifti",
    "nrrd",
    "read",
    "register",
    "vti",
    "vtk_legacy",
    "write",
]
