"""Finding and naming files that hold inputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from extract.errors import ImageError
from extract.sources import ImageSource, find_images


def _touch(folder: Path, *names: str) -> list[Path]:
    """Make files that are never opened."""
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return paths


def _names(paths: list[Path]) -> list[str]:
    return [source.name for source in find_images(paths)]


def test_files_keep_their_order_and_get_their_stems(tmp_path: Path) -> None:
    paths = _touch(tmp_path, "b.png", "a.jpeg", "c.v2.tif", "scan.nii.gz", "array.npy", "brain.NRRD")
    assert _names(paths) == ["b", "a", "c.v2", "scan", "array", "brain"]
    assert [source.path for source in find_images(paths)] == paths


def test_kinds(tmp_path: Path) -> None:
    paths = _touch(tmp_path, "a.NPY", "b.nii", "c.nii.gz", "d.nhdr", "e.png", "f", "g.gz")
    kinds = [source.kind for source in find_images(paths)]
    assert kinds == ["array", "volume", "volume", "volume", "picture", "picture", "picture"]


def test_folders_in_natural_order(tmp_path: Path) -> None:
    _touch(
        tmp_path, "img10.png", "img2.png", "IMG1.jpg", "img2b.png", "img02.png", "9.png", "10.png", "a.png"
    )
    assert _names([tmp_path]) == ["9", "10", "a", "IMG1", "img02", "img2", "img2b", "img10"]


def test_folders_leave_out_what_is_no_input(tmp_path: Path) -> None:
    wanted = _touch(tmp_path, "a.PNG", "b.npy", "c.mha")
    _touch(
        tmp_path,
        ".hidden.png",
        "._a.png",
        "notes.txt",
        "a.png.json",
        "model.onnx",
        "out.hdf",
        "x.vox",
        "y.eps",
    )
    _touch(tmp_path, "deeper/d.png", "folder.png/e.txt")
    assert [source.path for source in find_images([tmp_path])] == wanted


def test_a_file_counts_once(tmp_path: Path) -> None:
    a, b = _touch(tmp_path, "a.png", "b.png")
    _touch(tmp_path, "deeper/c.png")
    found = find_images([b, tmp_path, a, tmp_path / "deeper" / ".." / "a.png"])
    assert [source.name for source in found] == ["b", "a"]


def test_links_keep_their_own_names(tmp_path: Path) -> None:
    (target,) = _touch(tmp_path, "store/0f3a")
    for name in ("cat.png", "copy.png"):
        (tmp_path / name).symlink_to(target)
    assert _names([tmp_path / "cat.png", tmp_path / "copy.png"]) == ["cat", "copy"]


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["cat.png", "cat.jpg", "dog.png"], ["cat.png", "cat.jpg", "dog"]),
        (["Cat.png", "cat.jpg"], ["Cat.png", "cat.jpg"]),
        (["x/cat.png", "y/cat.png"], ["x/cat.png", "y/cat.png"]),
        (["x/cat.png", "y/cat.jpg"], ["cat.png", "cat.jpg"]),
        (["x/cat.png", "y/cat.png", "y/cat.jpg"], ["x/cat.png", "y/cat.png", "cat.jpg"]),
        (["x/a/cat.png", "y/a/cat.png", "y/b/cat.png"], ["x/a/cat.png", "y/a/cat.png", "b/cat.png"]),
        # one file's name is another one's stem
        (["x/cat.png", "cat.jpg", "cat.png.gif"], ["x/cat.png", "cat.jpg", "cat.png.gif"]),
        (["a.nii", "a.nii.gz", "a.mha"], ["a.nii", "a.nii.gz", "a.mha"]),
    ],
)
def test_names_are_unique_and_short(tmp_path: Path, files: list[str], names: list[str]) -> None:
    assert _names(_touch(tmp_path, *files)) == names


def test_what_cannot_be_found(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"cat\.png: no such file"):
        find_images([tmp_path / "cat.png"])
    with pytest.raises(ImageError, match=r"no picture, \.npy file or volume in this folder"):
        find_images([tmp_path])
    with pytest.raises(ImageError, match="no image is given"):
        find_images([])


def test_a_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ImageError, match=r"cannot be read \(Permission denied\)"):
        find_images([tmp_path])


def test_a_source_is_plain(tmp_path: Path) -> None:
    assert find_images(_touch(tmp_path, "a.png")) == [ImageSource(tmp_path / "a.png", "a")]
