"""Damaged, foreign and lying files: each ends in one line that says what is wrong."""

from __future__ import annotations

import gzip
import re
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters import VolumeError, read
from tests.converters.round_trip import EXTENSIONS, plain, written

PNG = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010806000000") + bytes(range(256)) * 4
Files = dict[str, bytes]


def _error(path: Path) -> str:
    with pytest.raises(VolumeError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert "0x" not in message
    return message.removeprefix(f"{path}: ")


def _nrrd(fields: str = "", data: bytes = bytes(60), **changed: str) -> bytes:
    base = {"type": "uint8", "dimension": "3", "sizes": "5 4 3", "encoding": "raw"} | changed
    lines = [f"{key}: {value}" for key, value in base.items() if value] + [line for line in [fields] if line]
    return ("\n".join(["NRRD0004", *lines]) + "\n\n").encode() + data


def _meta(data: bytes = bytes(60), **changed: str) -> bytes:
    base = {"NDims": "3", "DimSize": "5 4 3", "ElementType": "MET_UCHAR", **changed}
    base["ElementDataFile"] = base.pop("ElementDataFile", "LOCAL")
    lines = ["ObjectType = Image", *(f"{key} = {value}" for key, value in base.items() if value)]
    return ("\n".join(lines) + "\n").encode() + data


def _nifti(dims: tuple[int, ...], data: bytes = bytes(60), datatype: int = 2, bits: int = 8) -> bytes:
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, len(dims), *dims, *[1] * (7 - len(dims)))
    struct.pack_into("<hh", header, 70, datatype, bits)
    struct.pack_into("<8f", header, 76, *[1.0] * 8)
    struct.pack_into("<f", header, 108, 352.0)
    header[344:348] = b"n+1\0"
    return bytes(header) + data


def _vtk(
    dimensions: str = "5 4 3", count: int = 60, kind: str = "STRUCTURED_POINTS", size: int = 60
) -> bytes:
    lines = ["# vtk DataFile Version 3.0", "x", "BINARY", f"DATASET {kind}", f"DIMENSIONS {dimensions}"]
    lines += ["SPACING 1 1 1", "ORIGIN 0 0 0", f"POINT_DATA {count}", "SCALARS a unsigned_char 1"]
    return ("\n".join([*lines, "LOOKUP_TABLE default"]) + "\n").encode() + bytes(size)


def _vti(
    extent: str = "0 4 0 3 0 2", piece: str = "", kind: str = "ImageData", array: str = "", size: int = 60
) -> bytes:
    text = f"""<VTKFile type="{kind}" version="1.0" byte_order="LittleEndian" header_type="UInt64">
<{kind} WholeExtent="{extent}" Origin="0 0 0" Spacing="1 1 1"><Piece Extent="{piece or extent}"><PointData>
<DataArray type="UInt8" Name="a" format="appended" offset="0" {array}/></PointData></Piece></{kind}>
<AppendedData encoding="raw">_"""
    return text.encode() + struct.pack("<Q", size) + bytes(60) + b"</AppendedData></VTKFile>"


BILLIONS = "30000 30000 30000"
TABLE: dict[str, tuple[Files, str]] = {
    "nrrd: no magic": ({"a.nrrd": b"hello\n"}, r"not a readable NRRD file \(Invalid NRRD magic line"),
    "nrrd: no sizes": ({"a.nrrd": _nrrd(sizes="")}, "its header has no field `sizes`"),
    "nrrd: a line without colon": ({"a.nrrd": _nrrd("hello")}, r"not a readable NRRD file \("),
    "nrrd: unknown type": ({"a.nrrd": _nrrd(type="half")}, r"not a readable NRRD file \(.*half"),
    "nrrd: blocks": ({"a.nrrd": _nrrd(type="block", fields="block size: 60")}, "not a readable NRRD file"),
    "nrrd: unknown encoding": ({"a.nrrd": _nrrd(encoding="zstd")}, "Unsupported encoding: zstd"),
    "nrrd: dimension and sizes": (
        {"a.nrrd": _nrrd(dimension="4")},
        "its field `sizes` has 3 entries, its dimension is 4",
    ),
    "nrrd: kinds": (
        {"a.nrrd": _nrrd("kinds: domain")},
        "its field `kinds` has 1 entries, its dimension is 3",
    ),
    "nrrd: no voxels": ({"a.nrrd": _nrrd(sizes="5 0 3")}, r"its sizes \(5, 0, 3\) are not all positive"),
    "nrrd: too little data": ({"a.nrrd": _nrrd(data=bytes(59))}, "Size of the data does not equal"),
    "nrrd: billions of voxels": ({"a.nrrd": _nrrd(sizes=BILLIONS)}, "Size of the data does not equal"),
    "nrrd: billions of packed voxels": (
        {"a.nrrd": _nrrd(sizes=BILLIONS, encoding="gzip", data=gzip.compress(bytes(60), mtime=0))},
        "the header declares 27000000000000 bytes of data, too many for 24 compressed bytes",
    ),
    "nrrd: a gzip bomb": (
        {"a.nrrd": _nrrd(encoding="gzip", data=gzip.compress(bytes(10**7)))},
        "its compressed data hold more than the header declares",
    ),
    "nrrd: gzip cut": (
        {"a.nrrd": _nrrd(encoding="gzip", data=gzip.compress(bytes(60), mtime=0)[:-9])},
        "its compressed data end too early",
    ),
    "nrrd: no gzip at all": ({"a.nrrd": _nrrd(encoding="gzip", data=PNG)}, "incorrect header check"),
    "nrrd: colours": (
        {"a.nrrd": _nrrd("kinds: RGB-color domain domain", sizes="3 5 4")},
        "axis 0 holds 3 numbers a voxel: vectors and colours are no scalar volume",
    ),
    "nrrd: vectors in space": (
        {"a.nrrd": _nrrd("space: LPS\nspace directions: none (1,0,0) (0,1,0)", sizes="3 5 4")},
        "axis 0 holds 3 numbers a voxel",
    ),
    "nrrd: four axes of what": (
        {"a.nrrd": _nrrd(dimension="4", sizes="5 3 2 2")},
        r"it has 4 axes in space and 0 of frames; 2 or 3 and at most 1 can be read \(`kinds` tells",
    ),
    "nrrd: a space with time": (
        {"a.nrrd": _nrrd("space: LPST\nspace directions: (1,0,0,0) (0,1,0,0) (0,0,1,0)")},
        "its space has 4 dimensions, 2 or 3 can be read",
    ),
    "nrrd: infinite spacing": (
        {"a.nrrd": _nrrd("spacings: 1 inf 1")},
        r"the steps between its voxels must be finite and not zero, they are \[1\.0, inf, 1\.0\]",
    ),
    "nrrd: parallel axes": (
        {"a.nrrd": _nrrd("space: LPS\nspace directions: (1,0,0) (2,0,0) (0,0,1)")},
        "direction has no inverse",
    ),
    "nrrd: origin not a number": (
        {"a.nrrd": _nrrd("space: LPS\nspace directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (nan,0,0)")},
        "origin takes 3 finite numbers",
    ),
    "nhdr: no data file": ({"a.nhdr": _nrrd("data file: a.raw", b"")}, "its data file a.raw is missing"),
    "nhdr: data above": (
        {"in/a.nhdr": _nrrd("data file: ../a.raw", b""), "a.raw": bytes(60)},
        r"its data file \.\./a\.raw lies outside the header's folder",
    ),
    "nhdr: data anywhere": (
        {"a.nhdr": _nrrd("data file: /etc/passwd", b"")},
        "its data file /etc/passwd lies outside the header's folder",
    ),
    "nhdr: a list of files": (
        {"a.nhdr": _nrrd("data file: LIST\na.raw", b"")},
        r"not a readable NRRD file \(",
    ),
    "nii: billions of voxels": (
        {"a.nii": _nifti((30000, 30000, 30000))},
        "the header declares 27000000000000 bytes of data, the file holds 60",
    ),
    "nii.gz: billions of voxels": (
        {"a.nii.gz": gzip.compress(_nifti((30000, 30000, 30000)))},
        "the header declares 27000000000000 bytes of data, too many for",
    ),
    "nii: colours": ({"a.nii": _nifti((5, 4, 1), datatype=128, bits=24)}, "a volume holds real numbers"),
    "nii: complex": ({"a.nii": _nifti((5, 1, 1), datatype=32, bits=64)}, "it holds complex64 values"),
    "nii: vectors": (
        {"a.nii": _nifti((5, 4, 1, 1, 3))},
        r"its axes have sizes \(5, 4, 1, 1, 3\): vectors and colours are no scalar volume",
    ),
    "nii: unknown type": ({"a.nii": _nifti((5, 4, 3), datatype=77)}, r"not a readable NIfTI file \("),
    "nii.gz: not packed": ({"a.nii.gz": _nifti((5, 4, 3))}, r"not a readable NIfTI file \("),
    "vox: no size": ({"a.hd": b"Spacing 1 1 1", "a.vox": bytes(60)}, "has no line `Size WIDTHxHEIGHTxDEPTH`"),
    "vox: negative size": (
        {"a.hd": b"Size -1x4x3", "a.vox": bytes(60)},
        "has no line `Size WIDTHxHEIGHTxDEPTH`",
    ),
    "vox: billions of voxels": (
        {"a.hd": b"Size 30000x30000x30000 float", "a.vox": bytes(60)},
        "the header declares 108000000000000 bytes of data, the file holds 60",
    ),
    "vox: unknown type": (
        {"a.hd": b"Size 5x4x3 uint8", "a.vox": bytes(60)},
        r"its header \(\.hd\) has the voxel type 'uint8'; known are unsigned byte",
    ),
    "vox: colours": ({"a.hd": b"Size 5x2x2 unsigned byte RGB", "a.vox": bytes(60)}, "'unsigned byte RGB'"),
    "vox: two numbers": (
        {"a.hd": b"Size 5x4x3\nSpacing 1x1", "a.vox": bytes(60)},
        r"its header \(\.hd\) needs three numbers after `Spacing`",
    ),
    "vox: no spacing": (
        {"a.hd": b"Size 5x4x3\nSpacing 1x0x1", "a.vox": bytes(60)},
        "spacing must be positive",
    ),
    "vox: a side-car of another program": (
        {"a.hd": b"Size 5x4x3", "a.vox": bytes(60), "a.vox.json": b'{"image": 1}'},
        r"a\.vox\.json: not a CNN-VIS side-car",
    ),
    "mha: no MetaImage": ({"a.mha": b"hello"}, "it is no MetaImage: its header has no NDims"),
    "mha: four axes": (
        {"a.mha": _meta(NDims="4", DimSize="5 4 3 1")},
        "its header has NDims 4 and DimSize 5 4 3 1: 2 or 3 can be read",
    ),
    "mha: colours": (
        {"a.mha": _meta(ElementNumberOfChannels="3", DimSize="5 2 2")},
        "it holds 3 numbers a voxel: vectors and colours are no scalar volume",
    ),
    "mha: billions of voxels": (
        {"a.mha": _meta(DimSize=BILLIONS)},
        "the header declares 27000000000000 bytes of data, the file holds 60",
    ),
    "mha: billions of packed voxels": (
        {"a.mha": _meta(DimSize=BILLIONS, CompressedData="True", data=zlib.compress(bytes(60)))},
        "too many for 12 compressed bytes",
    ),
    "mhd: data above": (
        {"in/a.mhd": _meta(ElementDataFile="../a.raw"), "a.raw": bytes(60)},
        r"its data file \.\./a\.raw lies outside the header's folder",
    ),
    "mhd: several files": (
        {"a.mhd": _meta(ElementDataFile="a%02d.raw 1 3 1")},
        "its data lie in several files",
    ),
    "mhd: no data file": ({"a.mhd": _meta(ElementDataFile="a.raw")}, "its data file a.raw is missing"),
    "vti: no XML": ({"a.vti": PNG}, r"not a readable VTK image data \(\.vti\) file \(not well-formed"),
    "vti: a mesh": ({"a.vti": _vti(kind="PolyData")}, "it holds PolyData, not ImageData"),
    "vti: billions of voxels": (
        {"a.vti": _vti("0 29999 0 29999 0 29999")},
        "the header declares 27000000000000 bytes of data, too many for",
    ),
    "vti: texts": ({"a.vti": _vti().replace(b"UInt8", b"String")}, "it has no array of one number a point"),
    "vti: a piece is missing": (
        {"a.vti": _vti("0 4 0 3 0 2", piece="0 4 0 3 0 1")},
        "its piece does not fill its whole extent",
    ),
    "vti: two pieces": (
        {"a.vti": _vti().replace(b"</Piece>", b'</Piece><Piece Extent="0 4 0 3 0 2"></Piece>')},
        "it has 2 elements Piece, one is read",
    ),
    "vti: an array is short": (
        {"a.vti": _vti(size=59)},
        "array 'a' has 59 bytes of data, its header declares 60",
    ),
    "vti: an array is longer than the file": (
        {"a.vti": _vti(size=10**12)},
        "the header declares 1000000000000 bytes of data, the file holds",
    ),
    "vtk: no VTK file": ({"a.vtk": PNG}, "it is no legacy VTK file: the first line must be"),
    "vtk: a mesh": ({"a.vtk": _vtk(kind="POLYDATA")}, "it holds POLYDATA, not STRUCTURED_POINTS"),
    "vtk: billions of voxels": (
        {"a.vtk": _vtk(BILLIONS, 27 * 10**12)},
        "the header declares 27000000000000 bytes of data, the file holds",
    ),
    "vtk: too little data": (
        {"a.vtk": _vtk(size=30)},
        "the header declares 60 bytes of data, the file holds 30",
    ),
    "vtk: too few numbers": (
        {"a.vtk": _vtk(size=0).replace(b"BINARY", b"ASCII") + b"1 2 3"},
        "it declares 60 numbers and has 3",
    ),
    "vtk: counts differ": ({"a.vtk": _vtk(count=59)}, r"it has 59 points, its dimensions are \(5, 4, 3\)"),
    "vtk: no array": ({"a.vtk": _vtk().partition(b"SCALARS")[0]}, "it has no array of one number a point"),
    "vtk: unknown keyword": (
        {"a.vtk": _vtk().replace(b"SCALARS", b"SCALES")},
        "it has the unknown keyword 'SCALES'",
    ),
    "vtk: spacing of zero": (
        {"a.vtk": _vtk().replace(b"SPACING 1", b"SPACING 0")},
        "must be finite and not zero",
    ),
    "hdf: no HDF5": ({"a.hdf": PNG}, r"not a readable VTKHDF file \(.*signature not found"),
}


@pytest.mark.parametrize(("files", "expected"), TABLE.values(), ids=TABLE)
def test_bad_files(tmp_path: Path, capfd: pytest.CaptureFixture[str], files: Files, expected: str) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    message = _error(tmp_path / next(iter(files)))
    assert re.search(expected, message), message
    assert capfd.readouterr().err == ""


def _hdf(folder: Path, change: Callable[[Any], object]) -> Path:
    import h5py

    path = written(folder, plain((3, 4, 5)), ".hdf")
    with h5py.File(path, "a") as file:
        change(file)
    return path


def _replace_array(file: Any, **settings: Any) -> None:
    del file["VTKHDF/PointData/conv1 relu"]
    file["VTKHDF/PointData"].create_dataset("conv1 relu", **settings)


def _steps_apart(file: Any) -> None:
    steps = file["VTKHDF"].create_group("Steps")
    steps.attrs["NSteps"] = 2
    steps.create_group("PointDataOffsets").create_dataset("conv1 relu", data=[0, 0])


HDF_TABLE: dict[str, tuple[Callable[[Any], object], str]] = {
    "no group": (lambda file: file.pop("VTKHDF"), "HDF5 file without VTKHDF in /"),
    "no points": (lambda file: file["VTKHDF"].pop("PointData"), "without PointData in /VTKHDF"),
    "a mesh": (
        lambda file: file["VTKHDF"].attrs.modify("Type", b"PolyData"),
        "it holds PolyData, not ImageData",
    ),
    "no type": (lambda file: file["VTKHDF"].attrs.pop("Type"), "it holds None, not ImageData"),
    "steps": (
        lambda file: file["VTKHDF"].create_group("Steps"),
        "it does not say how many time steps it holds",
    ),
    "steps apart": (_steps_apart, "the time steps of its 'conv1 relu' do not lie one after another"),
    "no origin": (lambda file: file["VTKHDF"].attrs.pop("Origin"), "not a readable VTKHDF file"),
    "other shape": (
        lambda file: _replace_array(file, data=np.zeros((3, 4, 6))),
        "no array of one number a point",
    ),
    "texts": (
        lambda file: _replace_array(file, data=np.full((3, 4, 5), b"abc")),
        "a volume holds real numbers",
    ),
    "a document that is none": (
        lambda file: (file.pop("cnnvis"), file.create_dataset("cnnvis", data=np.zeros(3))),
        "its cnnvis is not one text",
    ),
    "spacing not a number": (
        lambda file: file["VTKHDF"].attrs.modify("Spacing", [1, np.nan, 1]),
        "the steps between its voxels must be finite",
    ),
}


@pytest.mark.parametrize(("change", "expected"), HDF_TABLE.values(), ids=HDF_TABLE)
def test_bad_hdf(tmp_path: Path, change: Callable[[Any], object], expected: str) -> None:
    assert expected in _error(_hdf(tmp_path, change))


def test_hdf_of_billions_of_voxels(tmp_path: Path) -> None:
    def change(file: Any) -> None:
        file["VTKHDF"].attrs["WholeExtent"] = [0, 29999, 0, 29999, 0, 29999]
        _replace_array(file, shape=(30000, 30000, 30000), dtype="u1", chunks=(100, 100, 100))

    assert "the header declares 27000000000000 bytes of data, too many for 0" in _error(
        _hdf(tmp_path, change)
    )


def test_hdf_with_data_in_another_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(60))

    def change(file: Any) -> None:
        _replace_array(file, shape=(3, 4, 5), dtype="u1", external=[(str(tmp_path / "secret"), 0, 60)])

    assert "no array of one number a point" in _error(_hdf(tmp_path, change))


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_empty_files(tmp_path: Path, extension: str) -> None:
    path = written(tmp_path, plain((3, 4, 5)), extension)
    path.write_bytes(b"")
    assert _error(path) == "the file is empty"


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_pictures_under_another_name(tmp_path: Path, extension: str) -> None:
    path = written(tmp_path, plain((8, 9, 11)), extension, "float32")
    path.write_bytes(PNG)
    assert _error(path)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.98])
@pytest.mark.parametrize("extension", EXTENSIONS)
def test_cut_files(tmp_path: Path, extension: str, part: float, dtype: str) -> None:
    path = written(tmp_path, plain((8, 9, 11)), extension, dtype)
    longest = max(
        tmp_path.iterdir(), key=lambda file: file.stat().st_size * (not file.name.endswith(".json"))
    )
    content = longest.read_bytes()
    longest.write_bytes(content[: int(part * len(content))])
    assert _error(path)


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_missing_files_and_folders(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"a{extension}"
    assert _error(path) == "no such file"
    path.mkdir()
    assert _error(path) == "is a folder"


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_changed_byte_is_read_or_refused_in_one_line(tmp_path: Path, extension: str) -> None:
    path = written(tmp_path, plain((3, 4, 5)), extension)
    content = path.read_bytes()
    generator = np.random.default_rng(0)
    messages = []
    for place in generator.integers(0, min(len(content), 600), 60):
        damaged = bytearray(content)
        damaged[place] = generator.integers(256)
        path.write_bytes(damaged)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                read(path)
            except VolumeError as error:
                messages.append(str(error))
    assert not [message for message in messages if "\n" in message]
    # any byte is a good voxel
    assert extension == ".vox" or messages
