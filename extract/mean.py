"""Files that hold a mean: of a data set's pictures, or of each of their channels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import finite_float32, open_array, show_shape
from .errors import ImageError, ModelError


def read_mean(path: Path, channels: int) -> NDArray[np.float64]:
    """Read a mean.

    Parameters
    ----------
    path : Path
        A .npy file, or else Caffe's .binaryproto; shape (C,), (C, H, W) or (1, C, H, W).
    channels : int
        How many it should have.

    Returns
    -------
    ndarray
        Shape (C, H, W), or (C, 1, 1) for one number a channel; not empty.

    Raises
    ------
    ImageError
        If the file is missing or damaged, or of another shape.
    """
    array = finite_float32(path, open_array(path) if path.suffix.lower() == ".npy" else _read_blob(path))
    shaped = array[:, np.newaxis, np.newaxis] if array.ndim == 1 else array
    mean = shaped[0] if shaped.ndim == 4 and len(shaped) == 1 else shaped
    if mean.ndim != 3 or len(mean) != channels or not mean.size:
        raise ImageError(
            f"{path}: a mean of shape {show_shape(array.shape)} does not fit an input of {channels} "
            f"channels: it takes ({channels},) or ({channels}, height, width)"
        )
    return mean.astype(np.float64)


def _read_blob(path: Path) -> NDArray[Any]:
    from .caffe.caffemodel import read_blob_file

    try:
        return read_blob_file(path)
    except ModelError as error:
        raise ImageError(str(error)) from error
