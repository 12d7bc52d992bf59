"""Bilinear resizing that does not average where a picture gets smaller, as Caffe's own tools do it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Size = tuple[int, int]
# of a pixel's left and right (or upper and lower) neighbour: where they are, or what they count
Pair = tuple[NDArray[Any], NDArray[Any]]

# cv::resize computes 8-bit pictures with weights of 11 bits
_ONE = 1 << 11


def pycaffe_resize(values: NDArray[Any], size: Size) -> NDArray[np.float32]:
    """Resize as ``caffe.io.resize_image`` does, which pycaffe's Transformer and Classifier call.

    Nothing is rounded to whole numbers. Around the picture lies its lowest value, so that the outermost
    pixels of an enlarged picture blend with it. That is scikit-image's ``resize`` with ``order=1`` and
    ``mode="constant"`` up to version 0.14; later ones also blur what gets smaller, unless told otherwise.

    Parameters
    ----------
    values : ndarray
        Real numbers of shape (H, W) or (H, W, C).
    size : tuple of int
        The new height and width.
    """
    border = ((1, 1), (1, 1), *((0, 0) for _ in values.shape[2:]))
    result = np.pad(values, border, constant_values=values.min())
    for axis, after in enumerate(size):
        before = values.shape[axis]
        positions = (np.arange(after) + 0.5) * (before / after) - 0.5
        left = np.floor(positions)
        share = positions - left
        at = left.astype(np.intp) + 1
        first, second = _terms(result, axis, (at, at + 1), (1 - share, share))
        result = first + second
    return result.astype(np.float32)


def opencv_resize(values: NDArray[Any], size: Size) -> NDArray[Any]:
    """Resize as ``cv::resize`` with ``INTER_LINEAR`` does, which Caffe's data layers and tools call.

    Pixels at the border are repeated outwards. 8-bit values go through the same arithmetic of whole numbers
    as in OpenCV 2 to 4, and give the same bits; others are computed in float32.

    Parameters
    ----------
    values : ndarray of uint8 or float32
        Shape (H, W) or (H, W, C).
    size : tuple of int
        The new height and width.

    Returns
    -------
    ndarray
        Of the type of `values`.
    """
    rows, row_weights = _opencv_taps(values.shape[0], size[0])
    columns, (left, right) = _opencv_taps(values.shape[1], size[1])
    # along x, but not along y, OpenCV counts a repeated pixel once
    repeated = columns[0] == columns[1]
    column_weights = np.where(repeated, 1, left), np.where(repeated, 0, right)
    if values.dtype != np.uint8:
        first, second = _terms(values, 1, columns, column_weights)
        upper, lower = _terms(first + second, 0, rows, row_weights)
        return upper + lower
    first, second = _terms(values, 1, columns, _whole(column_weights))
    upper, lower = _terms((first + second) >> 4, 0, rows, _whole(row_weights))
    return (((upper >> 16) + (lower >> 16) + 2) >> 2).astype(np.uint8)


def _terms(values: NDArray[Any], axis: int, places: Pair, weights: Pair) -> Pair:
    """Return the two weighted neighbours of each new pixel along an axis."""
    shape = [-1 if at == axis else 1 for at in range(values.ndim)]
    first, second = (
        np.take(values, at, axis) * weight.reshape(shape) for at, weight in zip(places, weights, strict=True)
    )
    return first, second


def _opencv_taps(before: int, after: int) -> tuple[Pair, Pair]:
    # 1 / (after / before) and float32 round as OpenCV does
    positions = ((np.arange(after) + 0.5) * (1 / (after / before)) - 0.5).astype(np.float32)
    left = np.floor(positions)
    share = positions - left
    at = left.astype(np.intp)
    return (np.clip(at, 0, before - 1), np.clip(at + 1, 0, before - 1)), (1 - share, share)


def _whole(weights: Pair) -> Pair:
    first, second = (np.rint(weight * _ONE).astype(np.int32) for weight in weights)
    return first, second
