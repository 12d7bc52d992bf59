"""One binary with several headers."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import numpy as np
import pytest

from converters import CnnVisWarning, VolumeError, format_of, read, write
from tests.converters.round_trip import DTYPES, sample
from tests.helpers import ROOT


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


def test_formats_tell_which_headers_they_share() -> None:
    assert list(format_of("a.vox").headers) == ["mhd", "nhdr"]
    assert not format_of("a.nrrd").headers


def _imports(module: Path) -> set[str]:
    """Return the modules of its own room that a module imports, inside functions too."""
    found = [node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.ImportFrom)]
    near = [node for node in found if node.level == 1]
    return {
        name for node in near for name in ([node.module] if node.module else [a.name for a in node.names])
    }


def test_modules_import_each_other_in_no_circle() -> None:
    modules = [file for file in (ROOT / "converters").glob("*.py") if file.stem != "__init__"]
    order = list(TopologicalSorter({file.stem: _imports(file) for file in modules}).static_order())
    assert order.index("registry") < order.index("metaimage") < order.index("shared_binary")


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


def test_a_header_that_no_longer_fits_is_removed(tmp_path: Path) -> None:
    write(sample((7, 5, 11)), tmp_path / "a.vox", "uint8", headers=("mhd", "nhdr"))
    with pytest.warns(CnnVisWarning, match=r"a\.mhd: removed, as the data file that it shared was replaced"):
        paths = write(sample((3, 4, 11)), tmp_path / "a.vox", "float32", headers=("nhdr",))
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    np.testing.assert_array_equal(read(tmp_path / "a.nhdr").data, read(tmp_path / "a.vox").data)
    with pytest.warns(CnnVisWarning, match=r"a\.nhdr: removed"):
        write(sample((3, 4, 11)), tmp_path / "a.hd", "uint8")
    assert not (tmp_path / "a.nhdr").exists()


def test_headers_that_fit_or_are_not_over_the_binary_stay(tmp_path: Path) -> None:
    write(sample((7, 5, 11)), tmp_path / "a.vox", headers=("mhd",))
    write(sample((7, 5, 11)), tmp_path / "a.vox")
    assert (tmp_path / "a.mhd").is_file()
    write(sample((7, 5, 11)), tmp_path / "b%5F.mhd")
    (tmp_path / "b%5F.nhdr").write_bytes(b"NRRD0005\ndata file: b%5F.vox\n\n")
    write(sample((3, 4, 11)), tmp_path / "b%5F.vox")
    assert read(tmp_path / "b%5F.mhd").size == (11, 5, 7)
    assert (tmp_path / "b%5F.nhdr").is_file()


def test_the_binary_is_shared_under_its_headers_name_too(tmp_path: Path) -> None:
    write(sample((7, 5, 11)), tmp_path / "a.hd", headers=("mhd",))
    assert (tmp_path / "a.mhd").read_bytes().endswith(b"ElementDataFile = a.vox\n")
    np.testing.assert_array_equal(read(tmp_path / "a.mhd").data, read(tmp_path / "a.hd").data)


def test_other_formats_share_no_binary(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match=r"a\.nrrd: further headers need a \.vox or \.hd file"):
        write(sample((7, 5, 11)), tmp_path / "a.nrrd", headers=("mhd",))
