"""Writing and reading back, for the tests of all formats."""

from __future__ import annotations

import contextlib
import dataclasses
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from converters import CnnVisWarning, Volume, format_of, read, write
from converters.volume import IDENTITY

EXTENSIONS = (
    ".nrrd",
    ".nhdr",
    ".nii",
    ".nii.gz",
    ".vox",
    ".hd",
    ".mha",
    ".mhd",
    ".vti",
    ".vtk",
    ".hdf",
    ".vtkhdf",
)
DTYPES = ("float32", "int16", "uint16", "uint8")
ROTATION = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])


def sample(shape: tuple[int, ...], direction: np.ndarray = ROTATION) -> Volume:
    """Return a volume of different values around zero, in an oblique frame, with all that a file can keep."""
    count = int(np.prod(shape))
    steps = np.random.default_rng(count).permutation(count).astype(np.float32)
    return Volume(
        (steps / 8 - count / 16 + 0.3).reshape(shape),
        spacing=(0.5, 1 / 3, 2.25),
        origin=(1 / 7, -20.5, 3e-9),
        direction=tuple(direction.ravel()),
        name="conv1 relu",
        labels=tuple(f"channel {7 * index}: x" for index in range(shape[0])),
        facts={"layer": 'a "b": \\n é', "order": [2, 0.5, None], "vector": {"origin": "scalars = 1"}},
    )


def plain(shape: tuple[int, ...]) -> Volume:
    """Return such a volume whose axes are those of space, which every format can keep."""
    return sample(shape, np.eye(3))


def expected_warning(volume: Volume, extension: str) -> AbstractContextManager[object]:
    """Return a context that demands the warning which the format owes for this volume, or none."""
    if extension == ".vtk" and volume.direction != IDENTITY:
        return pytest.warns(CnnVisWarning, match="direction")
    if extension in (".hdf", ".vtkhdf") and 1 in volume.size[1:]:
        return pytest.warns(CnnVisWarning, match="flat")
    return contextlib.nullcontext()


def written(folder: Path, volume: Volume, extension: str, dtype: str | None = None) -> Path:
    """Write a volume and return the path."""
    path = folder / f"volume{extension}"
    with expected_warning(volume, extension):
        write(volume, path, dtype)
    return path


def write_read(folder: Path, volume: Volume, extension: str, dtype: str | None = None) -> Volume:
    """Write a volume, check that it was left as it is, and read it back."""
    data, before = volume.data, dataclasses.replace(volume, data=volume.data.copy())
    path = written(folder, volume, extension, dtype)
    assert volume.data is data
    for field in dataclasses.fields(volume):
        np.testing.assert_equal(getattr(volume, field.name), getattr(before, field.name))
    return read(path)


def assert_same(found: Volume, volume: Volume, extension: str) -> None:
    """Check that what was read is what was written, as exactly as the format allows."""
    assert found.encoding is not None
    assert found.data.shape == volume.data.shape
    if found.encoding.dtype == "float32":
        np.testing.assert_array_equal(found.data, volume.data)
    else:
        # half a step, a hundredth of one for the rounding of the slope, and float32's own rounding
        tolerance = 0.51 * found.encoding.slope + np.spacing(np.abs(volume.data).max())
        np.testing.assert_allclose(found.data, volume.data, rtol=0, atol=tolerance)
    assert (found.name, found.labels, dict(found.facts)) == (volume.name, volume.labels, dict(volume.facts))
    # NIfTI-1 stores its affine as float32
    relative = 1e-6 if format_of(f"a{extension}").name == "NIfTI-1" else 1e-14
    np.testing.assert_allclose(found.spacing, volume.spacing, rtol=relative)
    np.testing.assert_allclose(found.origin, volume.origin, rtol=relative, atol=relative)
    direction = IDENTITY if extension == ".vtk" else volume.direction
    np.testing.assert_allclose(found.direction, direction, rtol=0, atol=relative)
