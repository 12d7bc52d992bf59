from __future__ import annotations

import numpy as np
import pytest

from cnnvis.inputs import image_files
from converters import Volume, VolumeError, read, write
from converters.data_files import data_files

RAMP = Volume(np.arange(385).reshape(5, 7, 11))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.nrrd", []),
        ("a.mha", []),
        ("a.nii.gz", []),
        ("a.nhdr", ["a.nhdr.raw"]),
        ("a.mhd", ["a.raw"]),
        ("A.NHDR", ["A.NHDR.raw"]),
    ],
)
def test_data_files(tmp_path, name, expected):
    write(RAMP, tmp_path / name)
    assert data_files(tmp_path / name) == expected
    assert [*image_files(tmp_path / name)] == [tmp_path / part for part in (name, *expected)]


@pytest.mark.parametrize(("detached", "whole"), [("a.nhdr", "b.nrrd"), ("a.mhd", "b.mha")])
def test_headers_by_the_other_extension(tmp_path, detached, whole):
    write(RAMP, tmp_path / detached)
    (tmp_path / detached).rename(tmp_path / whole)
    (data,) = data_files(tmp_path / whole)
    np.testing.assert_array_equal(read(tmp_path / whole).data, RAMP.data)
    (tmp_path / data).unlink()
    with pytest.raises(VolumeError, match=rf"{whole}: its data file {data} is missing"):
        data_files(tmp_path / whole)
    # the command that reads it tells so
    assert [*image_files(tmp_path / whole)] == [tmp_path / whole]


@pytest.mark.parametrize(
    ("name", "header", "reason"),
    [
        ("a.nhdr", "NRRD0005\ndata file: LIST\nb.raw\n", "not a readable NRRD file"),
        ("a.nhdr", "NRRD0005\ndata file: b.raw\ndata file: c.raw\n", "Duplicate header field"),
        ("a.mhd", "NDims = 3\nElementDataFile = b.raw\n", "its header has no DimSize"),
    ],
)
def test_damaged_headers(tmp_path, name, header, reason):
    (tmp_path / name).write_text(header)
    (tmp_path / "b.raw").touch()
    with pytest.raises(VolumeError, match=rf"{name}: .*{reason}"):
        data_files(tmp_path / name)
