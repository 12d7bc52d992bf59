"""The parent of `offscreen`: a process that draws one picture after another by VTK."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import asdict
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from converters.volume import Volume

from . import offscreen
from .camera import Camera, corners, extent
from .texture import leveled, levels, solid
from .theme import Theme, fractions
from .transfer import Fitted

PATIENCE = 300
"""Seconds that a volume or a picture may take; a software renderer needs a few."""

_SAMPLES = 512

_MANY, _FEWER_RAYS = 2**26, 1.5
"""From how many voxels on rays are so many rendered pixels apart, which saves half of the time."""

_ADVICE = "VTK needs an OpenGL library, on Debian and Ubuntu: apt install libegl1 libgl1-mesa-dri"


class NoPictureError(Exception):
    """VTK did not draw; says why."""


class Painter:
    """Draws volumes that share a transfer function; a context manager, which ends the process.

    The process is given one volume at a time, as 16-bit levels and block by block, and draws it from any
    number of places.

    Parameters
    ----------
    fitted : Fitted
        The transfer function.
    size : tuple of int
        Width and height of the pictures.
    theme : Theme
        Colours of background and box.
    outline : bool
        Whether the box is drawn.
    """

    def __init__(self, fitted: Fitted, size: tuple[int, int], theme: Theme, outline: bool = True) -> None:
        self._fitted = fitted
        self._size = size
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._child = subprocess.Popen(
            [sys.executable, "-P", offscreen.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self._unsent: list[dict[str, Any]] = [_stage(leveled(fitted), size, theme, outline)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        for pipe in (self._child.stdin, self._child.stdout):
            # what waits in a buffer cannot be written any more
            with contextlib.suppress(OSError):
                _open(pipe).close()
        self._child.wait()
        self._errors.close()

    def show(self, volume: Volume) -> None:
        """Put a volume in place of the one before.

        Raises
        ------
        NoPictureError
            If the process has ended, or takes too long.
        """
        volume = solid(volume, self._fitted)
        with self._watched():
            while self._unsent:
                self._send(self._unsent.pop())
            self._send(_place(volume))
            for block in levels(volume.data, self._fitted):
                _open(self._child.stdin).write(block.data)

    def draw(self, camera: Camera) -> NDArray[np.uint8]:
        """Return the picture that a camera has of the volume, shape (height, width, 3).

        Raises
        ------
        NoPictureError
            If the process ends, or takes too long.
        """
        width, height = self._size
        with self._watched():
            self._send(asdict(camera))
            pixels = _open(self._child.stdout).read(3 * width * height)
            if len(pixels) < 3 * width * height:
                raise BrokenPipeError
        return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)

    def _send(self, message: dict[str, Any]) -> None:
        pipe = _open(self._child.stdin)
        pipe.write(json.dumps(message).encode("ascii") + b"\n")
        pipe.flush()

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self._child.kill()

        timer = threading.Timer(PATIENCE, give_up)
        timer.start()
        try:
            yield
        except OSError as error:
            if late.is_set():
                raise NoPictureError(f"VTK was not done after {PATIENCE} seconds") from error
            raise NoPictureError(self._reason()) from error
        finally:
            timer.cancel()

    def _reason(self) -> str:
        code = self._child.wait()
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace")
        # VTK looks for OSMesa when it has found neither X nor EGL, and says so
        if "OSMesa" in said:
            return _ADVICE
        last = "".join(said.strip().splitlines()[-1:])
        return f"VTK ended with code {code} {last}".strip()


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def sample_distance(volume: Volume) -> float:
    """Return the distance at which rays take samples: half a voxel, or a 512th of the box's diagonal."""
    diagonal = float(np.linalg.norm(extent(volume)))
    return max(min(volume.spacing) / 2, diagonal / _SAMPLES)


def _stage(fitted: Fitted, size: tuple[int, int], theme: Theme, outline: bool) -> dict[str, Any]:
    return {
        "size": size,
        "background": fractions(theme.paper),
        "line": fractions(theme.outline),
        "outline": outline,
        "colors": fitted.colors,
        "opacities": fitted.opacities,
        "unit": fitted.unit,
        "interpolate": fitted.interpolate,
    }


def _place(volume: Volume) -> dict[str, Any]:
    return {
        "shape": volume.data.shape,
        "spacing": volume.spacing,
        "origin": volume.origin,
        "direction": volume.direction,
        "corners": _around(corners(volume)),
        "sample_distance": sample_distance(volume),
        "ray_distance": _FEWER_RAYS if volume.data.size > _MANY else 1.0,
    }


def _around(points: NDArray[np.float64]) -> list[list[float]]:
    """Return the corners moved out a little, so that the volume does not swallow the lines between them."""
    center = points.mean(axis=0)
    box: list[list[float]] = (center + 1.004 * (points - center)).tolist()
    return box
