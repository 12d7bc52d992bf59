"""What programs that we did not write read from our files: values, shape and geometry."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters import Encoding, Volume, format_of, write
from tests.converters.round_trip import DTYPES, plain, sample, written
from tests.helpers import require

# the viewers are sensitive to widths below 10; 10 and 11 must not be disturbed by the cure
SHAPES = [(7, 5, 11), (11, 5, 10), (5, 11, 9), (11, 5, 7), (5, 7, 1)]
ITK_EXTENSIONS = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd", ".vtk")
VTK_EXTENSIONS = (".nrrd", ".nhdr", ".mha", ".mhd", ".vti", ".vtk", ".hdf", ".vtkhdf")


def _for(extension: str, shape: tuple[int, ...]) -> Volume:
    return plain(shape) if extension == ".vtk" else sample(shape)


def _stored(volume: Volume, dtype: str) -> np.ndarray:
    return Encoding.fit(volume.data, dtype).encode(volume.data)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("extension", ITK_EXTENSIONS)
def test_itk(tmp_path: Path, extension: str, shape: tuple[int, int, int], dtype: str) -> None:
    import SimpleITK

    volume = _for(extension, shape)
    image = SimpleITK.ReadImage(str(written(tmp_path, volume, extension, dtype)))
    assert (image.GetSize(), image.GetNumberOfComponentsPerPixel()) == (volume.size, 1)
    found = SimpleITK.GetArrayFromImage(image)
    if format_of(f"a{extension}").viewer_scales:
        encoding = Encoding.fit(volume.data, dtype)
        # ITK scales in float32
        np.testing.assert_allclose(found, encoding.decode(encoding.encode(volume.data)), rtol=1e-6, atol=1e-5)
    else:
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, _stored(volume, dtype))
    relative = 1e-6 if extension.startswith(".nii") else 1e-14
    np.testing.assert_allclose(image.GetSpacing(), volume.spacing, rtol=relative)
    np.testing.assert_allclose(image.GetOrigin(), volume.origin, rtol=relative, atol=relative)
    np.testing.assert_allclose(image.GetDirection(), volume.direction, rtol=0, atol=relative)


@pytest.mark.parametrize("extension", [".nrrd", ".mha"])
def test_itk_sees_the_document_as_metadata(tmp_path: Path, extension: str) -> None:
    import json

    import SimpleITK

    volume = sample((7, 5, 11))
    image = SimpleITK.ReadImage(str(written(tmp_path, volume, extension)))
    key = "cnnvis" if extension == ".nrrd" else "CnnVis0"
    assert json.loads(image.GetMetaData(key))["facts"] == dict(volume.facts)


def _vtk_reader(extension: str) -> Any:
    from vtkmodules import vtkIOHDF, vtkIOImage, vtkIOLegacy, vtkIOXML

    readers: dict[str, Callable[[], Any]] = {
        ".nrrd": vtkIOImage.vtkNrrdReader,
        ".nhdr": vtkIOImage.vtkNrrdReader,
        ".mha": vtkIOImage.vtkMetaImageReader,
        ".mhd": vtkIOImage.vtkMetaImageReader,
        ".vti": vtkIOXML.vtkXMLImageDataReader,
        ".vtk": vtkIOLegacy.vtkStructuredPointsReader,
        ".hdf": vtkIOHDF.vtkHDFReader,
        ".vtkhdf": vtkIOHDF.vtkHDFReader,
    }
    return readers[extension]()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("extension", VTK_EXTENSIONS)
def test_vtk(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    extension: str,
    shape: tuple[int, int, int],
    dtype: str,
) -> None:
    from vtkmodules.util.numpy_support import vtk_to_numpy

    volume = _for(extension, shape)
    reader = _vtk_reader(extension)
    reader.SetFileName(str(written(tmp_path, volume, extension, dtype)))
    reader.Update()
    image = reader.GetOutput()
    data = image.GetPointData()
    array = data.GetArray(0)
    assert data.GetNumberOfArrays() == 1
    assert (image.GetDimensions(), array.GetNumberOfComponents()) == (volume.size, 1)
    found = vtk_to_numpy(array).reshape(shape)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, _stored(volume, dtype))
    np.testing.assert_allclose(image.GetSpacing(), volume.spacing, rtol=1e-14)
    np.testing.assert_allclose(image.GetOrigin(), volume.origin, rtol=1e-14)
    # VTK takes only the lengths of NRRD's directions, and MetaImage's not at all (to 9.6) or transposed (9.7)
    if extension in (".vti", ".vtk", ".hdf", ".vtkhdf"):
        matrix = image.GetDirectionMatrix()
        found_direction = [matrix.GetElement(row, column) for row in range(3) for column in range(3)]
        np.testing.assert_allclose(found_direction, volume.direction, rtol=0, atol=1e-14)
        assert array.GetName() == volume.name
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("extension", [".vti", ".vtk", ".hdf"])
def test_vtk_shows_frames_as_arrays(tmp_path: Path, extension: str) -> None:
    from vtkmodules.util.numpy_support import vtk_to_numpy

    volume = plain((3, 7, 5, 11)).replace(labels=("step 0", "step 10", "step 200"))
    reader = _vtk_reader(extension)
    if extension == ".vtk":
        reader.ReadAllScalarsOn()
    reader.SetFileName(str(written(tmp_path, volume, extension)))
    reader.Update()
    data = reader.GetOutput().GetPointData()
    assert data.GetNumberOfArrays() == 3
    for label, frame in zip(volume.labels, volume.data, strict=True):
        np.testing.assert_array_equal(vtk_to_numpy(data.GetArray(label)).reshape(7, 5, 11), frame)


def test_vtk_shows_the_first_frame_of_a_nrrd_sequence(tmp_path: Path) -> None:
    from vtkmodules.util.numpy_support import vtk_to_numpy

    volume = sample((3, 7, 5, 11))
    reader = _vtk_reader(".nrrd")
    reader.SetFileName(str(written(tmp_path, volume, ".nrrd")))
    reader.Update()
    scalars = reader.GetOutput().GetPointData().GetScalars()
    assert scalars.GetName()
    np.testing.assert_array_equal(vtk_to_numpy(scalars).reshape(7, 5, 11), volume.data[0])


def test_itk_sees_frames_of_nrrd_as_components(tmp_path: Path) -> None:
    import SimpleITK

    volume = sample((3, 7, 5, 11))
    image = SimpleITK.ReadImage(str(written(tmp_path, volume, ".nrrd")))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), np.moveaxis(volume.data, 0, -1))


def test_itk_sees_frames_of_nifti_as_fourth_axis(tmp_path: Path) -> None:
    import SimpleITK

    volume = sample((3, 7, 5, 11))
    image = SimpleITK.ReadImage(str(written(tmp_path, volume, ".nii.gz")))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), volume.data)
    np.testing.assert_allclose(image.GetOrigin()[:3], volume.origin, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("extension", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_nibabel(tmp_path: Path, extension: str, dtype: str) -> None:
    import nibabel

    volume = sample((7, 5, 11))
    image = nibabel.load(written(tmp_path, volume, extension, dtype))
    encoding = Encoding.fit(volume.data, dtype)
    np.testing.assert_array_equal(image.dataobj.get_unscaled().T, encoding.encode(volume.data))
    # float64 here, float32 there
    np.testing.assert_allclose(image.get_fdata().T, encoding.decode(encoding.encode(volume.data)), rtol=1e-6)
    assert image.get_data_dtype() == dtype
    assert (image.header["sform_code"], image.header["qform_code"]) == (1, 1)
    assert image.header.get_xyzt_units()[0] == "mm"
    expected = np.diag([-1, -1, 1, 1]) @ volume.affine
    for affine in (image.get_sform(), image.get_qform()):
        np.testing.assert_allclose(affine, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("extension", [".nrrd", ".nhdr"])
@pytest.mark.parametrize("width", [7, 11])
def test_pynrrd(tmp_path: Path, extension: str, width: int) -> None:
    import nrrd

    volume = sample((7, 5, width))
    data, header = nrrd.read(str(written(tmp_path, volume, extension, "int16")), index_order="C")
    lead = [1] if width <= 9 else []
    assert header["sizes"].tolist() == [*lead, width, 5, 7]
    assert header["space"] == "left-posterior-superior"
    np.testing.assert_array_equal(data.reshape(volume.data.shape), _stored(volume, "int16"))
    np.testing.assert_allclose(header["space directions"][-3:], volume.affine[:3, :3].T, rtol=0, atol=1e-15)
    np.testing.assert_allclose(header["space origin"], volume.origin)


@pytest.mark.parametrize("shape", [(7, 5, 11), (7, 5, 3), (2, 5, 7, 11)], ids=str)
@pytest.mark.parametrize("extension", [".nrrd", ".nhdr"])
def test_teem(tmp_path: Path, extension: str, shape: tuple[int, ...]) -> None:
    unu = shutil.which("teem-unu") or shutil.which("unu")
    require(unu, "unu of teem-apps")
    volume = sample(shape)
    path = written(tmp_path, volume, extension)
    copy = tmp_path / "copy.nrrd"
    command = [str(unu), "save", "-f", "nrrd", "-e", "ascii", "-i", str(path), "-o", str(copy)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stderr == ""
    header, _, numbers = copy.read_text().partition("\n\n")
    # unu prints nine digits
    np.testing.assert_allclose(np.array(numbers.split(), np.float32).reshape(shape), volume.data, rtol=1e-7)
    fields = dict(line.split(": ", 1) for line in header.splitlines() if ": " in line and ":=" not in line)
    lead = ["1"] if shape[-1] <= 9 else []
    assert fields["sizes"].split() == [*lead, *map(str, shape[::-1])]
    assert fields["space"] == "left-posterior-superior"
    vectors = [eval(vector) for vector in fields["space directions"].split() if vector != "none"]
    np.testing.assert_allclose(vectors, volume.affine[:3, :3].T, rtol=0, atol=1e-15)
    assert "cnnvis:=" in header


@pytest.mark.parametrize("extension", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_nifti_tool(tmp_path: Path, extension: str, dtype: str) -> None:
    tool = shutil.which("nifti_tool")
    require(tool, "nifti_tool of nifti-bin")
    volume = sample((7, 5, 11))
    path = written(tmp_path, volume, extension, dtype)
    check = subprocess.run(
        [str(tool), "-check_hdr", "-check_nim", "-infiles", str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert check.stdout.count("IS GOOD") == 2
    line = ["-quiet", "-disp_ci", "10", "4", "-1", "-1", "-1", "-1", "-1"]
    shown = subprocess.run(
        [str(tool), *line, "-infiles", str(path)], capture_output=True, text=True, check=True
    )
    # nifti_tool prints stored numbers, with six digits
    np.testing.assert_allclose(
        np.array(shown.stdout.split(), float), _stored(volume, dtype)[:, 4, 10], rtol=1e-5
    )


def test_raw_bytes_of_cgv(tmp_path: Path) -> None:
    volume = sample((7, 5, 11))
    path = tmp_path / "a.vox"
    write(volume, path)
    voxels = path.read_bytes()
    stored = _stored(volume, "uint8")
    width, height, depth = 11, 5, 7
    assert len(voxels) == width * height * depth
    for x, y, z in [(0, 0, 0), (10, 0, 0), (0, 4, 0), (0, 0, 6), (3, 1, 5)]:
        assert voxels[x + width * y + width * height * z] == stored[z, y, x]
