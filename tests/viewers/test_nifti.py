"""nibabel and nifti_tool read our NIfTI files."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.helpers import require

from .cases import (
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

OPENED = cases("nii", "nii.gz")

Files = Callable[[Case], Written]


@pytest.mark.parametrize("case", OPENED, ids=str)
def test_values(case: Case, written: Files) -> None:
    import nibabel

    image = nibabel.load(written(case).path)
    assert_values(written(case), image.get_fdata().T, case.dtype)
    assert_stored(written(case), np.asarray(image.dataobj.get_unscaled()).T, case.dtype)


@pytest.mark.parametrize("case", OPENED, ids=str)
def test_place_is_in_both_forms(case: Case, written: Files) -> None:
    import nibabel

    header = nibabel.load(written(case).path).header
    by_hand = np.eye(4)
    by_hand[:3, :3] = np.diag([-1, -1, 1]) @ np.reshape(ROTATION, (3, 3)) * SPACING
    by_hand[:3, 3] = np.multiply([-1, -1, 1], ORIGIN)
    for affine, code in (header.get_sform(coded=True), header.get_qform(coded=True)):
        assert code > 0
        # float32, and a rotation as a quaternion
        np.testing.assert_allclose(affine, by_hand, atol=2e-6)


@pytest.mark.parametrize("form", ["nii", "nii.gz"])
def test_frames(form: str, tmp_path: Path) -> None:
    import nibabel

    file = write_volume(sequence(), form, tmp_path / "volume")
    np.testing.assert_array_equal(nibabel.load(file.path).get_fdata().T, file.volume.data)
    _check_by_nifti_tool(file)


@pytest.mark.parametrize("case", OPENED, ids=str)
def test_nifti_tool_finds_the_header_good(case: Case, written: Files) -> None:
    _check_by_nifti_tool(written(case))


def _check_by_nifti_tool(file: Written) -> None:
    require(shutil.which("nifti_tool"), "nifti_tool (Debian: nifti-bin)")
    done = subprocess.run(
        ["nifti_tool", "-check_hdr", "-check_nim", "-infiles", file.path],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [" IS GOOD " in line for line in done.stdout.splitlines()] == [True, True], done.stdout
    assert done.stderr == ""
