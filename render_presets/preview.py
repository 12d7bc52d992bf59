"""A picture of a volume: volume rendering where OpenGL is found, else a plain projection."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from converters.errors import CnnVisWarning
from converters.volume import Volume

from . import offscreen
from .camera import camera, corners, extent
from .drawing import BACKGROUND, OUTLINE, STRIP, add_strip, check_frames
from .errors import PresetError
from .projection import project
from .transfer import Fitted

if TYPE_CHECKING:
    from PIL.Image import Image

PATIENCE = 300
"""Seconds that a picture may take; a software renderer needs a few."""

_AXIS = 1024
"""Voxels along an axis that every OpenGL takes in a 3-D texture."""

_HEADROOM = 16.0
"""How far values may lie beyond the range of the transfer function, in lengths of it.

Viewers interpolate between the values of a file, however high: next to a very high one, most of the way to
a low neighbour is above the range. Values cut at its end would make all that is bright thinner and darker.
Beyond 16 lengths, less than 6 % of the way is left for the range, and VTK's table, which spans all values,
gets coarse.
"""

_SAMPLES = 512
_SMALLEST, _LARGEST = (200, 150), 4096
_ADVICE = "VTK needs an OpenGL library, on Debian and Ubuntu: apt install libegl1 libgl1-mesa-dri"


def render(
    volume: Volume,
    fitted: Fitted,
    size: tuple[int, int] = (800, 600),
    legend: bool = True,
    outline: bool = True,
) -> Image:
    """Draw a volume, upright and a little from the right and from above.

    Parameters
    ----------
    volume : Volume
        Of three axes. NaN and infinite values are transparent; the legend tells how many there are.
    fitted : Fitted
        The transfer function, fitted to this volume.
    size : tuple of int
        Width and height of the whole picture in pixels.
    legend : bool
        Whether a strip at the bottom tells source, size, range and colours.
    outline : bool
        Whether the edges of the volume's box are drawn; a projection has them always.

    Returns
    -------
    PIL.Image.Image
        RGB.

    Warns
    -----
    CnnVisWarning
        If VTK cannot draw here, so that the picture is a projection; the message tells what is missing.

    Raises
    ------
    PresetError
        If the volume has frames, or the size is below 200 x 150 or above 4096 x 4096.
    """
    from PIL import Image

    check_frames(volume)
    if not (_SMALLEST[0] <= size[0] <= _LARGEST and _SMALLEST[1] <= size[1] <= _LARGEST):
        least = " x ".join(map(str, _SMALLEST))
        raise PresetError(
            f"a picture has {least} to {_LARGEST} x {_LARGEST} pixels, not {size[0]} x {size[1]}"
        )
    inner = (size[0], size[1] - STRIP) if legend else size
    try:
        picture = Image.fromarray(_by_vtk(_solid(volume, fitted), fitted, inner, outline))
    except _NoPictureError as reason:
        warnings.warn(f"a plain projection instead of a 3-D picture: {reason}", CnnVisWarning, stacklevel=2)
        picture = project(volume, fitted, inner)
    return add_strip(picture, volume, fitted) if legend else picture


class _NoPictureError(Exception):
    """VTK did not draw; says why."""


def _by_vtk(volume: Volume, fitted: Fitted, size: tuple[int, int], outline: bool) -> NDArray[np.uint8]:
    """Return the picture, shape (height, width, 3), that a child process draws of a finite volume."""
    with tempfile.TemporaryDirectory(prefix="cnnvis-") as name:
        folder = Path(name)
        np.save(folder / "values.npy", volume.data)
        (folder / "scene.json").write_text(
            json.dumps(_scene(volume, fitted, size, outline)), encoding="utf-8"
        )
        try:
            done = subprocess.run(
                [sys.executable, "-P", offscreen.__file__, name],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise _NoPictureError(f"VTK was not done after {PATIENCE} seconds") from error
        if done.returncode != 0 or not (folder / "picture.npy").is_file():
            raise _NoPictureError(_reason(done.returncode, done.stderr.decode(errors="replace")))
        picture: NDArray[np.uint8] = np.load(folder / "picture.npy", allow_pickle=False)
        return picture


def _reason(code: int, stderr: str) -> str:
    # VTK looks for OSMesa when it has found neither X nor EGL, and says so
    if "OSMesa" in stderr:
        return _ADVICE
    last = "".join(stderr.strip().splitlines()[-1:])
    return f"VTK ended with code {code} {last}".strip()


def _scene(volume: Volume, fitted: Fitted, size: tuple[int, int], outline: bool) -> dict[str, object]:
    return {
        "size": size,
        "background": BACKGROUND,
        "line": OUTLINE,
        "spacing": volume.spacing,
        "origin": volume.origin,
        "direction": volume.direction,
        "corners": _around(corners(volume)) if outline else None,
        "camera": asdict(camera(volume, size[0] / size[1])),
        "colors": fitted.colors,
        "opacities": fitted.opacities,
        "unit": fitted.unit,
        "interpolate": fitted.interpolate,
        "sample_distance": sample_distance(volume),
    }


def _around(points: NDArray[np.float64]) -> list[list[float]]:
    """Return the corners moved out a little, so that the volume does not swallow the lines between them."""
    center = points.mean(axis=0)
    box: list[list[float]] = (center + 1.004 * (points - center)).tolist()
    return box


def sample_distance(volume: Volume) -> float:
    """Return the distance at which rays take samples: half a voxel, or a 512th of the box's diagonal."""
    diagonal = float(np.linalg.norm(extent(volume)))
    return max(min(volume.spacing) / 2, diagonal / _SAMPLES)


def _solid(volume: Volume, fitted: Fitted) -> Volume:
    """Return the volume as OpenGL takes it: all finite, neither flat nor too long along any axis."""
    # an outlier must not weigh on the neighbours that it is averaged with
    headroom = 0.0 if max(volume.size) > _AXIS else _HEADROOM
    return _thickened(_shrunk(volume.replace(data=fitted.shown(volume.data, headroom), labels=())))


def _shrunk(volume: Volume) -> Volume:
    """Return the volume with neighbours averaged along axes that are longer than a texture can be."""
    for axis, count in enumerate(volume.data.shape):
        factor = -(-count // _AXIS)
        if factor > 1:
            volume = _averaged(volume, axis, factor)
    return volume


def _averaged(volume: Volume, axis: int, factor: int) -> Volume:
    starts = np.arange(0, volume.data.shape[axis], factor)
    counts = np.diff(np.append(starts, volume.data.shape[axis]))
    shape = [-1 if a == axis else 1 for a in range(3)]
    data = np.add.reduceat(volume.data, starts, axis) / counts.reshape(shape).astype(np.float32)
    spacing, at = list(volume.spacing), np.zeros(3)
    spacing[2 - axis] *= factor
    at[2 - axis] = (factor - 1) / 2
    origin = volume.origin + volume.affine[:3, :3] @ at
    return volume.replace(data=data, spacing=spacing, origin=origin, labels=())


def _thickened(volume: Volume) -> Volume:
    """Return the volume with a single voxel along an axis made into two that fill the same space."""
    counts = np.array(volume.size)
    flat = counts == 1
    data = volume.data
    for axis in np.flatnonzero(flat[::-1]):
        data = np.repeat(data, 2, axis=axis)
    origin = volume.origin - volume.affine[:3, :3] @ (flat / 2)
    return volume.replace(data=data, origin=origin, labels=())
