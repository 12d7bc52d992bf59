"""Caffe's two ways to resize, against what Caffe and scikit-image themselves give.

Pictures are ``picture(height, width, channels)``, saved as PNG for Caffe.

OpenCV's goldens: the ImageData layer of Caffe 1.0 (Debian 11, python3-caffe 1.0.0+git20180821.99bd997-8+b2)
with ``new_height`` and ``new_width``; it calls cv::resize of OpenCV 4.5.1. OpenCV 4.10.0 and 5.0.0 agree.

pycaffe's goldens: ``caffe.io.resize_image(picture.astype("float32"), size)`` of that Caffe with scikit-image
0.18.3, its ``resize`` called with ``anti_aliasing=False``, as up to version 0.14 without asking.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.bilinear import opencv_resize, pycaffe_resize
from tests.extract.caffe_files import picture

SIDES = st.integers(1, 40)

# channels first, in the order BGR
OPENCV_3X4 = [
    [[143, 87, 31, 194], [188, 132, 76, 20], [128, 177, 121, 65]],
    [[70, 35, 198, 153], [115, 59, 223, 198], [160, 104, 48, 180]],
    [[91, 192, 136, 80], [42, 237, 181, 125], [87, 41, 205, 170]],
]

# SHA-256 of the bytes of picture(45, 67) resized, channels first, in the order BGR
OPENCV = {
    (22, 33): "d5475bfcb91f3901f39d4bf43c62c960238b4fb2e6efe0ff9430bf60bf01a01f",
    (23, 34): "0169b1c54843f50269eb4a94d4739b56b8966d054ca4f35d87d20bfd7722eef5",
    (45, 67): "e6ad2eba2e6a06800788a640f47b27f589b6b4e2e1b8dacb3350f40dd0bed5dc",
    (90, 67): "f72a12d0628a956ca948825d2e87d7d882a7339f8ecff4a410cf1a8a86e581a4",
    (227, 227): "4ae1f26f9ac631a3931d6ee8eb69d3da64fc64bb674c66aa163900934119c25e",
    (44, 134): "269b2b0373057be0950e260925a9cf1b99eb3c583d411a078840f50c83869f9a",
    (1, 1): "54a10f497f0c955b3fec2faef611436b6e8af56361a82397b076642a4e50abbc",
    (2, 300): "b53d7f2e1fb7857fbcfd835cb14a6ddcc57376599807329dccb24d7e057214f5",
}

# of picture(5, 7), as (H, W, 3)
PYCAFFE_3X4 = [
    [91.125, 70, 143, 192, 34.917, 87, 136, 198.542, 31, 80, 153, 194.625],
    [42, 115, 188, 237, 59, 132, 181, 222.625, 76, 125, 198, 20],
    [87, 160, 128.417, 41.458, 104, 177, 205.083, 48, 121, 170, 180.25, 65],
]

# of the first channel of picture(5, 7) when all three are enlarged
PYCAFFE_7X9 = [
    [0, 125.143, 175.524, 154.19, 132.857, 111.524, 90.19, 68.857, 44.952],
    [13.714, 161.429, 220.206, 195.317, 170.429, 145.54, 120.651, 95.762, 66.159],
    [30.857, 132.905, 199.651, 214.603, 189.714, 164.825, 139.937, 115.048, 83.302],
    [48, 32.667, 119.333, 233.889, 209, 184.111, 159.222, 134.333, 100.444],
    [65.143, 51.952, 58.936, 113.73, 228.286, 203.397, 178.508, 153.619, 117.587],
    [82.286, 71.238, 46.349, 53.333, 140, 198.778, 197.794, 172.905, 134.73],
    [82.286, 74.286, 52.952, 31.619, 10.286, 156.286, 182.762, 161.429, 127.238],
]

# of picture(5, 7, 1)
PYCAFFE_GREY_3X4 = [
    [30.375, 158.125, 66.25, 162.625],
    [45.375, 173.125, 81.25, 177.625],
    [60.375, 167.208, 75.333, 192.625],
]

# Goldens are rounded to 0.001, and scikit-image 0.18 computes positions in float32
PYCAFFE_TOLERANCE = 1e-3

# cv::resize rounds by 0.5; before that, weights of 11 bits err by 0.125 along either axis, and quarters are
# cut off twice
OPENCV_ROUNDING = 1.3


def test_opencv_as_caffe_has_it() -> None:
    resized = opencv_resize(picture(5, 7), (3, 4))
    assert resized.dtype == np.uint8
    np.testing.assert_array_equal(resized.transpose(2, 0, 1)[::-1], OPENCV_3X4)


@pytest.mark.parametrize("size", OPENCV)
def test_opencv_to_the_bit(size: tuple[int, int]) -> None:
    planes = opencv_resize(picture(45, 67), size).transpose(2, 0, 1)[::-1]
    assert hashlib.sha256(planes.tobytes()).hexdigest() == OPENCV[size]


def test_pycaffe_as_caffe_has_it() -> None:
    resized = pycaffe_resize(picture(5, 7), (3, 4))
    assert resized.dtype == np.float32
    np.testing.assert_allclose(resized.reshape(3, 12), PYCAFFE_3X4, atol=PYCAFFE_TOLERANCE)
    enlarged = pycaffe_resize(picture(5, 7), (7, 9))
    np.testing.assert_allclose(enlarged[..., 0], PYCAFFE_7X9, atol=PYCAFFE_TOLERANCE)
    grey = pycaffe_resize(picture(5, 7, 1)[..., 0], (3, 4))
    np.testing.assert_allclose(grey, PYCAFFE_GREY_3X4, atol=PYCAFFE_TOLERANCE)


@given(before=st.tuples(SIDES, SIDES), after=st.tuples(SIDES, SIDES))
def test_both_agree_where_no_border_is_near(before: tuple[int, int], after: tuple[int, int]) -> None:
    values = picture(*before)
    ours, theirs = pycaffe_resize(values, after), opencv_resize(values, after).astype(float)
    inside = tuple(
        slice(margin, side - margin)
        for side, margin in ((new, -(-new // (2 * old))) for old, new in zip(before, after, strict=True))
    )
    assert np.abs(ours - theirs)[inside].max(initial=0) <= OPENCV_ROUNDING


@given(before=st.tuples(SIDES, SIDES), after=st.tuples(SIDES, SIDES))
def test_floats_are_not_rounded(before: tuple[int, int], after: tuple[int, int]) -> None:
    values = picture(*before)
    exact = opencv_resize(values.astype(np.float32) / 2, after)
    assert exact.dtype == np.float32
    assert exact.shape == (*after, 3)
    np.testing.assert_allclose(exact * 2, opencv_resize(values, after), atol=OPENCV_ROUNDING)


@pytest.mark.parametrize("resize", [opencv_resize, pycaffe_resize])
def test_one_size_and_one_value_stay(resize: Callable[..., np.ndarray]) -> None:
    values = picture(6, 9)
    np.testing.assert_array_equal(resize(values, (6, 9)), values)
    flat = np.full((4, 5, 3), 77, np.uint8)
    np.testing.assert_array_equal(resize(flat, (9, 2)), np.full((9, 2, 3), 77))
