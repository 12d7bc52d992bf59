"""CGV's files against upstream's own, and the header grammar of its library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from converters import CnnVisWarning, Volume, VolumeError, read, write
from tests.converters.round_trip import plain, sample
from tests.helpers import goldens

DATA = np.arange(7 * 5 * 11, dtype=np.uint16).reshape(7, 5, 11)


def _foreign(folder: Path, header: str, data: np.ndarray = DATA) -> Volume:
    (folder / "a.hd").write_bytes(header.encode())
    (folder / "a.vox").write_bytes(data.tobytes())
    return read(folder / "a.vox")


def test_upstream_golden_is_written_byte_for_byte(tmp_path: Path) -> None:
    folder = goldens()
    write(Volume(np.load(folder / "caffenet_conv1_cat.npy")), tmp_path / "L1_conv1.vox")
    for name in ("L1_conv1.vox", "L1_conv1.hd"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.parametrize("extension", [".vox", ".hd"])
@pytest.mark.parametrize(("stem", "size"), [("L1_conv1", (55, 55, 96)), ("L2_conv2", (27, 27, 256))])
def test_upstream_goldens_are_read(stem: str, size: tuple[int, int, int], extension: str) -> None:
    folder = goldens()
    volume = read(folder / f"{stem}{extension}")
    assert (volume.size, volume.spacing) == (size, (1, 1, 1))
    raw = np.frombuffer((folder / f"{stem}.vox").read_bytes(), np.uint8)
    np.testing.assert_array_equal(volume.data.ravel(), raw)


def test_upstream_golden_holds_the_array(tmp_path: Path) -> None:
    folder = goldens()
    array = np.load(folder / "caffenet_conv1_cat.npy")
    # uint8 in steps of one: at most half a step away
    np.testing.assert_allclose(read(folder / "L1_conv1.vox").data, array, rtol=0, atol=0.5)


@pytest.mark.parametrize(
    ("dtype", "words"),
    [
        (None, "unsigned byte"),
        ("uint8", "unsigned byte"),
        ("int16", "signed short"),
        ("uint16", "unsigned short"),
        ("float32", "float"),
    ],
)
def test_header(tmp_path: Path, dtype: str | None, words: str) -> None:
    write(plain((7, 5, 11)), tmp_path / "a.vox", dtype)
    expected = f"Size 11x5x7 {words} \nSpacing 0.5x0.3333333333333333x2.25"
    assert (tmp_path / "a.hd").read_bytes() == expected.encode()


def test_the_side_car_restores_what_the_header_cannot_hold(tmp_path: Path) -> None:
    volume = sample((7, 5, 11))
    write(volume, tmp_path / "a.vox")
    found = read(tmp_path / "a.hd")
    assert (found.origin, found.direction, found.labels) == (volume.origin, volume.direction, volume.labels)
    (tmp_path / "a.vox.json").unlink()
    bare = read(tmp_path / "a.hd")
    assert (bare.origin, bare.name, bare.data.max()) == ((0, 0, 0), "values", 255)


def test_of_two_side_cars_the_newer_is_taken(tmp_path: Path) -> None:
    write(sample((7, 5, 11)).replace(data=np.zeros((7, 5, 11))), tmp_path / "a.vox")
    volume = sample((7, 5, 11))
    write(volume, tmp_path / "a.hd", "float32")
    for extension in (".vox", ".hd"):
        with pytest.warns(
            CnnVisWarning, match=r"a\.hd\.json and a\.vox\.json differ: read with the newer, a\.hd\.json"
        ):
            np.testing.assert_array_equal(read(tmp_path / f"a{extension}").data, volume.data)


def test_equal_side_cars_do_not_matter(tmp_path: Path) -> None:
    volume = sample((7, 5, 11))
    for extension in (".vox", ".hd"):
        write(volume, tmp_path / f"a{extension}")
    assert read(tmp_path / "a.vox").labels == volume.labels


def test_a_side_car_of_another_size_is_left_out(tmp_path: Path) -> None:
    write(plain((3, 4, 5)), tmp_path / "a.vox")
    with pytest.warns(CnnVisWarning, match="left out its side-car, which is of a 5x4x3 volume"):
        volume = _foreign(tmp_path, "Size 11x5x7 unsigned short")
    np.testing.assert_array_equal(volume.data, DATA)


@pytest.mark.parametrize(
    "header",
    [
        "Size 11x5x7 unsigned short \nSpacing 2.0x3.0x4.5",
        "Size: 11 5 7 unsigned short Luminance\nSpacing: 2 3 4.5\n",
        "SIZE 11,5,7 unsigned short\r\nspacing 2,3,4.5\r\n",
        "# comment\nSize\t11 x 5 x 7\tunsigned short\nPath: 'a b.vox'\nSpacing 2x3x4.5",
        "Dimension 11 5 7 unsigned short\nSpacing 2 3 4.5",
        "Spacing 2 3 4.5\nSize 11 5 7 unsigned short",
        "Size 11x5x7 unsigned short\nScaling 22x15x31.5",
    ],
)
def test_grammar(tmp_path: Path, header: str) -> None:
    volume = _foreign(tmp_path, header)
    np.testing.assert_array_equal(volume.data, DATA)
    assert volume.spacing == (2, 3, 4.5)


@pytest.mark.parametrize(
    ("words", "dtype"),
    [
        ("", "u1"),
        ("unsigned byte", "u1"),
        ("signed byte", "i1"),
        ("unsigned short", "u2"),
        ("signed short", "i2"),
        ("unsigned int", "u4"),
        ("signed int", "i4"),
        ("float", "f4"),
        ("double", "f8"),
    ],
)
def test_types(tmp_path: Path, words: str, dtype: str) -> None:
    data = (DATA % 100).astype(dtype)
    volume = _foreign(tmp_path, f"Size 11x5x7 {words}", data)
    np.testing.assert_array_equal(volume.data, data)
    assert volume.encoding is not None
    assert volume.encoding.dtype == np.dtype(dtype).name


def test_more_data_than_declared_are_told(tmp_path: Path) -> None:
    with pytest.warns(CnnVisWarning, match=r"a\.vox: read 385 of 770 bytes, as its header says"):
        _foreign(tmp_path, "Size 11x5x7")


@pytest.mark.parametrize("removed", [".vox", ".hd"])
def test_both_files_are_needed(tmp_path: Path, removed: str) -> None:
    write(plain((3, 4, 5)), tmp_path / "a.vox")
    (tmp_path / f"a{removed}").unlink()
    with pytest.raises(
        VolumeError, match=rf"a{removed} is missing: a CGV volume is two files, \.hd and \.vox"
    ):
        read(tmp_path / f"a{'.hd' if removed == '.vox' else '.vox'}")
