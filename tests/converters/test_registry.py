from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from converters import Encoding, Format, Volume, VolumeError, extension_of, format_of, read, register, write
from converters import registry as registry_module
from tests.converters.round_trip import EXTENSIONS, plain, sample


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("a.nii.gz", ".nii.gz"),
        ("a.nii", ".nii"),
        ("A.B.NRRD", ".nrrd"),
        ("a.seq.nrrd", ".nrrd"),
        ("x/a.hd", ".hd"),
        ("a.hdf", ".hdf"),
    ],
)
def test_extensions(name: str, extension: str) -> None:
    assert extension_of(name) == extension
    assert extension in format_of(name).extensions


@pytest.mark.parametrize("name", ["a.gz", "a", ".nrrd", "nrrd", "a.nrrd.json", "a.png"])
def test_unknown_extensions(name: str) -> None:
    with pytest.raises(VolumeError, match=rf"{name}: unknown volume format; known are \.hd "):
        extension_of(name)


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_write_returns_all_that_it_wrote(tmp_path: Path, extension: str) -> None:
    paths = write(plain((3, 4, 11)), tmp_path / f"a.b{extension}")
    assert paths[0] == tmp_path / f"a.b{extension}"
    assert paths[-1].suffix == ".json"
    assert sorted(paths) == sorted(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name", ["a.NRRD", "a.NII.GZ", "a.VOX", "a.HD", "a.MHD", "a.MHA", "a.VTI", "a.VTK", "a.HDF"]
)
def test_capital_extensions(tmp_path: Path, name: str) -> None:
    volume = plain((3, 4, 11))
    assert write(volume, tmp_path / name, "float32")[0].is_file()
    np.testing.assert_array_equal(read(tmp_path / name).data, volume.data)


@pytest.mark.parametrize(
    "stem", ["conv1%2F7x7_act", "100%", "a b", "über", "caf\udce9", "x%03d", "LOCAL", "a=b;c"]
)
@pytest.mark.parametrize("extension", EXTENSIONS)
def test_names_of_files(tmp_path: Path, extension: str, stem: str) -> None:
    volume = plain((3, 4, 11))
    paths = write(volume, tmp_path / f"{stem}{extension}", "float32")
    assert all(path.is_file() for path in paths)
    np.testing.assert_array_equal(read(paths[0]).data, volume.data)


@pytest.mark.parametrize(
    "stem", ["conv1%2F7x7_act", "100%", "a b", "über", "x%03d", "LISTS", "LOCAL", "a=b;c"]
)
@pytest.mark.parametrize("extension", [".mhd", ".nhdr"])
def test_itk_finds_the_data_file_of_any_name(tmp_path: Path, extension: str, stem: str) -> None:
    import SimpleITK

    volume = plain((3, 4, 11))
    path = write(volume, tmp_path / f"{stem}{extension}")[0]
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))), volume.data)


def test_side_car_records_encoding_and_geometry(tmp_path: Path) -> None:
    volume = sample((7, 5, 11))
    write(volume, tmp_path / "a.nrrd", "int16")
    document = json.loads((tmp_path / "a.nrrd.json").read_text(encoding="utf-8"))
    encoding = Encoding.fit(volume.data, "int16")
    assert document["encoding"] == {
        "dtype": "int16",
        "slope": encoding.slope,
        "intercept": encoding.intercept,
    }
    assert document["geometry"]["size"] == [11, 5, 7]
    assert tuple(document["geometry"]["direction"]) == volume.direction
    assert document["facts"] == dict(volume.facts)


def test_files_are_replaced_whole(tmp_path: Path) -> None:
    write(plain((7, 5, 11)), tmp_path / "a.nrrd")
    smaller = plain((3, 4, 5))
    write(smaller, tmp_path / "a.nrrd")
    np.testing.assert_array_equal(read(tmp_path / "a.nrrd").data, smaller.data)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(volume: Volume, path: Path, encoding: Encoding) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    volume = plain((3, 4, 5))
    write(volume, tmp_path / "a.nrrd")
    monkeypatch.setattr(registry_module, "_FORMATS", dict(registry_module._FORMATS))
    register(Format("broken", (".nrrd",), lambda path: volume, half))
    with pytest.raises(VolumeError, match=r"a\.nrrd: No space left on device"):
        write(plain((7, 5, 11)), tmp_path / "a.nrrd")
    monkeypatch.undo()
    assert read(tmp_path / "a.nrrd").size == volume.size
    assert len(list(tmp_path.iterdir())) == 2


def test_folders_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match=r"none/a\.nrrd: No such file or directory"):
        write(plain((3, 4, 5)), tmp_path / "none" / "a.nrrd")


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "a.nrrd").mkdir()
    with pytest.raises(VolumeError, match=r"a\.nrrd: Is a directory"):
        write(plain((3, 4, 5)), tmp_path / "a.nrrd")


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (MemoryError(), "does not fit into memory"),
        (PermissionError(13, "Permission denied"), "Permission denied"),
    ],
)
def test_failures_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception, expected: str
) -> None:
    def fail(path: Path) -> Volume:
        raise failure

    monkeypatch.setattr(registry_module, "_FORMATS", dict(registry_module._FORMATS))
    register(Format("failing", (".fail",), fail, lambda volume, path, encoding: None))
    (tmp_path / "a.fail").write_bytes(b"x")
    with pytest.raises(VolumeError, match=rf"a\.fail: {expected}"):
        read(tmp_path / "a.fail")


def test_unknown_types_and_extensions_write_nothing(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match=r"a\.nrrd: cannot store values as float64"):
        write(plain((3, 4, 5)), tmp_path / "a.nrrd", "float64")
    with pytest.raises(VolumeError, match=r"a\.png: unknown volume format"):
        write(plain((3, 4, 5)), tmp_path / "a.png")
    assert not list(tmp_path.iterdir())
