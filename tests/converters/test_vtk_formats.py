"""Files that VTK itself writes in its formats, and what is peculiar to ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters import CnnVisWarning, VolumeError, read, write
from tests.converters.round_trip import plain, sample, written

DATA = np.arange(7 * 5 * 11, dtype=np.float32).reshape(7, 5, 11)


def _image(**arrays: np.ndarray) -> Any:
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkImageData

    image = vtkImageData()
    image.SetDimensions(11, 5, 7)
    image.SetSpacing(2, 3, 4)
    image.SetOrigin(5, 6, 7)
    for name, values in arrays.items():
        array = numpy_to_vtk(values.reshape(7 * 5 * 11, -1), deep=True)
        array.SetName(name)
        image.GetPointData().AddArray(array)
    return image


def _save(image: Any, path: Path, **settings: Any) -> Path:
    from vtkmodules.vtkIOHDF import vtkHDFWriter
    from vtkmodules.vtkIOLegacy import vtkStructuredPointsWriter
    from vtkmodules.vtkIOXML import vtkXMLImageDataWriter

    writers = {".vti": vtkXMLImageDataWriter, ".vtk": vtkStructuredPointsWriter, ".vtkhdf": vtkHDFWriter}
    writer = writers[path.suffix]()
    writer.SetFileName(str(path))
    writer.SetInputData(image)
    for setting, value in settings.items():
        getattr(writer, setting)(*value)
    writer.Write()
    return path


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "f4", "f8"])
@pytest.mark.parametrize("extension", [".vti", ".vtk", ".vtkhdf"])
def test_what_vtk_writes(tmp_path: Path, extension: str, dtype: str) -> None:
    data = (DATA % 100).astype(dtype)
    volume = read(_save(_image(conv=data), tmp_path / f"a{extension}"))
    np.testing.assert_array_equal(volume.data, data)
    assert (volume.name, volume.spacing, volume.origin) == ("conv", (2, 3, 4), (5, 6, 7))
    assert volume.encoding is not None
    assert volume.encoding.dtype == np.dtype(dtype).name


@pytest.mark.parametrize("compressor", ["None", "ZLib", "LZ4", "LZMA"])
@pytest.mark.parametrize("mode", ["Ascii", "Binary", "Appended"])
@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("word", ["UInt32", "UInt64"])
def test_all_encodings_of_vti(tmp_path: Path, compressor: str, mode: str, raw: bool, word: str) -> None:
    settings = {
        f"SetCompressorTypeTo{compressor}": (),
        f"SetDataModeTo{mode}": (),
        "SetEncodeAppendedData": (not raw,),
        f"SetHeaderTypeTo{word}": (),
    }
    path = _save(_image(conv=DATA), tmp_path / "a.vti", **settings)
    np.testing.assert_array_equal(read(path).data, DATA)


@pytest.mark.parametrize("compressor", ["ZLib", "LZ4", "LZMA"])
def test_damaged_compressed_data_are_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], compressor: str
) -> None:
    settings: dict[str, Any] = {f"SetCompressorTypeTo{compressor}": (), "SetEncodeAppendedData": (False,)}
    path = _save(_image(conv=DATA % 3), tmp_path / "a.vti", **settings)
    content = bytearray(path.read_bytes())
    middle = (content.index(b"_", content.index(b"AppendedData")) + len(content)) // 2
    content[middle:] = b"\xff" * (len(content) - middle)
    path.write_bytes(content)
    with pytest.raises(VolumeError):
        read(path)
    assert capfd.readouterr().err == ""


def test_big_endian_vti(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"SetByteOrderToBigEndian": (), "SetEncodeAppendedData": (False,)}
    path = _save(_image(conv=DATA), tmp_path / "a.vti", **settings)
    np.testing.assert_array_equal(read(path).data, DATA)


def test_ascii_legacy_file(tmp_path: Path) -> None:
    path = _save(_image(conv=DATA), tmp_path / "a.vtk", SetFileTypeToASCII=())
    np.testing.assert_array_equal(read(path).data, DATA)


def test_extent_that_does_not_begin_at_zero_moves_the_origin(tmp_path: Path) -> None:
    image = _image(conv=DATA)
    image.SetExtent(3, 13, -2, 2, 10, 16)
    image.SetDirectionMatrix(0, 1, 0, 1, 0, 0, 0, 0, 1)
    volume = read(_save(image, tmp_path / "a.vti"))
    # x counts along y and the other way round
    assert volume.origin == (5 + 3 * -2, 6 + 2 * 3, 7 + 4 * 10)
    assert read(_save(image, tmp_path / "a.vtkhdf")).origin == volume.origin


@pytest.mark.parametrize("extension", [".vti", ".vtk", ".vtkhdf"])
def test_the_choice_among_arrays_is_told(tmp_path: Path, extension: str) -> None:
    image = _image(colours=np.zeros((7, 5, 11, 3), np.float32), a=DATA + 1, b=DATA)
    image.GetPointData().SetActiveScalars("a")
    with pytest.warns(CnnVisWarning, match="read array 'a', one of a, b"):
        volume = read(_save(image, tmp_path / f"x{extension}"))
    np.testing.assert_array_equal(volume.data, DATA + 1)


@pytest.mark.parametrize("extension", [".vti", ".vtk", ".vtkhdf"])
def test_vectors_alone_are_refused(tmp_path: Path, extension: str) -> None:
    image = _image(colours=np.zeros((7, 5, 11, 3), np.float32))
    with pytest.raises(VolumeError, match="no array of one number a point"):
        read(_save(image, tmp_path / f"x{extension}"))


def test_missing_frame_is_told(tmp_path: Path) -> None:
    import h5py

    path = written(tmp_path, plain((2, 5, 7, 11)), ".hdf")
    with h5py.File(path, "a") as file:
        del file["VTKHDF/PointData/channel 7: x"]
    with pytest.raises(VolumeError, match="its frame 'channel 7: x' is missing"):
        read(path)


def test_direction_is_lost_with_a_warning_in_legacy_files(tmp_path: Path) -> None:
    with pytest.warns(CnnVisWarning, match=r"a\.vtk: legacy VTK files have no direction"):
        write(sample((7, 5, 11)), tmp_path / "a.vtk")
    assert read(tmp_path / "a.vtk").direction == (1, 0, 0, 0, 1, 0, 0, 0, 1)


@pytest.mark.parametrize(
    "name", ["conv_vector", "SCALARS", "my origin", "spacing%20", "tensors/aspect_ratio", "é"]
)
def test_itk_is_not_misled_by_names_in_legacy_files(tmp_path: Path, name: str) -> None:
    import SimpleITK

    volume = plain((7, 5, 11)).replace(name=name, facts={"vector": "scalars tensors origin 1 2 3"})
    path = written(tmp_path, volume, ".vtk")
    image = SimpleITK.ReadImage(str(path))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), volume.data)
    np.testing.assert_allclose(image.GetSpacing(), volume.spacing)
    np.testing.assert_allclose(image.GetOrigin(), volume.origin)
    assert read(path).name == name


def test_hdf_shapes(tmp_path: Path) -> None:
    import h5py

    expected = {
        (7, 5, 11): (7, 5, 11),
        (7, 5, 1): (7, 5, 1),
        (1, 5, 11): (5, 11),
        (7, 1, 1): (7,),
        (1, 1, 1): (1,),
    }
    for shape, stored in expected.items():
        with h5py.File(written(tmp_path, plain(shape), ".hdf")) as file:
            assert file["VTKHDF/PointData/conv1 relu"].shape == stored


def test_hdf_type_is_a_fixed_ascii_string(tmp_path: Path) -> None:
    import h5py

    with h5py.File(written(tmp_path, plain((7, 5, 11)), ".hdf")) as file:
        root = file["VTKHDF"]
        text = root.attrs.get_id("Type").get_type()
        assert not text.is_variable_str()
        assert text.get_cset() == h5py.h5t.CSET_ASCII
        assert root.attrs["Type"] == b"ImageData"
        assert root.attrs["Version"].tolist() == [1, 0]


def test_hdf_links_to_other_files_are_not_followed(tmp_path: Path) -> None:
    import h5py

    written(tmp_path, plain((7, 5, 11)), ".hdf")
    with h5py.File(tmp_path / "link.hdf", "w") as file:
        file["VTKHDF"] = h5py.ExternalLink("volume.hdf", "/VTKHDF")
    with pytest.raises(VolumeError, match="HDF5 file without VTKHDF in /"):
        read(tmp_path / "link.hdf")


@pytest.mark.parametrize("extension", [".hdf", ".vtkhdf"])
def test_flat_hdf_volumes_are_written_with_a_warning(tmp_path: Path, extension: str) -> None:
    with pytest.warns(CnnVisWarning, match=r"ParaView 5\.11 crashes on flat VTKHDF volumes; \.vti is safe"):
        write(plain((1, 5, 11)), tmp_path / f"a{extension}")


def test_no_rendering_module_is_loaded(tmp_path: Path) -> None:
    code = (
        "import sys; from converters import Volume, read, write; from pathlib import Path\n"
        "for name in ('a.vti', 'a.vtk'):\n"
        "    path = Path(sys.argv[1]) / name; write(Volume([[[1.0]]]), path); read(path)\n"
        "print([name for name in sys.modules if 'Rendering' in name])"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"
