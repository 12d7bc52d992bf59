"""The preprocessing that a prototxt's data layer describes."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from converters.errors import CnnVisWarning

from ..bilinear import Size
from ..errors import ImageError, ModelError
from ..mean import read_mean
from ..preprocessing import Preprocessing


def transform_preprocessing(
    transform: Any, input_shape: Sequence[int | None], folder: Path = Path()
) -> Preprocessing:
    """Return what Caffe's data layers do with a picture in the TEST phase.

    They compute ``(pixel - mean) * scale`` with pixels 0..255 in the order BGR, of the middle of a picture
    that was stretched by OpenCV. `mirror` is left out: it is chance, in Caffe also in the TEST phase.

    Parameters
    ----------
    transform : protobuf message
        A ``TransformationParameter``.
    input_shape : sequence of int or None
        What the network takes, (N, C, H, W), None for what is not known.
    folder : Path
        Where the prototxt lies. A relative mean file is looked for there, then in the working directory; it
        need not be there before it is used.

    Returns
    -------
    Preprocessing
        `stretch_to` is the size of the mean image, which Caffe wants to be that of the pictures.

    Raises
    ------
    ModelError
        If the message contradicts itself or the input's channels, or holds a number out of range.

    Warns
    -----
    CnnVisWarning
        If pictures are cut, but nothing tells from what size.
    """
    if transform.force_color and transform.force_gray:
        raise ModelError("transform_param: force_color and force_gray exclude each other")
    channels = input_shape[1] if len(input_shape) > 1 else None
    side = transform.crop_size
    mean = _mean(transform, channels, folder)
    stretch_to = _image_size(mean, channels) if isinstance(mean, Path) else None
    if side and stretch_to is None:
        warnings.warn(
            f"transform_param: crop_size {side} cuts pictures of a size that only Caffe's data set tells: "
            "they are stretched to the input instead; stretch_to sets that size, which often is 256",
            CnnVisWarning,
            stacklevel=2,
        )
    try:
        return Preprocessing(
            size=(side, side) if side else None,
            resize="stretch",
            stretch_to=stretch_to,
            interpolation="bilinear-opencv",
            channels="L" if transform.force_gray or channels == 1 else "BGR",
            scale=1,
            mean=mean,
            input_scale=transform.scale,
        )
    except ImageError as error:
        raise ModelError(f"transform_param: {error}") from error


def _mean(transform: Any, channels: int | None, folder: Path) -> float | tuple[float, ...] | Path:
    values = tuple(transform.mean_value)
    if transform.mean_file and values:
        raise ModelError("transform_param: mean_file and mean_value exclude each other")
    if transform.mean_file:
        return _found(Path(transform.mean_file), folder)
    if len(values) > 1 and channels not in (None, len(values)):
        raise ModelError(
            f"transform_param: {len(values)} mean_value for {channels} channels: one, or one a channel"
        )
    return values if len(values) > 1 else sum(values)


def _found(path: Path, folder: Path) -> Path:
    """Return where a file is: in the folder, else in the working directory, else where it should be."""
    beside = folder / path
    return path if not beside.is_file() and path.is_file() else beside


def _image_size(mean: Path, channels: int | None) -> Size | None:
    """Return height and width of a mean image; None where it cannot be read, which its use will tell."""
    with contextlib.suppress(ImageError):
        height, width = read_mean(mean, channels or 3).shape[1:]
        return height, width
    return None
