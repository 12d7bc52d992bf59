"""Series in the viewers: steps and values in ParaView, frames and their names in 3D Slicer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from converters import DTYPES, Encoding, Volume, series
from converters.layouts import lay_out_kernels
from tests.helpers import goldens

from . import paraview, slicer
from .cases import ORIGIN, ROTATION, SPACING
from .processes import Answer, Job

pytestmark = pytest.mark.viewer

LABELS = ("persian.jpg", "a pembroke & co.png", "50% é.jpg")
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
CASES = [*(("5x7x11", dtype) for dtype in DTYPES), ("upstream", "float32")]

Opened = Callable[[str], dict[str, Answer]]


@dataclass(frozen=True)
class Source:
    """A series to write, and its values, shape (frame, z, y, x)."""

    series: series.Series
    values: NDArray[np.float32]

    def stored(self, dtype: str) -> Any:
        """Return what is stored, on one scale."""
        return Encoding.fit(self.values, dtype).encode(self.values)


def _source(name: str) -> Source:
    if name == "upstream":
        dogs = ("persian", "pembroke", "chihuahua")
        arrays = [np.load(goldens() / f"gradient_conv1_{dog}.npy", allow_pickle=False) for dog in dogs]
        volumes = [lay_out_kernels(array)[0].replace(name="gradient") for array in arrays]
    else:
        values = np.random.default_rng(6).normal(size=(3, 5, 7, 11)) * [[[[1]]], [[[-3]]], [[[2]]]]
        volumes = [Volume(frame, SPACING, ORIGIN, ROTATION, "gradient") for frame in values]
    paths = [f"{letter}.nrrd" for letter in "abc"]
    return Source(series.gather(volumes, paths, LABELS), np.stack([volume.data for volume in volumes]))


def _written(folder: Path, case: tuple[str, str], extension: str) -> str:
    name, dtype = case
    path = folder / f"{name}-{dtype}{extension}"
    series.write(_source(name).series, path, dtype)
    return str(path)


@pytest.fixture(scope="module")
def in_paraview(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """Return the function that gives what ParaView finds in all files of a source."""

    @cache
    def opened(name: str) -> dict[str, Answer]:
        folder = tmp_path_factory.mktemp("series")
        jobs = {}
        for case in (case for case in CASES if case[0] == name):
            for extension in (".pvd", ".vti.series"):
                jobs[f"{extension} {case}"] = Job("steps", {"path": _written(folder, case, extension)})
            jobs[f"nrrd {case}"] = Job("components", {"path": _written(folder, case, ".seq.nrrd")})
        return paraview.drive(jobs, tmp_path_factory.mktemp("paraview"))

    return opened


@pytest.fixture(scope="module")
def in_slicer(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """Return the function that gives what Slicer finds in all files of a source."""

    @cache
    def opened(name: str) -> dict[str, Answer]:
        folder = tmp_path_factory.mktemp("series")
        cases = [case for case in CASES if case[0] == name]
        jobs = {str(case): Job("sequence", {"path": _written(folder, case, ".seq.nrrd")}) for case in cases}
        return slicer.drive(jobs, tmp_path_factory.mktemp("slicer"))

    return opened


@pytest.mark.parametrize("extension", [".pvd", ".vti.series"])
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_paraview_plays_a_list(case: tuple[str, str], extension: str, in_paraview: Opened) -> None:
    name, dtype = case
    answer = in_paraview(name)[f"{extension} {case}"]
    source = _source(name)
    assert (answer["times"], answer["name"]) == ([0, 1, 2], "gradient")
    assert answer["values"].dtype == dtype
    np.testing.assert_array_equal(answer["values"], source.stored(dtype))
    np.testing.assert_allclose(answer["affine"], [source.series.origin, source.series.spacing], rtol=1e-12)
    assert answer.said.strip() == ""


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_paraview_shows_the_frames_of_a_sequence_as_components(
    case: tuple[str, str], in_paraview: Opened
) -> None:
    name, dtype = case
    answer = in_paraview(name)[f"nrrd {case}"]
    np.testing.assert_array_equal(answer["values"], _source(name).stored(dtype))


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_slicer_opens_a_sequence(case: tuple[str, str], in_slicer: Opened) -> None:
    name, dtype = case
    answer = in_slicer(name)[str(case)]
    source = _source(name)
    assert (answer["frames"], answer["index type"]) == (3, "text")
    assert answer["index"] == list(LABELS)
    for frame, stored in enumerate(source.stored(dtype)):
        assert answer[f"kind {frame}"] == "vtkMRMLScalarVolumeNode"
        assert answer[f"values {frame}"].dtype == dtype
        np.testing.assert_array_equal(answer[f"values {frame}"], stored)
        np.testing.assert_allclose(answer[f"affine {frame}"], LPS_TO_RAS @ source.series.affine, atol=1e-12)
    assert answer.said.strip() == ""
