"""Arrays of many pictures and their labels, in .npz, .npy and IDX files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import one_line, open_array, show_shape
from .errors import ImageError
from .idx import read_idx

# The names of pictures and labels in .npz files: ours, and those of Keras and others.
_PAIRS = (("images", "labels"), ("x", "y"), ("x_test", "y_test"))
# Types of arrays that hold labels, by numpy's letters; numbers must be whole.
_LABELS = "biufSU"


def read_pictures(path: Path, labels: Path | None) -> tuple[NDArray[Any], list[str], list[Path]]:
    """Return pictures, a label each, and the files that hold them, the labels' last.

    Parameters
    ----------
    path, labels : Path
        As `extract.labelled.read_labelled` takes them.

    Returns
    -------
    pictures : ndarray
        Real numbers, shape (N, ...), N at least 1.
    labels : list of str
        N labels, some perhaps empty.
    files : list of Path

    Raises
    ------
    ImageError
        If a file is missing or damaged, or its arrays are no pictures and labels.
    """
    values, named, files = _pair(path, labels)
    if not values.ndim:
        raise ImageError(f"{path}: holds a single number, and no pictures")
    if values.dtype.kind not in "biuf":
        raise ImageError(f"{path}: pictures are real numbers, not {values.dtype}")
    texts = _texts(files[-1], named, len(values))
    if not values.size:
        raise ImageError(f"{path}: holds no picture: its shape is {show_shape(values.shape)}")
    return values, texts, files


def _texts(path: Path, labels: NDArray[Any], count: int) -> list[str]:
    """Return labels as text, one a picture, of shape (N,), or (N, 1) as Keras has them."""
    wanted = f"{count} pictures need as many labels, whole numbers or text"
    has = f"an array of shape {show_shape(labels.shape)} and type {labels.dtype}"
    if labels.ndim == 2 and labels.shape[1] > 1 and len(labels) == count:
        raise ImageError(f"{path}: {wanted}, not {has}: of one-hot labels, argmax(axis=1) are the numbers")
    if labels.shape not in ((count,), (count, 1)) or labels.dtype.kind not in _LABELS:
        raise ImageError(f"{path}: {wanted}, not {has}")
    plain = labels.ravel()
    try:
        if plain.dtype.kind == "S":
            plain = np.char.decode(plain, "utf-8")
        if plain.dtype.kind == "U":
            return [text.strip() for text in plain.tolist()]
    # a SystemError is what numpy makes of numbers beyond Unicode
    except (ValueError, SystemError) as error:
        raise ImageError(f"{path}: labels are no text in Unicode ({one_line(error)})") from error
    if plain.dtype.kind == "f":
        broken = plain[~(np.isfinite(plain) & (plain == np.rint(plain)))]
        if broken.size:
            raise ImageError(f"{path}: labels are whole numbers or text, not {broken[0]}")
    return [str(int(number)) for number in plain.tolist()]


def _pair(path: Path, labels: Path | None) -> tuple[NDArray[Any], NDArray[Any], list[Path]]:
    """Return pictures, labels, and the files that hold them."""
    if path.suffix.lower() == ".npz":
        if labels is not None:
            raise ImageError(f"{path}: an .npz file holds labels of its own")
        return (*_of_npz(path), [path])
    if labels is None:
        labels = path.with_name(path.name.replace("images-idx3", "labels-idx1"))
        if labels == path:
            raise ImageError(
                f"{path}: an .npy or IDX file needs labels in a file of their own; other sets are folders, "
                ".csv and .npz files"
            )
    values, named = _array(path), _array(labels, _LABELS)
    return values, named, [path, labels]


def _array(path: Path, kinds: str = "biuf") -> NDArray[Any]:
    return open_array(path, kinds) if path.suffix.lower() == ".npy" else read_idx(path)


def _of_npz(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            for images, labels in _PAIRS:
                if images in archive.files and labels in archive.files:
                    return archive[images], archive[labels]
            has = ", ".join(archive.files)
    # a damaged archive fails in as many ways as it has parts
    except Exception as error:
        raise ImageError(f"{path}: not an .npz archive of arrays, or damaged ({one_line(error)})") from error
    raise ImageError(f"{path}: has no arrays called images and labels; it has {has}")
