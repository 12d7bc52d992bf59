"""ParaView opens our files: geometry and every value."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.helpers import goldens

from . import paraview
from .cases import ORIGIN, SPACING, Case, Written, assert_stored, cases, golden, sequence, write_volume
from .processes import Answer, Job

pytestmark = pytest.mark.viewer

FORMATS = ("nrrd", "nhdr", "mhd", "mha", "vti", "vtk", "hdf")
# flat VTKHDF crashes ParaView 5.11, and `write` says so
OPENED = [
    case
    for case in cases(*FORMATS, "vox+mhd", "vox+nhdr")
    if case.form != "hdf" or case.shape not in ("flat", "low")
]
FRAMED = ("vti", "vtk", "hdf")
# what ParaView 5.11 takes directions from; its readers for NRRD and MetaImage leave them out
DIRECTED = ("vti", "hdf")
IDENTITY = np.eye(3).ravel()

Opened = dict[str, Answer]
Files = Callable[[Case], Written]


@pytest.fixture(scope="module")
def answers(written: Files, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    jobs = {str(case): Job("open", {"path": str(written(case).path)}) for case in OPENED}
    return paraview.drive(jobs, tmp_path_factory.mktemp("paraview"))


@pytest.mark.parametrize("case", OPENED, ids=str)
def test_values(case: Case, written: Files, answers: Opened) -> None:
    answer = answers[str(case)]
    assert answer["components"] == [1]
    assert_stored(written(case), answer["values"][0], case.dtype)


@pytest.mark.parametrize("case", OPENED, ids=str)
def test_geometry(case: Case, written: Files, answers: Opened) -> None:
    answer = answers[str(case)]
    assert tuple(answer["size"]) == written(case).volume.size
    np.testing.assert_allclose(answer["spacing"], SPACING, rtol=1e-12)
    np.testing.assert_allclose(answer["origin"], ORIGIN, rtol=1e-12)
    expected = written(case).volume.direction if case.form in DIRECTED else IDENTITY
    np.testing.assert_allclose(answer["direction"], expected, atol=1e-12)


@pytest.mark.parametrize("case", OPENED, ids=str)
def test_it_does_not_complain(case: Case, answers: Opened) -> None:
    assert answers[str(case)].said.strip() == ""


@pytest.mark.parametrize("form", FRAMED)
def test_the_array_has_the_volumes_name(form: str, answers: Opened) -> None:
    assert answers[f"{form}-float32-5x7x11"]["names"] == ["activation"]


@pytest.fixture(scope="module")
def further(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Written], Opened]:
    """Return upstream's conv1 in every format, and sequences, with what ParaView found in them."""
    folder = tmp_path_factory.mktemp("paraview")
    goldens()
    files = {form: write_volume(golden(), form, folder / form) for form in (*FORMATS, "vox+mhd")}
    files |= {f"{form} frames": write_volume(sequence(), form, folder / f"{form}-frames") for form in FRAMED}
    files["nrrd frames"] = write_volume(sequence(), "nrrd", folder / "nrrd-frames")
    jobs = {name: Job("open", {"path": str(file.path)}) for name, file in files.items()}
    return files, paraview.drive(jobs, tmp_path_factory.mktemp("jobs"))


@pytest.mark.parametrize("form", FORMATS)
def test_upstreams_conv1(form: str, further: tuple[dict[str, Written], Opened]) -> None:
    files, answers = further
    assert_stored(files[form], answers[form]["values"][0], "float32")


def test_upstreams_conv1_as_bytes(further: tuple[dict[str, Written], Opened]) -> None:
    _, answers = further
    upstream = np.fromfile(goldens() / "L1_conv1.vox", np.uint8).reshape(96, 55, 55)
    np.testing.assert_array_equal(answers["vox+mhd"]["values"][0], upstream)


@pytest.mark.parametrize("form", FRAMED)
def test_frames_are_arrays(form: str, further: tuple[dict[str, Written], Opened]) -> None:
    files, answers = further
    source, answer = files[f"{form} frames"].volume, answers[f"{form} frames"]
    # HDF5 lists them by the alphabet
    arrays = dict(zip(answer["names"], answer["values"], strict=True))
    assert set(arrays) == set(source.labels)
    np.testing.assert_array_equal([arrays[label] for label in source.labels], source.data)
    # its VTKHDF reader makes no array the active one
    assert answer["active"] == (None if form == "hdf" else source.labels[0])


def test_of_a_nrrd_sequence_it_shows_the_first_frame(further: tuple[dict[str, Written], Opened]) -> None:
    files, answers = further
    answer = answers["nrrd frames"]
    np.testing.assert_array_equal(answer["values"][0], files["nrrd frames"].volume.data[0])
    np.testing.assert_allclose(answer["spacing"], SPACING, rtol=1e-12)
