"""NIfTI files of other programs, and what is peculiar to ours."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters import Volume, VolumeError, read, write
from tests.converters.round_trip import plain, sample

DATA = np.arange(11 * 5 * 7, dtype=np.int16).reshape(11, 5, 7)


def _foreign(
    folder: Path, data: np.ndarray, affine: Any = None, name: str = "a.nii", version: int = 1
) -> Volume:
    import nibabel

    kind = nibabel.Nifti1Image if version == 1 else nibabel.Nifti2Image
    nibabel.save(kind(data, np.eye(4) if affine is None else affine), folder / name)
    return read(folder / name)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_axes_and_affine(tmp_path: Path, name: str, version: int) -> None:
    affine = np.array([[-2, 0, 0, 1], [0, 3, 0, 2], [0, 0, 4, 3], [0, 0, 0, 1]], float)
    volume = _foreign(tmp_path, DATA, affine, name, version)
    np.testing.assert_array_equal(volume.data, DATA.T)
    np.testing.assert_array_equal(volume.affine, np.diag([-1, -1, 1, 1]) @ affine)


def test_sheared_affine_is_kept_as_it_is(tmp_path: Path) -> None:
    affine = np.array([[2, 1, 0, 0], [0, 3, 0, 0], [0, 0.5, 4, 0], [0, 0, 0, 1]], float)
    volume = _foreign(tmp_path, DATA, affine)
    np.testing.assert_allclose(volume.affine, np.diag([-1, -1, 1, 1]) @ affine, rtol=1e-6, atol=1e-6)
    write(volume, tmp_path / "b.nii")
    np.testing.assert_allclose(read(tmp_path / "b.nii").affine, volume.affine, rtol=1e-6, atol=1e-6)


def test_sform_goes_before_qform_as_in_nibabel(tmp_path: Path) -> None:
    import nibabel

    image = nibabel.Nifti1Image(DATA, None)
    image.set_sform(np.diag([2, 3, 4, 1]), 2)
    image.set_qform(np.diag([5, 6, 7, 1]), 1)
    nibabel.save(image, tmp_path / "both.nii")
    image.set_sform(None, 0)
    nibabel.save(image, tmp_path / "qform.nii")
    assert read(tmp_path / "both.nii").spacing == (2, 3, 4)
    assert read(tmp_path / "qform.nii").spacing == (5, 6, 7)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((11, 5), (1, 5, 11)),
        ((11, 5, 7, 1), (7, 5, 11)),
        ((11, 5, 1, 1, 1), (1, 5, 11)),
        ((11, 5, 1, 7), (7, 1, 5, 11)),
        ((11, 5, 1, 7, 1), (7, 1, 5, 11)),
    ],
)
def test_numbers_of_axes(tmp_path: Path, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    data = DATA.ravel()[: int(np.prod(shape))].reshape(shape, order="F")
    volume = _foreign(tmp_path, data)
    assert volume.data.shape == expected
    np.testing.assert_array_equal(volume.data, data.T.reshape(expected))


def test_slope_and_intercept_are_applied_once(tmp_path: Path) -> None:
    import nibabel

    image = nibabel.Nifti1Image(DATA, np.eye(4))
    image.header.set_slope_inter(0.5, -3)
    nibabel.save(image, tmp_path / "a.nii")
    volume = read(tmp_path / "a.nii")
    np.testing.assert_array_equal(volume.data, DATA.T * 0.5 - 3)
    assert volume.encoding is not None
    assert (volume.encoding.dtype, volume.encoding.slope, volume.encoding.intercept) == ("int16", 0.5, -3)


def test_slope_of_zero_means_no_scale(tmp_path: Path) -> None:
    _foreign(tmp_path, DATA)
    path = tmp_path / "a.nii"
    content = bytearray(path.read_bytes())
    content[112:120] = bytes(8)
    path.write_bytes(content)
    np.testing.assert_array_equal(read(path).data, DATA.T)


def test_header_values_win_over_the_document(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    write(plain((7, 5, 11)), path, "uint8")
    before = read(path)
    assert before.encoding is not None
    content = bytearray(path.read_bytes())
    content[112:116] = np.float32(2 * before.encoding.slope).tobytes()
    path.write_bytes(content)
    after = read(path)
    assert after.encoding is not None
    assert after.encoding.slope == 2 * before.encoding.slope


def test_other_comments_do_not_matter(tmp_path: Path) -> None:
    import nibabel

    image = nibabel.Nifti1Image(DATA, np.eye(4))
    for text in (b"made by hand", b"{}"):
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension(6, text))
    nibabel.save(image, tmp_path / "a.nii")
    assert read(tmp_path / "a.nii").name == "values"


def test_gzip_header_has_neither_name_nor_time(tmp_path: Path) -> None:
    write(sample((7, 5, 11)), tmp_path / "a.nii.gz")
    content = (tmp_path / "a.nii.gz").read_bytes()
    flags, time = content[3], content[4:8]
    assert (flags, time) == (0, bytes(4))
    write(sample((7, 5, 11)), tmp_path / "a.nii")
    assert gzip.decompress(content) == (tmp_path / "a.nii").read_bytes()


def test_long_axes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        VolumeError, match=r"a\.nii: NIfTI-1 holds at most 32767 voxels along an axis, not 40000"
    ):
        write(Volume(np.zeros((40000, 1, 2))), tmp_path / "a.nii")
