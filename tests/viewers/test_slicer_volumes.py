"""3D Slicer opens our files: place in space and every value."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.helpers import goldens

from . import slicer
from .cases import (
    ORIGIN,
    ROTATION,
    SPACING,
    Case,
    Written,
    assert_stored,
    assert_values,
    cases,
    golden,
    sequence,
    write_volume,
)
from .processes import Answer, Job

pytestmark = pytest.mark.viewer

STORED = ("nrrd", "nhdr", "mhd", "mha")
SCALED = ("nii", "nii.gz")
OPENED = cases(*STORED, *SCALED, "vox+mhd", "vox+nhdr")
FRAMED = ("nrrd", "nhdr", "nii", "nii.gz")

NUMBERS = ("12", "3.0001", "3.0002")
"""Frames that Slicer would sort, and two that it would take for one, if their index were numeric."""

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])

Opened = dict[str, Answer]
Files = Callable[[Case], Written]


@pytest.fixture(scope="module")
def answers(written: Files, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    jobs = {str(case): Job("volume", {"path": str(written(case).path)}) for case in OPENED}
    return slicer.drive(jobs, tmp_path_factory.mktemp("slicer"))


@pytest.mark.parametrize("case", OPENED, ids=str)
def test_values(case: Case, written: Files, answers: Opened) -> None:
    answer = answers[str(case)]
    assert (answer["kind"], answer["components"]) == ("vtkMRMLScalarVolumeNode", 1)
    check = assert_values if case.form in SCALED else assert_stored
    check(written(case), answer["values"], case.dtype)


@pytest.mark.parametrize("case", OPENED, ids=str)
def test_place(case: Case, written: Files, answers: Opened) -> None:
    answer = answers[str(case)]
    assert tuple(answer["size"]) == written(case).volume.size
    by_hand = np.eye(4)
    by_hand[:3, :3] = np.reshape(ROTATION, (3, 3)) * SPACING
    by_hand[:3, 3] = ORIGIN
    # NIfTI holds the matrix as float32
    np.testing.assert_allclose(
        answer["affine"], LPS_TO_RAS @ by_hand, atol=1e-6 if case.form in SCALED else 1e-12
    )


@pytest.mark.parametrize("case", OPENED, ids=str)
def test_it_does_not_complain(case: Case, answers: Opened) -> None:
    assert answers[str(case)].said.strip() == ""


@pytest.fixture(scope="module")
def further(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Written], Opened]:
    """Return upstream's conv1 and sequences, with what Slicer found in them."""
    folder = tmp_path_factory.mktemp("slicer")
    files = {
        form: write_volume(golden(), form, folder / form)
        for form in (*STORED, *SCALED, "vox+mhd", "vox+nhdr")
    }
    jobs = {form: Job("volume", {"path": str(file.path)}) for form, file in files.items()}
    frames = {f"{form} frames": write_volume(sequence(), form, folder / f"{form}-frames") for form in FRAMED}
    frames["numbered frames"] = write_volume(sequence().replace(labels=NUMBERS), "nrrd", folder / "numbered")
    jobs |= {name: Job("sequence", {"path": str(file.path)}) for name, file in frames.items()}
    return files | frames, slicer.drive(jobs, tmp_path_factory.mktemp("jobs"))


@pytest.mark.parametrize("form", [*STORED, *SCALED])
def test_upstreams_conv1(form: str, further: tuple[dict[str, Written], Opened]) -> None:
    files, answers = further
    assert_stored(files[form], answers[form]["values"], "float32")


@pytest.mark.parametrize("form", ["vox+mhd", "vox+nhdr"])
def test_upstreams_conv1_as_bytes(form: str, further: tuple[dict[str, Written], Opened]) -> None:
    _, answers = further
    upstream = np.fromfile(goldens() / "L1_conv1.vox", np.uint8).reshape(96, 55, 55)
    np.testing.assert_array_equal(answers[form]["values"], upstream)


@pytest.mark.parametrize("form", [*FRAMED, "numbered"])
def test_frames_are_a_sequence(form: str, further: tuple[dict[str, Written], Opened]) -> None:
    files, answers = further
    source, answer = files[f"{form} frames"].volume, answers[f"{form} frames"]
    assert answer["frames"] == 3
    for frame, values in enumerate(source.data):
        np.testing.assert_array_equal(answer[f"values {frame}"], values)
        np.testing.assert_allclose(answer[f"affine {frame}"], LPS_TO_RAS @ source.affine, atol=1e-6)


@pytest.mark.parametrize("form", ["nrrd", "nhdr", "numbered"])
def test_the_frames_of_a_sequence_have_their_names(
    form: str, further: tuple[dict[str, Written], Opened]
) -> None:
    files, answers = further
    answer = answers[f"{form} frames"]
    assert (answer["index type"], answer["index"]) == ("text", list(files[f"{form} frames"].volume.labels))
