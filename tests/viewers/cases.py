"""The files that every viewer opens: each format, data type and shape, and upstream's conv1."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters import DTYPES, Volume, write
from tests.helpers import goldens

SPACING = (0.5, 1.25, 2.0)
ORIGIN = (-3.5, 10.0, 20.25)
ROTATION = (0.8, -0.48, 0.36, 0.6, 0.64, -0.48, 0.0, 0.6, 0.8)
"""Two turns by the angle of the 3-4-5 triangle: no axis stays in its place."""

SHAPES = {
    "5x7x11": (5, 7, 11),
    # up to a width of 9, VTK's reader takes the first axis of a NRRD file for vectors
    **{f"width-{width}": (5, 6, width) for width in (1, 7, 9, 10)},
    "flat": (1, 6, 10),
    "low": (5, 1, 11),
    "real": (32, 112, 112),
}
"""Axes z, y, x."""


@dataclass(frozen=True)
class Form:
    """A format as it is written, and which of the written files a viewer is to open.

    Parameters
    ----------
    written : str
        The extension that goes to `converters.write`.
    headers : tuple of str
        Further headers over the same binary.
    directed : bool
        Whether the format has room for a direction.
    """

    written: str
    headers: tuple[str, ...] = ()
    directed: bool = True

    @property
    def opened(self) -> str:
        """The extension of what the viewer opens."""
        return f".{self.headers[0]}" if self.headers else self.written


FORMS = {
    "nrrd": Form(".nrrd"),
    "nhdr": Form(".nhdr"),
    "mhd": Form(".mhd"),
    "mha": Form(".mha"),
    "nii": Form(".nii"),
    "nii.gz": Form(".nii.gz"),
    "vti": Form(".vti"),
    "vtk": Form(".vtk", directed=False),
    "hdf": Form(".hdf"),
    "vox+mhd": Form(".vox", ("mhd",)),
    "vox+nhdr": Form(".vox", ("nhdr",)),
}


@dataclass(frozen=True)
class Case:
    """One file: a format, a stored type and a shape."""

    form: str
    dtype: str
    shape: str

    def __str__(self) -> str:
        return f"{self.form}-{self.dtype}-{self.shape}"


@dataclass(frozen=True)
class Written:
    """A file and what must be found in it.

    Parameters
    ----------
    path : Path
        What a viewer opens.
    volume : Volume
        What was written.
    slope, intercept : float
        The value scale that the side-car records.
    """

    path: Path
    volume: Volume
    slope: float
    intercept: float


def cases(*forms: str) -> list[Case]:
    """Return all types and shapes of formats."""
    return [Case(*parts) for parts in itertools.product(forms, DTYPES, SHAPES)]


@cache
def volume(shape: str, directed: bool = True) -> Volume:
    """Return a volume whose voxels all differ, in no order; integer types need a scale for it."""
    size = SHAPES[shape]
    count = int(np.prod(size))
    values = 0.0371 * np.random.default_rng(count).permutation(count).reshape(size)
    direction = ROTATION if directed else (1, 0, 0, 0, 1, 0, 0, 0, 1)
    return Volume((values - 0.4 * values.max()).astype(np.float32), SPACING, ORIGIN, direction, "activation")


@cache
def sequence() -> Volume:
    """Return three frames of 5 x 7 x 11, each with a name."""
    values = np.random.default_rng(3).normal(size=(3, 5, 7, 11)).astype(np.float32)
    return Volume(values, SPACING, ORIGIN, name="gradient", labels=("persian", "pembroke", "chihuahua"))


@cache
def golden() -> Volume:
    """Return upstream's conv1: 0..255, (96, 55, 55)."""
    return Volume(np.load(goldens() / "caffenet_conv1_cat.npy", allow_pickle=False), name="conv1")


def write_case(case: Case, folder: Path) -> Written:
    """Write the file of a case, in its own folder: Slicer stacks flat files that a number tells apart."""
    own = folder / str(case)
    own.mkdir()
    return write_volume(volume(case.shape, FORMS[case.form].directed), case.form, own / "volume", case.dtype)


def write_volume(source: Volume, form: str, stem: Path, dtype: str | None = None) -> Written:
    """Write any volume in a format of `FORMS`."""
    path = stem.with_name(stem.name + FORMS[form].written)
    *_, sidecar = write(source, path, dtype, FORMS[form].headers)
    scale = json.loads(sidecar.read_text(encoding="utf-8"))["encoding"]
    opened = stem.with_name(stem.name + FORMS[form].opened)
    return Written(opened, source, scale["slope"], scale["intercept"])


def assert_stored(written: Written, stored: NDArray[Any], dtype: str) -> None:
    """Check numbers that a viewer read, not scaled, against the source: every voxel, and the type."""
    assert stored.dtype.name == dtype
    assert stored.shape == written.volume.data.shape
    assert_values(written, stored * np.float64(written.slope) + written.intercept, dtype)


def assert_values(written: Written, values: NDArray[Any], dtype: str) -> None:
    """Check values that a viewer shows against the source: every voxel."""
    if dtype == "float32":
        np.testing.assert_array_equal(values, written.volume.data)
        return
    span = float(np.ptp(written.volume.data))
    # half a step of the integers, and the rounding of a float32 somewhere on the way
    np.testing.assert_allclose(values, written.volume.data, rtol=0, atol=written.slope / 2 + 2e-7 * span)
