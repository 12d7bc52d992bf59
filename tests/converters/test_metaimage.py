"""MetaImages of other programs, and the header of ours."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from converters import read, write
from tests.converters.round_trip import plain, sample

DATA = np.arange(7 * 5 * 11, dtype="<i2").reshape(7, 5, 11)
HEAD = "ObjectType = Image\nNDims = 3\nBinaryData = True\nDimSize = 11 5 7\n"


def _file(folder: Path, header: str, data: bytes, name: str = "a.mha") -> Path:
    path = folder / name
    path.write_bytes(header.encode() + data)
    return path


def _by_itk(path: Path) -> np.ndarray:
    import SimpleITK

    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))


def _by_vtk(path: Path) -> np.ndarray:
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOImage import vtkMetaImageReader

    reader = vtkMetaImageReader()
    reader.SetFileName(str(path))
    reader.Update()
    image = reader.GetOutput()
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])


def test_header(tmp_path: Path) -> None:
    write(plain((7, 5, 11)).replace(direction=(0, 1, 0, 0, 0, 1, 1, 0, 0)), tmp_path / "a.mhd", "uint16")
    lines = (tmp_path / "a.mhd").read_text().splitlines()
    assert lines[:10] == [
        "ObjectType = Image",
        "NDims = 3",
        "BinaryData = True",
        "BinaryDataByteOrderMSB = False",
        "CompressedData = False",
        "TransformMatrix = 0 0 1 1 0 0 0 1 0",
        "Offset = 0.14285714285714285 -20.5 3e-09",
        "CenterOfRotation = 0 0 0",
        "ElementSpacing = 0.5 0.3333333333333333 2.25",
        "DimSize = 11 5 7",
    ]
    assert lines[-2:] == ["ElementType = MET_USHORT", "ElementDataFile = a.raw"]
    assert (tmp_path / "a.raw").stat().st_size == 7 * 5 * 11 * 2


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("extension", [".mha", ".mhd"])
def test_what_itk_writes(tmp_path: Path, extension: str, compress: bool) -> None:
    import SimpleITK

    volume = sample((7, 5, 11))
    image = SimpleITK.GetImageFromArray(volume.data)
    image.SetSpacing(volume.spacing)
    image.SetOrigin(volume.origin)
    image.SetDirection(volume.direction)
    SimpleITK.WriteImage(image, str(tmp_path / f"a{extension}"), useCompression=compress)
    found = read(tmp_path / f"a{extension}")
    np.testing.assert_array_equal(found.data, volume.data)
    # ITK prints six digits
    np.testing.assert_allclose(found.affine, volume.affine, rtol=0, atol=1e-5)


def test_big_endian_and_compressed_data(tmp_path: Path) -> None:
    tail = "ElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    big = _file(tmp_path, f"{HEAD}BinaryDataByteOrderMSB = True\n{tail}", DATA.astype(">i2").tobytes())
    np.testing.assert_array_equal(read(big).data, DATA)
    packed = zlib.compress(DATA.tobytes())
    head = f"{HEAD}CompressedData = True\nCompressedDataSize = {len(packed)}\n"
    np.testing.assert_array_equal(read(_file(tmp_path, head + tail, packed)).data, DATA)


@pytest.mark.parametrize("reader", [_by_itk, _by_vtk])
def test_names_of_layers_are_no_patterns(tmp_path: Path, reader: Callable[[Path], np.ndarray]) -> None:
    volume = sample((7, 5, 11))
    path = write(volume, tmp_path / "model-my%5Fnet_img-a_layer-%2Fconv1%2FConv_act.mhd")[0]
    np.testing.assert_array_equal(reader(path), volume.data)


def test_its_own_value_scale_is_applied(tmp_path: Path) -> None:
    fields = "ElementToIntensityFunctionSlope = 0.5\nElementToIntensityFunctionOffset = -3\n"
    path = _file(
        tmp_path, f"{HEAD}{fields}ElementType = MET_SHORT\nElementDataFile = LOCAL\n", DATA.tobytes()
    )
    np.testing.assert_array_equal(read(path).data, DATA * 0.5 - 3)


@pytest.mark.parametrize(
    "kind", ["CHAR", "UCHAR", "SHORT", "USHORT", "INT", "UINT", "LONG", "ULONG", "FLOAT", "DOUBLE"]
)
@pytest.mark.parametrize(
    "fields",
    [
        "",
        "TransformMatrix = 0 1 0 0 0 1 1 0 0\nOffset = 4 5 6\nElementSpacing = 2 3 4\n",
        "Rotation = 0 1 0 0 0 1 1 0 0\nPosition = 4 5 6\n",
        "Orientation = 0 1 0 0 0 1 1 0 0\nOrigin = 4 5 6\n",
        "ElementByteOrderMSB = True\n",
        "HeaderSize = -1\n",
        "HeaderSize = 0\nAnatomicalOrientation = RAI\nElementSize = 7 8 9\n",
        "BinaryData = False\n",
        "CompressedData = True\n",
    ],
    ids=lambda fields: fields.partition("=")[0],
)
def test_headers_are_understood_as_in_itk(tmp_path: Path, fields: str, kind: str) -> None:
    import SimpleITK

    types = {"CHAR": "i1", "SHORT": "i2", "INT": "i4", "LONG": "i4", "FLOAT": "f4", "DOUBLE": "f8"}
    dtype = types.get(kind) or types[kind.removeprefix("U")].replace("i", "u")
    data = (DATA % 100).astype((">" if "MSB" in fields else "<") + dtype)
    content = data.tobytes()
    if "BinaryData = False" in fields:
        content = (" ".join(map(str, data.ravel().tolist())) + "\n").encode()
    if "CompressedData" in fields:
        content = zlib.compress(content)
        fields += f"CompressedDataSize = {len(content)}\n"
    head = "ObjectType = Image\nNDims = 3\nDimSize = 11 5 7\n"
    # ITK takes ascii data and data at the end of a file from a file of their own only
    (tmp_path / "data.bin").write_bytes(content)
    tail = f"ElementType = MET_{kind}\nElementDataFile = data.bin\n"
    path = _file(
        tmp_path,
        head + ("" if "BinaryData" in fields else "BinaryData = True\n") + fields + tail,
        b"",
        "a.mhd",
    )
    volume = read(path)
    np.testing.assert_array_equal(volume.data, data)
    image = SimpleITK.ReadImage(str(path))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), volume.data)
    assert (image.GetSpacing(), image.GetOrigin()) == (volume.spacing, volume.origin)
    np.testing.assert_array_equal(image.GetDirection(), volume.direction)


def test_picture_becomes_one_slice(tmp_path: Path) -> None:
    head = "ObjectType = Image\nNDims = 2\nDimSize = 11 5\nElementSpacing = 2 3\nOffset = 4 5\n"
    path = _file(tmp_path, f"{head}ElementType = MET_SHORT\nElementDataFile = LOCAL\n", DATA[0].tobytes())
    volume = read(path)
    np.testing.assert_array_equal(volume.data, DATA[:1])
    assert (volume.spacing, volume.origin) == ((2, 3, 1), (4, 5, 0))


def test_data_below_the_header_are_found(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.raw").write_bytes(DATA.tobytes())
    path = _file(tmp_path, f"{HEAD}ElementType = MET_SHORT\nElementDataFile = data/a.raw\n", b"", "a.mhd")
    np.testing.assert_array_equal(read(path).data, DATA)
