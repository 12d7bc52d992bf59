"""Arrays in .npy files: nothing is unpickled, nothing is read before it is needed."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import ImageError
from .files import check_file


def open_array(path: Path, kinds: str = "biuf") -> NDArray[Any]:
    """Map an array from a .npy file into memory.

    Parameters
    ----------
    path : Path
        The file.
    kinds : str
        What it may hold, by numpy's letters; by default real numbers.

    Returns
    -------
    ndarray
        Read-only, of the file's own shape and type; not empty.

    Raises
    ------
    ImageError
        If the file is missing, no .npy file, shorter than its header says, or holds something else.
    """
    check_file(path, "an array")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array = np.lib.format.open_memmap(path, mode="r")
    # a damaged header is Python text of any kind, and fails to parse in as many ways
    except Exception as error:
        raise ImageError(f"{path}: not a .npy array of numbers, or damaged ({one_line(error)})") from error
    if array.dtype.kind not in kinds:
        wanted = "labels are whole numbers or text" if "U" in kinds else "an input holds real numbers"
        raise ImageError(f"{path}: {wanted}, not {array.dtype}")
    return array


def finite_float32(path: Path | str, values: NDArray[Any]) -> NDArray[np.float32]:
    """Return a float32 copy in C order.

    Parameters
    ----------
    path : Path or str
        Where the values come from, for the error.
    values : ndarray
        Real numbers, any shape.

    Raises
    ------
    ImageError
        If values are NaN or infinite, or become so as float32; it tells how many, and where the first one is.
    """
    with np.errstate(over="ignore"):
        result = np.array(values, dtype=np.float32, order="C")
    wrong = ~np.isfinite(result)
    if wrong.any():
        first = tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), wrong.shape))
        count = int(wrong.sum())
        raise ImageError(f"{path}: {count} of {result.size} values are NaN or infinite, the first at {first}")
    return result


def show_shape(shape: tuple[int | None, ...]) -> str:
    """Return a shape as text, with a question mark for each free size."""
    return "(" + ", ".join("?" if size is None else str(size) for size in shape) + ")"


def one_line(error: Exception) -> str:
    """Return an error's text on one line, cut to a bearable length; its type where it has none."""
    return " ".join(str(error).split())[:200] or type(error).__name__
