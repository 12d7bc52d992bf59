"""NIfTI-1 (.nii, .nii.gz), the format of neuroimaging; ParaView opens it by a plugin only."""

from __future__ import annotations

import contextlib
import gzip
import logging
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import sidecar
from ._files import check_compressed, check_size, guarded, raw
from ._geometry import split
from .encoding import Encoding
from .errors import VolumeError
from .registry import Format, register
from .volume import Described, Volume

_COMMENT = 6
_SCANNER = 1
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_LONGEST_AXIS = 2**15 - 1


def write(volume: Volume, path: Path, encoding: Encoding) -> None:
    """Write a volume as one file, compressed if its name ends in ``.gz``.

    Both forms of the affine are set, since ParaView's plugin takes the origin from the qform alone. A sheared
    volume has its true place in the sform only.

    Parameters
    ----------
    volume : Volume
        3-D, or 4-D with the frames along the fourth axis.
    path : Path
        Where to write.
    encoding : Encoding
        How to store the values; viewers apply its slope and intercept.

    Raises
    ------
    VolumeError
        If an axis is longer than the format allows.
    """
    write_parts(volume, path, encoding, [volume.data])


def write_parts(
    volume: Described, path: Path, encoding: Encoding, parts: Iterable[NDArray[np.float32]]
) -> None:
    """Write what is described, its values part by part: frame by frame, or slice by slice.

    Parameters are those of `write`.
    """
    longest = max(*volume.size, volume.frames or 1)
    if longest > _LONGEST_AXIS:
        raise VolumeError(
            f"NIfTI-1 holds at most {_LONGEST_AXIS} voxels along an axis, not {longest}; NRRD does"
        )
    header = _header(volume, encoding)
    with contextlib.ExitStack() as stack:
        file: Any = stack.enter_context(path.open("wb"))
        if path.suffix.lower() == ".gz":
            # no name and no time in the gzip header; level 6 is half as fast and saves 5 % more
            file = stack.enter_context(gzip.GzipFile("", "wb", 1, file, mtime=0))
        header.write_to(file)
        for part in parts:
            file.write(raw(encoding.encode(part)))


def _header(volume: Described, encoding: Encoding) -> Any:
    import nibabel

    header = nibabel.Nifti1Header(endianness="<")
    header.set_data_dtype(encoding.dtype)
    header.set_xyzt_units("mm")
    shape = volume.size if volume.frames is None else (*volume.size, volume.frames)
    image = nibabel.Nifti1Image(np.broadcast_to(np.zeros((), encoding.dtype), shape), None, header)
    affine = _LPS_TO_RAS @ volume.affine
    image.set_sform(affine, _SCANNER)
    image.set_qform(affine, _SCANNER)
    image.header.set_slope_inter(encoding.slope, encoding.intercept)
    text = sidecar.embed(volume, encoding).encode("ascii")
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(_COMMENT, text))
    image.update_header()
    image.header.set_data_offset(0)
    return image.header


def read(path: Path) -> Volume:
    """Read a NIfTI-1 or NIfTI-2 file of real numbers.

    A fourth axis makes frames, further ones must have size 1. As in nibabel, the sform goes before the qform.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    VolumeError
        If the file is damaged or holds vectors, colours or complex numbers.
    """
    import nibabel

    with guarded("NIfTI"), _quiet_log():
        image = nibabel.load(path, mmap=False)
        _check(path, image)
        text = _comment(image.header)
        document = None if text is None else sidecar.parse(text)
        stored = np.asarray(image.dataobj.get_unscaled()).T
        spacing, direction = split((_LPS_TO_RAS @ image.affine)[:3, :3])
        x, y, z = (_LPS_TO_RAS @ image.affine)[:3, 3].tolist()
        return sidecar.restore(
            stored.reshape(_shape(stored.shape, document)),
            document,
            spacing=spacing,
            origin=(x, y, z),
            direction=direction,
            scale=(float(image.dataobj.slope), float(image.dataobj.inter)),
        )


@contextlib.contextmanager
def _quiet_log() -> Iterator[None]:
    """Keep nibabel from telling of faults in headers on stderr, before or instead of raising them."""
    from nibabel.imageglobals import logger

    def nothing(record: logging.LogRecord) -> bool:
        return False

    logger.addFilter(nothing)
    try:
        yield
    finally:
        logger.removeFilter(nothing)


def _check(path: Path, image: Any) -> None:
    declared = math.prod(map(int, image.shape)) * image.get_data_dtype().itemsize
    size = path.stat().st_size
    if path.suffix.lower() == ".gz":
        check_compressed(declared, size)
    else:
        check_size(declared, size - int(image.dataobj.offset))


def _shape(shape: tuple[int, ...], document: dict[str, Any] | None) -> tuple[int, ...]:
    """Return the shape with three axes, or with four if there are frames; `shape` is (..., frame, z, y, x).

    Many programs write one volume with a fourth axis of size 1: only our own document makes that a frame.
    """
    *outer, z, y, x = (1, 1, *shape) if len(shape) < 3 else shape
    frames, *further = outer[::-1] or [1]
    if any(size != 1 for size in further):
        raise VolumeError(f"its axes have sizes {shape[::-1]}: vectors and colours are no scalar volume")
    framed = frames > 1 or (document and document["geometry"].get("frames") == 1)
    return (frames, z, y, x) if framed else (z, y, x)


def _comment(header: Any) -> str | None:
    """Return our text among the comments of the file."""
    comments = (
        bytes(extension.get_content()) for extension in header.extensions if extension.get_code() == _COMMENT
    )
    ours = (comment for comment in comments if comment.startswith(b'{"schema":'))
    return next((comment.rstrip(b"\0").decode("ascii") for comment in ours), None)


register(Format("NIfTI-1", (".nii", ".nii.gz"), read, write, frames=True, viewer_scales=True))
