"""ITK reads our files: place in space and every value."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .cases import (
    FORMS,
    ORIGIN,
    ROTATION,
    SPACING,
    Case,
    Written,
    assert_stored,
    assert_values,
    cases,
    sequence,
    write_volume,
)

pytestmark = pytest.mark.viewer

SCALED = ("nii", "nii.gz")
OPENED = [
    case
    for case in cases("nrrd", "nhdr", "mhd", "mha", "vox+mhd", "vox+nhdr", "vtk", *SCALED)
    # ITK makes pictures of two axes of these
    if (case.form, case.shape) != ("vtk", "flat")
]

Files = Callable[[Case], Written]


@pytest.mark.parametrize("case", OPENED, ids=str)
def test_values(case: Case, written: Files) -> None:
    import SimpleITK

    values = SimpleITK.GetArrayFromImage(_read(written(case)))
    check = assert_values if case.form in SCALED else assert_stored
    check(written(case), values, case.dtype)


@pytest.mark.parametrize("case", OPENED, ids=str)
def test_geometry(case: Case, written: Files) -> None:
    image = _read(written(case))
    # NIfTI holds float32, and a rotation as a quaternion
    tolerance = 1e-6 if case.form in SCALED else 1e-12
    np.testing.assert_allclose(image.GetSpacing(), SPACING, rtol=tolerance)
    np.testing.assert_allclose(image.GetOrigin(), ORIGIN, rtol=tolerance)
    expected = ROTATION if FORMS[case.form].directed else np.eye(3).ravel()
    np.testing.assert_allclose(image.GetDirection(), expected, atol=tolerance)


@pytest.mark.parametrize("form", SCALED)
def test_frames(form: str, tmp_path: Path) -> None:
    import SimpleITK

    file = write_volume(sequence(), form, tmp_path / "volume")
    image = _read(file)
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), file.volume.data)
    np.testing.assert_allclose(image.GetSpacing()[:3], SPACING, rtol=1e-6)
    np.testing.assert_allclose(image.GetOrigin()[:3], ORIGIN, rtol=1e-6)


def test_frames_of_a_nrrd_file_are_components(tmp_path: Path) -> None:
    import SimpleITK

    file = write_volume(sequence(), "nrrd", tmp_path / "volume")
    image = _read(file)
    np.testing.assert_array_equal(np.moveaxis(SimpleITK.GetArrayFromImage(image), -1, 0), file.volume.data)
    np.testing.assert_allclose(image.GetOrigin(), ORIGIN, rtol=1e-12)


def _read(file: Written) -> Any:
    import SimpleITK

    return SimpleITK.ReadImage(str(file.path))
