"""VTKHDF image data (.hdf, .vtkhdf), for ParaView and any program that reads HDF5."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from warnings import warn

import numpy as np
from numpy.typing import NDArray

from . import sidecar
from ._arrays import assemble, clean, named
from ._files import check_compressed, guarded
from .encoding import Encoding
from .errors import CnnVisWarning, VolumeError
from .registry import Format, register
from .volume import IDENTITY, Described, Volume

# not in VTKHDF's own FieldData group: VTK 9.2 and 9.7 crash on strings there
_DOCUMENT = "cnnvis"


def write(volume: Volume, path: Path, encoding: Encoding) -> None:
    """Write a volume as one array of its name, or one for each frame, called by its label.

    Arrays, and not VTKHDF's time steps, since ParaView 5.11 knows no steps: `write_steps` writes those.

    Parameters
    ----------
    volume : Volume
        3-D or 4-D.
    path : Path
        Where to write.
    encoding : Encoding
        How to store the values.

    Warns
    -----
    CnnVisWarning
        If the volume is flat, which crashes the VTKHDF reader of ParaView 5.11.
    """
    import h5py

    if 1 in volume.size[1:]:
        warn(
            f"{path.name}: ParaView 5.11 crashes on flat VTKHDF volumes; .vti is safe",
            CnnVisWarning,
            stacklevel=2,
        )
    arrays = named(volume, encoding.encode(volume.data))
    with h5py.File(path, "w") as file:
        points = _points(file, volume, (1, 0), next(iter(arrays)))
        for name, stored in arrays.items():
            little = stored.astype(stored.dtype.newbyteorder("<"), copy=False)
            points.create_dataset(name, data=little.reshape(_stored_shape(volume.size)), track_times=False)
        _embed(file, volume, encoding)


def write_steps(
    volume: Described, path: Path, encoding: Encoding, frames: Iterable[NDArray[np.float32]]
) -> None:
    """Write one array whose frames are time steps 0, 1, 2, ..., for ParaView 5.12 and later.

    Parameters
    ----------
    volume : Described
        4-D.
    path : Path
        Where to write.
    encoding : Encoding
        How to store the values.
    frames : iterable of ndarray
        Shape (z, y, x) each.
    """
    import h5py

    count, name = volume.frames or 1, clean(volume.name)
    with h5py.File(path, "w") as file:
        points = _points(file, volume, (2, 0), name)
        shape = (count, *_stored_shape(volume.size))
        dtype = np.dtype(encoding.dtype).newbyteorder("<")
        data = points.create_dataset(name, shape, dtype, track_times=False)
        for step, frame in enumerate(frames):
            data[step] = encoding.encode(frame).reshape(shape[1:])
        steps = points.parent.create_group("Steps")
        steps.attrs["NSteps"] = np.int64(count)
        steps.create_dataset("Values", data=np.arange(count, dtype="<f8"), track_times=False)
        offsets = steps.create_group("PointDataOffsets")
        offsets.create_dataset(name, data=np.arange(count, dtype="<i8"), track_times=False)
        _embed(file, volume, encoding)


def _points(file: Any, volume: Described, version: tuple[int, int], active: str) -> Any:
    """Return the new group for the arrays of an image of this geometry."""
    group = file.create_group("VTKHDF")
    group.attrs["Version"] = np.array(version, dtype="<i8")
    group.attrs["Type"] = np.bytes_(b"ImageData")
    group.attrs["WholeExtent"] = np.array([(0, size - 1) for size in volume.size], dtype="<i8").ravel()
    group.attrs["Origin"] = np.array(volume.origin, dtype="<f8")
    group.attrs["Spacing"] = np.array(volume.spacing, dtype="<f8")
    group.attrs["Direction"] = np.array(volume.direction, dtype="<f8")
    points = group.create_group("PointData")
    points.attrs["Scalars"] = np.bytes_(active.encode("utf-8"))
    return points


def _embed(file: Any, volume: Described, encoding: Encoding) -> None:
    import h5py

    text = sidecar.embed(volume, encoding)
    file.create_dataset(_DOCUMENT, data=text, dtype=h5py.string_dtype("ascii"), track_times=False)


def read(path: Path) -> Volume:
    """Read the scalar point data of a VTKHDF image; of several arrays, the active one.

    Time steps make frames.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    VolumeError
        If the file is damaged, holds other data, or has no scalar point data.
    """
    import h5py

    with guarded("VTKHDF"), h5py.File(path, "r") as file:
        root = _root(file)
        bounds = [int(bound) for bound in root.attrs["WholeExtent"]]
        size = tuple(high - low + 1 for low, high in zip(bounds[::2], bounds[1::2], strict=True))
        points = _member(root, "PointData")
        steps = _steps(root) if "Steps" in root else ()
        shape = (*steps, *size[::-1])
        arrays = _arrays(points, shape)
        columns = np.reshape(root.attrs.get("Direction", IDENTITY), (3, 3)) * root.attrs["Spacing"]
        # the origin belongs to index 0, where the extent need not begin
        x, y, z = (columns @ bounds[::2] + root.attrs["Origin"]).tolist()
        return assemble(
            tuple(arrays),
            lambda name: _values(arrays[name], shape),
            active=_text(points.attrs.get("Scalars")),
            document=_document(file),
            columns=columns,
            origin=(x, y, z),
            framed=bool(steps),
        )


def _stored_shape(size: tuple[int, int, int]) -> tuple[int, ...]:
    """Return the shape in the file: VTK wants axes of size 1 left out.

    Only for width 1 it takes the full shape too, and ParaView 5.11 takes nothing else.
    """
    x, y, z = size
    if min(y, z) > 1:
        return z, y, x
    return tuple(length for length in (z, y, x) if length > 1) or (1,)


def _member(group: Any, name: str) -> Any:
    """Return a member of a group that lies in the same file: HDF5 can link to any other."""
    import h5py

    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise VolumeError(f"it is an HDF5 file without {name} in {group.name}")
    return group[name]


def _root(file: Any) -> Any:
    root = _member(file, "VTKHDF")
    kind = _text(root.attrs.get("Type"))
    if kind != "ImageData":
        raise VolumeError(f"it holds {kind}, not ImageData")
    return root


def _steps(root: Any) -> tuple[int]:
    """Return the number of time steps, in a tuple, if they lie one after another."""
    steps = _member(root, "Steps")
    count = int(steps.attrs["NSteps"]) if "NSteps" in steps.attrs else 0
    if count < 1:
        raise VolumeError("it does not say how many time steps it holds")
    for name in _member(steps, "PointDataOffsets") if "PointDataOffsets" in steps else ():
        offsets = _member(steps["PointDataOffsets"], name)
        if offsets.shape != (count,) or (offsets[()] != np.arange(count)).any():
            raise VolumeError(
                f"the time steps of its {name!r} do not lie one after another, which is not read"
            )
    return (count,)


def _arrays(points: Any, shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the data sets that hold one number a point, or a point and step, and hold it in this file."""
    import h5py

    members = {
        name: points[name] for name in points if isinstance(points.get(name, getlink=True), h5py.HardLink)
    }
    return {
        name: data
        for name, data in members.items()
        if isinstance(data, h5py.Dataset)
        and _long_axes(data.shape) == _long_axes(shape)
        and not (data.external or data.is_virtual)
    }


def _long_axes(shape: tuple[int, ...]) -> list[int]:
    return [length for length in shape if length > 1]


def _values(data: Any, shape: tuple[int, ...]) -> Any:
    check_compressed(math.prod(data.shape) * data.dtype.itemsize, data.id.get_storage_size())
    return data[()].reshape(shape)


def _document(file: Any) -> dict[str, Any] | None:
    if _DOCUMENT not in file:
        return None
    text = _member(file, _DOCUMENT)
    if text.shape != ():
        raise VolumeError(f"its {_DOCUMENT} is not one text")
    return sidecar.parse(text.asstr()[()])


def _text(value: Any) -> str | None:
    return value.decode("utf-8") if isinstance(value, bytes) else value


register(Format("VTKHDF", (".hdf", ".vtkhdf"), read, write, frames=True))
