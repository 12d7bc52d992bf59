"""Teem's own `unu`, the reference reader of NRRD, reads our files: place in space and every value."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.helpers import require

from .cases import (
    ORIGIN,
    ROTATION,
    SPACING,
    Case,
    Written,
    assert_stored,
    cases,
    golden,
    sequence,
    write_volume,
)

pytestmark = pytest.mark.viewer

OPENED = cases("nrrd", "nhdr", "vox+nhdr")
DTYPES = {"float": "f4", "short": "i2", "unsigned short": "u2", "unsigned char": "u1"}

Files = Callable[[Case], Written]


@dataclass(frozen=True)
class Understood:
    """A file as `unu` writes it again: its fields, and data of shape `sizes`, reversed."""

    fields: Mapping[str, str]
    data: NDArray[Any]


@pytest.mark.parametrize("case", OPENED, ids=str)
def test_values(case: Case, written: Files, tmp_path: Path) -> None:
    data = _by_unu(written(case).path, tmp_path).data
    assert_stored(written(case), data.reshape(data.shape[:3]), case.dtype)


@pytest.mark.parametrize("case", OPENED, ids=str)
def test_geometry(case: Case, written: Files, tmp_path: Path) -> None:
    _check_place(_by_unu(written(case).path, tmp_path).fields, np.reshape(ROTATION, (3, 3)))


@pytest.mark.parametrize("case", cases("nrrd"), ids=str)
def test_least_and_greatest(case: Case, written: Files) -> None:
    said = dict(line.split(": ") for line in _unu("minmax", written(case).path).splitlines())
    file = written(case)
    found = np.array([float(said["min"]), float(said["max"])]) * file.slope + file.intercept
    data = file.volume.data
    # unu prints 6 digits
    np.testing.assert_allclose(
        found, [data.min(), data.max()], atol=1e-5 * float(np.ptp(data)) + file.slope / 2
    )


def test_a_row_of_upstreams_conv1(tmp_path: Path) -> None:
    file = write_volume(golden(), "nrrd", tmp_path / "volume")
    y, z = 7, 93
    _unu("slice", "-a", 2, "-p", z, "-i", file.path, "-o", tmp_path / "slice.nrrd")
    _unu("slice", "-a", 1, "-p", y, "-i", tmp_path / "slice.nrrd", "-o", tmp_path / "row.nrrd")
    text = _unu("save", "-f", "text", "-i", tmp_path / "row.nrrd")
    # unu prints 6 digits
    np.testing.assert_allclose([float(word) for word in text.split()], golden().data[z, y], rtol=1e-5)


def test_frames(tmp_path: Path) -> None:
    file = write_volume(sequence(), "nrrd", tmp_path / "volume")
    understood = _by_unu(file.path, tmp_path)
    np.testing.assert_array_equal(understood.data, file.volume.data)
    assert understood.fields["kinds"].split()[-1] == "list"
    _check_place(understood.fields, np.eye(3))


def _check_place(fields: Mapping[str, str], direction: NDArray[np.float64]) -> None:
    assert fields["space"] == "left-posterior-superior"
    vectors = [_vector(text) for text in fields["space directions"].split() if text != "none"]
    np.testing.assert_allclose(np.transpose(vectors), direction * SPACING, rtol=1e-12)
    np.testing.assert_allclose(_vector(fields["space origin"]), ORIGIN, rtol=1e-12)


def _vector(text: str) -> list[float]:
    return [float(number) for number in text.strip("()").split(",")]


def _by_unu(path: Path, folder: Path) -> Understood:
    """Let `unu` read a file and write what it understood; its writer keeps nothing that it did not."""
    _unu("save", "-f", "nrrd", "-e", "raw", "-i", path, "-o", folder / "understood.nhdr")
    lines = (folder / "understood.nhdr").read_text(encoding="utf-8").splitlines()
    fields = dict(line.split(": ", 1) for line in lines if ": " in line and ":=" not in line)
    sizes = [int(size) for size in fields["sizes"].split()]
    data = np.fromfile(folder / fields["data file"], "<" + DTYPES[fields["type"]])
    return Understood(fields, data.reshape(sizes[::-1]))


def _unu(*arguments: object) -> str:
    program = shutil.which("teem-unu") or shutil.which("unu")
    require(program, "Teem's unu (Debian: teem-apps)")
    done = subprocess.run(
        [str(program), *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout
