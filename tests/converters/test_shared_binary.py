"""One binary with several headers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from converters import VolumeError, read, write
from tests.converters.round_trip import DTYPES, sample


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", [7, 11])
def test_every_header_gives_the_same_volume(tmp_path: Path, width: int, dtype: str) -> None:
    volume = sample((7, 5, width))
    paths = write(volume, tmp_path / "a.vox", dtype, headers=("mhd", "nhdr"))
    assert [path.name for path in paths] == ["a.vox", "a.hd", "a.mhd", "a.nhdr", "a.vox.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in paths)
    first, *others = (read(tmp_path / f"a.{extension}") for extension in ("vox", "hd", "mhd", "nhdr"))
    for other in others:
        np.testing.assert_array_equal(other.data, first.data)
        assert other.encoding == first.encoding
        np.testing.assert_allclose(other.affine, volume.affine, rtol=1e-14, atol=1e-14)
        assert (other.name, other.labels, other.facts) == (volume.name, volume.labels, volume.facts)


@pytest.mark.parametrize("width", [7, 11])
@pytest.mark.parametrize("extension", ["mhd", "nhdr"])
def test_itk_reads_the_shared_binary(tmp_path: Path, extension: str, width: int) -> None:
    import SimpleITK

    volume = sample((7, 5, width))
    write(volume, tmp_path / "a.vox", headers=(extension,))
    image = SimpleITK.ReadImage(str(tmp_path / f"a.{extension}"))
    assert SimpleITK.GetArrayFromImage(image).tobytes() == (tmp_path / "a.vox").read_bytes()
    np.testing.assert_allclose(image.GetDirection(), volume.direction, rtol=0, atol=1e-14)


def test_unknown_header_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="unknown header 'hdr': choose of mhd, nhdr"):
        write(sample((7, 5, 11)), tmp_path / "a.vox", headers=("hdr",))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "header"), [("a%2Fb.vox", "mhd"), ("a%3d.vox", "nhdr"), ("LIST.vox", "nhdr")]
)
def test_names_that_headers_misunderstand_are_refused(tmp_path: Path, name: str, header: str) -> None:
    with pytest.raises(VolumeError, match=rf"a header \.{header} takes this name for that of several files"):
        write(sample((7, 5, 11)), tmp_path / name, headers=(header,))
    assert not list(tmp_path.iterdir())


def test_other_formats_share_no_binary(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match=r"a\.nrrd: further headers need a \.vox file"):
        write(sample((7, 5, 11)), tmp_path / "a.nrrd", headers=("mhd",))
