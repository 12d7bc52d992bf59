from __future__ import annotations

import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from converters import CnnVisWarning, Volume, VolumeError, extensions, read, write
from converters.volume import IDENTITY
from tests.converters.round_trip import DTYPES, EXTENSIONS, assert_same, plain, sample, write_read, written
from tests.converters.strategies import volumes

SHAPES = {
    "width 11": (7, 5, 11),
    "width 10": (5, 7, 10),
    "width 9": (5, 7, 9),
    "width 7": (5, 11, 7),
    "width 1": (5, 7, 1),
    "one slice": (1, 7, 5),
    "one row": (7, 1, 5),
    "one voxel": (1, 1, 1),
}
SEQUENCES = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".vti", ".vtk", ".hdf", ".vtkhdf")


def test_all_registered_extensions_are_tested() -> None:
    assert set(EXTENSIONS) == set(extensions())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("extension", EXTENSIONS)
def test_every_type_comes_back(tmp_path: Path, extension: str, dtype: str) -> None:
    volume = sample((7, 5, 11))
    found = write_read(tmp_path, volume, extension, dtype)
    assert found.encoding is not None
    assert found.encoding.dtype == dtype
    assert_same(found, volume, extension)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("extension", EXTENSIONS)
def test_every_shape_comes_back(tmp_path: Path, extension: str, shape: tuple[int, int, int]) -> None:
    volume = plain(shape)
    assert_same(write_read(tmp_path, volume, extension, "float32"), volume, extension)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [0.0, -2.5, 1e30])
@pytest.mark.parametrize("extension", EXTENSIONS)
def test_constant_volumes_are_kept_exactly(tmp_path: Path, extension: str, value: float, dtype: str) -> None:
    found = write_read(tmp_path, Volume(np.full((3, 4, 5), value)), extension, dtype)
    assert np.all(found.data == np.float32(value))


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_whole_numbers_are_stored_as_they_are(tmp_path: Path, extension: str) -> None:
    volume = Volume(np.arange(60).reshape(3, 4, 5))
    found = write_read(tmp_path, volume, extension, "uint8")
    assert found.encoding is not None
    assert (found.encoding.slope, found.encoding.intercept) == (1, 0)
    np.testing.assert_array_equal(found.data, volume.data)


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_nan_and_infinity_survive_in_float32(tmp_path: Path, extension: str) -> None:
    data = np.ones((3, 4, 5), np.float32)
    data[0, 1, 2], data[2, 3, 4], data[1, 0, 3] = np.nan, np.inf, -np.inf
    np.testing.assert_array_equal(write_read(tmp_path, Volume(data), extension, "float32").data, data)


@pytest.mark.parametrize("dtype", ["float32", "int16"])
@pytest.mark.parametrize("shape", [(3, 7, 5, 11), (2, 5, 7, 9), (1, 5, 7, 10), (4, 3, 5, 1)], ids=str)
@pytest.mark.parametrize("extension", SEQUENCES)
def test_frames_come_back(tmp_path: Path, extension: str, shape: tuple[int, ...], dtype: str) -> None:
    volume = plain(shape)
    assert_same(write_read(tmp_path, volume, extension, dtype), volume, extension)


@pytest.mark.parametrize(
    "labels", [("same", "same", "same"), ("", "a/b", "<&>\"'"), ("10", "9", "8")], ids=str
)
@pytest.mark.parametrize("extension", SEQUENCES)
def test_frames_keep_their_order_whatever_their_labels(
    tmp_path: Path, extension: str, labels: tuple[str, ...]
) -> None:
    volume = plain((3, 5, 7, 11)).replace(labels=labels)
    assert_same(write_read(tmp_path, volume, extension), volume, extension)


@pytest.mark.parametrize("extension", sorted(set(EXTENSIONS) - set(SEQUENCES)))
def test_formats_of_one_volume_refuse_frames(tmp_path: Path, extension: str) -> None:
    with pytest.raises(VolumeError, match="one volume a file, this one has 3 frames"):
        write(plain((3, 5, 7, 11)), tmp_path / f"a{extension}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_thousands_of_labels_fit(tmp_path: Path, extension: str) -> None:
    # MetaIO loses its place in the header at values of 32768 bytes; these labels take 60 kB
    volume = Volume(np.arange(8000 * 6).reshape(8000, 2, 3), labels=[f"c {i}" for i in range(8000)])
    found = write_read(tmp_path, volume, extension)
    assert found.labels == volume.labels


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_undecodable_file_names_in_facts_survive(tmp_path: Path, extension: str) -> None:
    volume = plain((3, 4, 5)).replace(facts={"image": "caf\udce9.jpg"}, name="caf\udce9")
    assert_same(write_read(tmp_path, volume, extension), volume, extension)


@pytest.mark.parametrize("extension", EXTENSIONS)
@settings(max_examples=15, deadline=None)
@given(volume=volumes())
def test_any_volume_comes_back_as_float32(extension: str, volume: Volume) -> None:
    _round_trip(volume, extension, "float32")


@pytest.mark.parametrize("dtype", ["int16", "uint16", "uint8"])
@settings(max_examples=25, deadline=None)
@given(volume=volumes(st.floats(-(2.0**100), 2.0**100, width=32)), extension=st.sampled_from(EXTENSIONS))
def test_any_finite_volume_comes_back_as_integers(volume: Volume, extension: str, dtype: str) -> None:
    # smaller ranges have no step that float32 holds
    assume(np.ptp(volume.data) > 2.0**-100 or np.ptp(volume.data) == 0)
    _round_trip(volume, extension, dtype)


def _round_trip(volume: Volume, extension: str, dtype: str) -> None:
    if extension == ".vtk":
        volume = volume.replace(direction=IDENTITY)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", CnnVisWarning)
        path = Path(folder) / f"a{extension}"
        write(volume, path, dtype)
        assert_same(read(path), volume, extension)


def test_same_input_gives_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        for extension in EXTENSIONS:
            stem = folder / extension.strip(".").replace(".", "-")
            stem.mkdir()
            written(stem, plain((3, 5, 11)), extension)
            if extension in SEQUENCES:
                written(stem, plain((2, 3, 5, 11)).replace(name="frames"), extension)
        # HDF5 and gzip know time stamps, of whole seconds
        time.sleep(1.1)
    files = sorted(file.relative_to(first) for file in first.rglob("*") if file.is_file())
    assert len(files) > 2 * len(EXTENSIONS)
    assert [file for file in files if (first / file).read_bytes() != (second / file).read_bytes()] == []


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_files_do_not_tell_where_they_were_written(tmp_path: Path, extension: str) -> None:
    written(tmp_path, plain((3, 5, 11)), extension)
    files = list(tmp_path.iterdir())
    assert len(files) > 1
    assert not [
        file.name
        for file in files
        if b"cnnvis-" in file.read_bytes() or str(tmp_path).encode() in file.read_bytes()
    ]
