"""NRRD headers: ours, byte by byte, and those of other programs."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import numpy as np
import pytest

from converters import Volume, VolumeError, read, write
from tests.converters.round_trip import plain, sample

DATA = np.arange(7 * 5 * 11, dtype="<i2").reshape(7, 5, 11)


def _file(folder: Path, fields: str, data: bytes, name: str = "foreign.nrrd") -> Path:
    path = folder / name
    path.write_bytes(f"NRRD0004\n{fields}".encode() + b"\n\n" + data)
    return path


def _foreign(folder: Path, fields: str, sizes: str = "11 5 7", data: np.ndarray = DATA) -> Volume:
    head = f"type: int16\ndimension: {len(sizes.split())}\nsizes: {sizes}\nendian: little\nencoding: raw\n"
    return read(_file(folder, head + fields, data.tobytes()))


def _header(path: Path) -> list[str]:
    return path.read_bytes().partition(b"\n\n")[0].decode("ascii").splitlines()


def test_header_of_a_wide_volume(tmp_path: Path) -> None:
    write(plain((7, 5, 11)), tmp_path / "a.nrrd", "int16")
    assert _header(tmp_path / "a.nrrd")[:-1] == [
        "NRRD0005",
        "type: int16",
        "dimension: 3",
        "sizes: 11 5 7",
        "space: left-posterior-superior",
        "space directions: (0.5,0,0) (0,0.3333333333333333,0) (0,0,2.25)",
        "kinds: domain domain domain",
        "endian: little",
        "encoding: raw",
        "space origin: (0.14285714285714285,-20.5,3e-09)",
    ]


@pytest.mark.parametrize("width", range(1, 13))
def test_only_widths_up_to_nine_get_a_leading_axis(tmp_path: Path, width: int) -> None:
    write(plain((3, 4, width)), tmp_path / "a.nrrd")
    lines = _header(tmp_path / "a.nrrd")
    assert ("dimension: 4" in lines) == (width <= 9)
    assert (f"sizes: 1 {width} 4 3" in lines) == (width <= 9)
    assert ("kinds: scalar domain domain domain" in lines) == (width <= 9)


def test_sizes_come_before_space_but_not_in_sequences(tmp_path: Path) -> None:
    write(plain((3, 4, 5)), tmp_path / "a.nrrd")
    write(plain((2, 3, 4, 11)), tmp_path / "b.seq.nrrd")
    keys = [[line.split(":")[0] for line in _header(tmp_path / name)] for name in ("a.nrrd", "b.seq.nrrd")]
    assert keys[0].index("sizes") < keys[0].index("space")
    assert keys[1].index("sizes") > keys[1].index("space")


def test_header_of_a_sequence_for_slicer(tmp_path: Path) -> None:
    write(plain((2, 3, 4, 11)).replace(labels=("class 281", "b")), tmp_path / "a.seq.nrrd")
    lines = _header(tmp_path / "a.seq.nrrd")
    for line in (
        "sizes: 11 4 3 2",
        "kinds: domain domain domain list",
        "DataNodeClassName:=vtkMRMLScalarVolumeNode",
        "axis 3 index type:=text",
        "axis 3 index values:=class%20281 b",
    ):
        assert line in lines
    assert not [line for line in lines if line.startswith("labels")]


def test_numbers_as_labels_are_text_too(tmp_path: Path) -> None:
    write(plain((3, 3, 4, 11)).replace(labels=("0", "2.5", "-1e3")), tmp_path / "a.nrrd")
    assert {"axis 3 index type:=text", "axis 3 index values:=0 2.5 -1e3"} <= set(_header(tmp_path / "a.nrrd"))


def test_detached_header_leaves_the_raw_file_of_a_metaimage_alone(tmp_path: Path) -> None:
    first, second = plain((3, 4, 5)), plain((3, 4, 11))
    write(first, tmp_path / "a.mhd")
    write(second, tmp_path / "a.nhdr", "uint8")
    np.testing.assert_array_equal(read(tmp_path / "a.mhd").data, first.data)
    assert read(tmp_path / "a.nhdr").size == second.size


@pytest.mark.parametrize(
    ("fields", "origin", "diagonal"),
    [
        ("space: left-posterior-superior", (1, 2, 3), (2, 3, 4)),
        ("space: LPS", (1, 2, 3), (2, 3, 4)),
        ("space: right-anterior-superior", (-1, -2, 3), (-2, -3, 4)),
        ("space: RAS", (-1, -2, 3), (-2, -3, 4)),
        ("space: left-anterior-superior", (1, -2, 3), (2, -3, 4)),
        ("space: scanner-xyz", (1, 2, 3), (2, 3, 4)),
        ("space dimension: 3", (1, 2, 3), (2, 3, 4)),
    ],
)
def test_spaces_become_lps_as_in_itk(
    tmp_path: Path, fields: str, origin: tuple[float, ...], diagonal: tuple[float, ...]
) -> None:
    import SimpleITK

    volume = _foreign(tmp_path, f"{fields}\nspace directions: (2,0,0) (0,3,0) (0,0,4)\nspace origin: (1,2,3)")
    np.testing.assert_array_equal(volume.data, DATA)
    assert volume.origin == origin
    np.testing.assert_array_equal(volume.affine[:3, :3], np.diag(diagonal))
    image = SimpleITK.ReadImage(str(tmp_path / "foreign.nrrd"))
    assert image.GetOrigin() == volume.origin
    np.testing.assert_array_equal(image.GetDirection(), volume.direction)


@pytest.mark.parametrize(
    "fields",
    [
        "spacings: 2 3 4",
        "spacings: 2 NaN 4",
        "spacings: 2 -3 4",
        "spacings: 2 3 4\naxis mins: 1 2 3",
        "spacings: 2 3 4\naxis mins: 1 2 3\ncenterings: cell cell cell",
        "spacings: 2 3 4\naxis mins: 1 2 3\ncenterings: node node node",
        "kinds: domain domain domain",
    ],
)
def test_spacings_without_a_space_are_understood_as_in_itk(tmp_path: Path, fields: str) -> None:
    import SimpleITK

    volume = _foreign(tmp_path, fields)
    image = SimpleITK.ReadImage(str(tmp_path / "foreign.nrrd"))
    assert image.GetSpacing() == volume.spacing
    assert image.GetOrigin() == volume.origin
    np.testing.assert_array_equal(image.GetDirection(), volume.direction)


def test_spacing_follows_from_minimum_and_maximum(tmp_path: Path) -> None:
    # Teem's rule: n cells, or n - 1 steps between nodes, lie between them
    fields = "axis mins: 0 0 NaN\naxis maxs: 22 12 NaN\ncenterings: cell node node"
    assert _foreign(tmp_path, fields).spacing == (2, 3, 1)
    assert _foreign(tmp_path, fields).origin == (1, 0, 0)


def test_oblique_space(tmp_path: Path) -> None:
    directions = "(0,2,0) (3,0,0) (0,1,4)"
    volume = _foreign(tmp_path, f"space: LPS\nspace directions: {directions}")
    np.testing.assert_allclose(
        volume.affine[:3, :3].T, [[0, 2, 0], [3, 0, 0], [0, 1, 4]], rtol=1e-15, atol=1e-15
    )


@pytest.mark.parametrize(
    "fields",
    [
        "space: LPS\nspace directions: none (2,0,0) (0,3,0) (0,0,4)",
        "kinds: scalar domain domain domain",
        "kinds: stub domain domain domain",
        "kinds: ??? ??? ??? ???",
    ],
)
def test_leading_axis_of_size_one_is_dropped(tmp_path: Path, fields: str) -> None:
    np.testing.assert_array_equal(_foreign(tmp_path, fields, "1 11 5 7").data, DATA)


def test_picture_becomes_one_slice(tmp_path: Path) -> None:
    volume = _foreign(tmp_path, "spacings: 2 3", "11 5", DATA[0])
    assert (volume.size, volume.spacing) == ((11, 5, 1), (2, 3, 1))
    np.testing.assert_array_equal(volume.data[0], DATA[0])


def test_picture_in_space_gets_its_normal_as_third_axis(tmp_path: Path) -> None:
    fields = "space: LPS\nspace directions: (0,2,0) (0,0,3)\nspace origin: (5,6,7)"
    volume = _foreign(tmp_path, fields, "11 5", DATA[0])
    np.testing.assert_array_equal(volume.affine[:3], [[0, 0, 1, 5], [2, 0, 0, 6], [0, 3, 0, 7]])


@pytest.mark.parametrize("kind", ["list", "time"])
def test_frames_may_come_first_or_last(tmp_path: Path, kind: str) -> None:
    last = _foreign(tmp_path, f"kinds: domain domain domain {kind}", "11 5 1 7")
    np.testing.assert_array_equal(last.data, DATA.reshape(7, 1, 5, 11))
    first = _foreign(tmp_path, f"kinds: {kind} domain domain domain", "11 5 7 1")
    np.testing.assert_array_equal(first.data, np.moveaxis(DATA.reshape(1, 7, 5, 11), -1, 0))


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("raw", DATA.tobytes()),
        ("gzip", gzip.compress(DATA.tobytes())),
        ("gz", gzip.compress(DATA.tobytes())),
        ("bzip2", bz2.compress(DATA.tobytes())),
        ("ascii", " ".join(map(str, DATA.ravel())).encode()),
        ("txt", "\n".join(map(str, DATA.ravel())).encode()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_encodings(tmp_path: Path, encoding: str, data: bytes) -> None:
    head = f"type: short\ndimension: 3\nsizes: 11 5 7\nendian: little\nencoding: {encoding}"
    np.testing.assert_array_equal(read(_file(tmp_path, head, data)).data, DATA)
    (tmp_path / "data.bin").write_bytes(data)
    detached = _file(tmp_path, f"{head}\ndata file: data.bin", b"", "foreign.nhdr")
    np.testing.assert_array_equal(read(detached).data, DATA)


@pytest.mark.parametrize(
    "skips", ["line skip: 2", "byte skip: 13", "byte skip: -1", "line skip: 1\nbyte skip: 7"]
)
def test_skips_in_front_of_raw_data(tmp_path: Path, skips: str) -> None:
    head = f"type: int16\ndimension: 3\nsizes: 11 5 7\nendian: little\nencoding: raw\n{skips}"
    np.testing.assert_array_equal(read(_file(tmp_path, head, b"12345\n123456\n" + DATA.tobytes())).data, DATA)


def test_byte_skip_in_compressed_data(tmp_path: Path) -> None:
    head = "type: int16\ndimension: 3\nsizes: 11 5 7\nendian: little\nencoding: gzip\nbyte skip: 9"
    packed = gzip.compress(b"123456789" + DATA.tobytes())
    np.testing.assert_array_equal(read(_file(tmp_path, head, packed)).data, DATA)


@pytest.mark.parametrize("dtype", ["i1", ">i2", "<u4", ">i8", ">f4", "<f8"])
def test_stored_types(tmp_path: Path, dtype: str) -> None:
    names = {"i1": "signed char", "i2": "int16", "u4": "uint32", "i8": "int64", "f4": "float", "f8": "double"}
    data = (DATA % 100).astype(dtype)
    endian = "big" if dtype[0] == ">" else "little"
    head = f"type: {names[dtype[-2:]]}\ndimension: 3\nsizes: 11 5 7\nendian: {endian}\nencoding: raw"
    volume = read(_file(tmp_path, head, data.tobytes()))
    np.testing.assert_array_equal(volume.data, data)
    assert volume.encoding is not None
    assert volume.encoding.dtype == data.dtype.name


def test_what_pynrrd_writes(tmp_path: Path) -> None:
    import nrrd

    path = tmp_path / "a.nrrd"
    header = {
        "space": "RAS",
        "space directions": np.diag([2.0, 3.0, 4.0]),
        "space origin": [1.0, 2.0, 3.0],
        "kinds": ["domain"] * 3,
    }
    nrrd.write(str(path), DATA, header, index_order="C")
    volume = read(path)
    np.testing.assert_array_equal(volume.data, DATA)
    assert volume.origin == (-1, -2, 3)


def test_what_itk_writes(tmp_path: Path) -> None:
    import SimpleITK

    volume = sample((7, 5, 11))
    image = SimpleITK.GetImageFromArray(volume.data)
    image.SetSpacing(volume.spacing)
    image.SetOrigin(volume.origin)
    image.SetDirection(volume.direction)
    SimpleITK.WriteImage(image, str(tmp_path / "a.nrrd"), useCompression=True)
    found = read(tmp_path / "a.nrrd")
    np.testing.assert_array_equal(found.data, volume.data)
    np.testing.assert_allclose(found.affine, volume.affine, rtol=1e-14, atol=1e-14)


def test_our_document_survives_teem_style_escapes(tmp_path: Path) -> None:
    volume = plain((3, 4, 11)).replace(name='C:\\new "x"', facts={"command": "a: b\n\\n"})
    write(volume, tmp_path / "a.nrrd")
    line = _header(tmp_path / "a.nrrd")[-1]
    # VTK's reader takes a line with a colon and a blank for a field
    assert ": " not in line
    found = read(tmp_path / "a.nrrd")
    assert (found.name, dict(found.facts)) == (volume.name, dict(volume.facts))


def test_edited_geometry_wins_over_the_document(tmp_path: Path) -> None:
    path = tmp_path / "a.nrrd"
    write(plain((3, 4, 11)), path)
    path.write_bytes(path.read_bytes().replace(b"(0.5,0,0)", b"(0.7,0,0)"))
    assert read(path).spacing[0] == 0.7


def test_foreign_document_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="not a CNN-VIS side-car"):
        _foreign(tmp_path, 'cnnvis:={"a":1}')
