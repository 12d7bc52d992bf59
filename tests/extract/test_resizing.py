"""Fitting pictures to inputs: sizes and corners by hand, values against Pillow's own operations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from extract.bilinear import opencv_resize, pycaffe_resize
from extract.errors import ImageError
from extract.preprocessing import Preprocessing
from extract.resizing import Fit, apply, plan
from extract.settings import PILLOW

GREY = np.arange(35, dtype=np.uint8).reshape(5, 7) * 7
SIDES = st.integers(1, 300)


@pytest.mark.parametrize(
    ("picture", "size", "settings", "resized", "corner"),
    [
        # torchvision: Resize(256), CenterCrop(224); 256 * 500 / 375 = 341.33
        ((375, 500), (224, 224), Preprocessing(crop_fraction=0.875), (256, 341), (16, 58)),
        ((500, 375), (224, 224), Preprocessing(crop_fraction=0.875), (341, 256), (58, 16)),
        ((375, 500), (224, 224), Preprocessing(short_side=232), (232, 309), (4, 42)),
        ((500, 375), (224, 224), Preprocessing(short_side=232, crop_fraction=0.5), (309, 232), (42, 4)),
        # nothing more than needed is cut; the wider axis is the tighter one here
        ((100, 100), (30, 60), Preprocessing(), (60, 60), (15, 0)),
        ((100, 300), (30, 60), Preprocessing(), (30, 90), (0, 15)),
        ((100, 100), (30, 60), Preprocessing(crop_fraction=0.5), (120, 120), (45, 30)),
        # half pixels round to even
        ((5, 7), (4, 4), Preprocessing(short_side=5), (5, 7), (0, 2)),
        ((9, 9), (6, 6), Preprocessing(short_side=9), (9, 9), (2, 2)),
        ((5, 7), (224, 192), Preprocessing(resize="stretch"), (224, 192), (0, 0)),
        # Caffe's data layers round the corner down: (256 - 227) / 2 = 14.5, (256 - 229) / 2 = 13.5
        ((5, 7), (227, 229), Preprocessing(resize="stretch", stretch_to=(256, 256)), (256, 256), (14, 13)),
        ((5, 7), (9, 11), Preprocessing(resize="stretch", stretch_to=(9, 14)), (9, 14), (0, 1)),
        ((5, 7), (10, 10), Preprocessing(stretch_to=(256, 256)), (10, 14), (0, 2)),
        ((5, 7), (10, 10), Preprocessing(resize="pad"), (7, 10), (-1, 0)),
        ((7, 5), (10, 10), Preprocessing(resize="pad"), (10, 7), (0, -1)),
        ((5, 7), (20, 14), Preprocessing(resize="pad"), (10, 14), (-5, 0)),
        ((1, 300), (30, 30), Preprocessing(resize="pad"), (1, 30), (-14, 0)),
    ],
)
def test_sizes_and_corners(
    picture: tuple, size: tuple, settings: Preprocessing, resized: tuple, corner: tuple
) -> None:
    fit = plan(picture, size, settings)
    assert (fit.resized, fit.corner, fit.size, fit.picture) == (resized, corner, size, picture)


@pytest.mark.parametrize(
    ("free", "settings", "size"),
    [
        ((None, None), Preprocessing(), (50, 70)),
        ((None, None), Preprocessing(crop_fraction=0.875), (50, 70)),
        ((None, None), Preprocessing(short_side=25), (25, 35)),
        ((None, None), Preprocessing(size=(20, 30)), (20, 30)),
        ((48, None), Preprocessing(), (48, 67)),
        ((None, 35), Preprocessing(), (25, 35)),
        ((48, None), Preprocessing(size=(48, 96)), (48, 96)),
        ((48, 96), Preprocessing(size=(48, 96)), (48, 96)),
        ((None, None), Preprocessing(resize="stretch"), (50, 70)),
        ((None, None), Preprocessing(resize="stretch", stretch_to=(20, 90)), (20, 90)),
        ((10, None), Preprocessing(resize="stretch", stretch_to=(20, 90)), (10, 90)),
        ((None, None), Preprocessing(resize="stretch", stretch_to=(20, 90), size=(15, 60)), (15, 60)),
    ],
)
def test_free_sizes(free: tuple, settings: Preprocessing, size: tuple) -> None:
    assert plan((50, 70), free, settings).size == size


def test_scale_and_offset_by_hand() -> None:
    # the picture is halved, then the cut starts at row 1, column 3: the centre of its first pixel lies
    # between rows 2 and 3, columns 6 and 7
    fit = Fit(picture=(20, 40), resized=(10, 20), size=(5, 6), corner=(1, 3))
    assert fit.scale == (2, 2)
    assert fit.offset == (6.5, 2.5)
    assert Fit((5, 7), (5, 7), (5, 7)).offset == (0, 0)
    assert Fit((5, 7), (5, 7), (9, 7), (-2, 0)).offset == (0, -2)


@pytest.mark.parametrize("resize", ["crop", "stretch", "pad"])
def test_offsets_point_at_what_is_seen(resize: str) -> None:
    """Ramps show each pixel's own position; away from the borders, linear interpolation keeps it."""
    rows, columns = np.mgrid[0:20, 0:30].astype(np.float32)
    settings = Preprocessing(resize=resize, crop_fraction=0.875)
    fit = plan((20, 30), (31, 47), settings)
    x = np.asarray(apply(fit, Image.fromarray(columns), settings))
    y = np.asarray(apply(fit, Image.fromarray(rows), settings))
    row, column = 15, 23
    # float32 sums of a filter over values up to 30
    assert x[row, column] == pytest.approx(fit.scale[0] * column + fit.offset[0], abs=1e-4)
    assert y[row, column] == pytest.approx(fit.scale[1] * row + fit.offset[1], abs=1e-4)


def test_crop_cuts_the_middle_out() -> None:
    settings = Preprocessing(short_side=5)
    cut = apply(plan((5, 7), (4, 4), settings), Image.fromarray(GREY), settings)
    np.testing.assert_array_equal(np.asarray(cut), GREY[0:4, 2:6])


@pytest.mark.parametrize("interpolation", PILLOW)
def test_stretch_is_pillows_resize(interpolation: str) -> None:
    colour = Image.fromarray(np.stack([GREY, 255 - GREY, GREY // 2], axis=-1))
    settings = Preprocessing(resize="stretch", interpolation=interpolation)
    resized = apply(plan((5, 7), (3, 11), settings), colour, settings)
    filters = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4}
    expected = colour.resize((11, 3), filters[interpolation])
    np.testing.assert_array_equal(np.asarray(resized), np.asarray(expected))


@pytest.mark.parametrize(
    ("interpolation", "resize"),
    [("bilinear-opencv", opencv_resize), ("bilinear-pycaffe", pycaffe_resize)],
)
@pytest.mark.parametrize(
    "values", [GREY, np.stack([GREY, 255 - GREY, GREY // 2], axis=-1), GREY / np.float32(3)]
)
def test_caffes_own_interpolations(
    interpolation: str, resize: Callable[..., np.ndarray], values: np.ndarray
) -> None:
    settings = Preprocessing(resize="stretch", stretch_to=(4, 9), interpolation=interpolation)
    cut = apply(plan((5, 7), (3, 5), settings), Image.fromarray(values), settings)
    np.testing.assert_array_equal(cut, resize(values, (4, 9))[0:3, 2:7])


def test_what_caffe_does_not_round_may_be_padded() -> None:
    settings = Preprocessing(resize="pad", fill=(1, 2, 3), interpolation="bilinear-pycaffe")
    colour = np.stack([GREY, 255 - GREY, GREY // 2], axis=-1)
    padded = apply(plan((5, 7), (10, 10), settings), Image.fromarray(colour), settings)
    assert (padded.dtype, padded.shape) == (np.float32, (10, 10, 3))
    np.testing.assert_array_equal(padded[1:8], pycaffe_resize(colour, (7, 10)))
    np.testing.assert_array_equal(padded[[0, 8, 9]], np.broadcast_to([1, 2, 3], (3, 10, 3)))


def test_box_averages() -> None:
    settings = Preprocessing(resize="stretch", interpolation="box")
    values = np.array([[0, 10, 20, 30], [40, 50, 60, 70]], np.uint8)
    halved = apply(plan((2, 4), (1, 2), settings), Image.fromarray(values), settings)
    np.testing.assert_array_equal(np.asarray(halved), [[25, 45]])


def test_nearest_takes_centres() -> None:
    settings = Preprocessing(resize="stretch", interpolation="nearest")
    doubled = apply(plan((5, 7), (10, 14), settings), Image.fromarray(GREY), settings)
    np.testing.assert_array_equal(np.asarray(doubled), GREY.repeat(2, axis=0).repeat(2, axis=1))


def test_pad_fills_both_sides() -> None:
    settings = Preprocessing(resize="pad", fill=114)  # type: ignore[arg-type]
    padded = np.asarray(apply(plan((5, 7), (8, 7), settings), Image.fromarray(GREY), settings))
    np.testing.assert_array_equal(padded[1:6], GREY)
    np.testing.assert_array_equal(padded[[0, 6, 7]], np.full((3, 7), 114))


def test_pad_fills_colour_and_deep_grey() -> None:
    settings = Preprocessing(resize="pad", fill=(1, 2, 3))
    fit = plan((5, 7), (6, 7), settings)
    colour = np.stack([GREY, GREY, GREY], axis=-1)
    assert np.asarray(apply(fit, Image.fromarray(colour), settings))[5].tolist() == [[1, 2, 3]] * 7
    deep = np.asarray(apply(fit, Image.fromarray(GREY / np.float32(3)), settings))
    np.testing.assert_array_equal(deep[:5], GREY / np.float32(3))
    np.testing.assert_array_equal(deep[5], np.full(7, 2))


def test_deep_grey_is_not_rounded_nor_overshot() -> None:
    step = np.where(np.arange(40) < 20, 0, 255).astype(np.float32).reshape(1, 40).repeat(40, axis=0)
    settings = Preprocessing(resize="stretch", interpolation="lanczos")
    fit = plan((40, 40), (57, 57), settings)
    assert np.asarray(Image.fromarray(step).resize((57, 57), 1)).max() > 256
    resized = np.asarray(apply(fit, Image.fromarray(step), settings))
    assert resized.dtype == np.float32
    assert 0 <= resized.min() < resized.max() <= 255
    assert (resized % 1 != 0).any()


@given(picture=st.tuples(SIDES, SIDES), size=st.tuples(SIDES, SIDES), fraction=st.floats(0.3, 1))
def test_a_crop_is_covered_and_tight(picture: tuple, size: tuple, fraction: float) -> None:
    settings = Preprocessing(crop_fraction=fraction)
    try:
        fit = plan(picture, size, settings)
    except ImageError:
        # only where the picture is longer than 32768 after resizing
        assert max(picture) / min(picture) * max(size) / fraction > 32768 / 2
        return
    area = [round(side / fraction) for side in size]
    assert all(have >= want for have, want in zip(fit.resized, area, strict=True))
    assert any(have == want for have, want in zip(fit.resized, area, strict=True))
    for corner, have, want in zip(fit.corner, fit.resized, size, strict=True):
        assert abs((have - corner - want) - corner) <= 1
        assert corner >= 0


@given(picture=st.tuples(SIDES, SIDES), size=st.tuples(SIDES, SIDES))
def test_padding_holds_the_whole_picture(picture: tuple, size: tuple) -> None:
    fit = plan(picture, size, Preprocessing(resize="pad"))
    assert all(have <= want for have, want in zip(fit.resized, size, strict=True))
    assert any(have == want for have, want in zip(fit.resized, size, strict=True))
    for corner, have, want in zip(fit.corner, fit.resized, size, strict=True):
        assert abs((want - have + corner) + corner) <= 1


@pytest.mark.parametrize(
    ("picture", "free", "settings", "message"),
    [
        ((5, 7), (224, 224), Preprocessing(size=(299, 299)), "of 299 x 299, but the network takes 224 x 224"),
        (
            (5, 7),
            (224, None),
            Preprocessing(size=(299, 299)),
            "of 299 x 299, but the network takes 224 x any",
        ),
        (
            (5, 7),
            (224, 224),
            Preprocessing(short_side=200),
            "short_side 200 makes the picture 200 x 280 pixels",
        ),
        (
            (5, 7),
            (224, 224),
            Preprocessing(resize="stretch", stretch_to=(256, 200)),
            "stretch_to makes the picture 256 x 200 pixels, smaller than the network's input of 224 x 224",
        ),
        (
            (1, 4000),
            (224, 224),
            Preprocessing(),
            "would become one of 224 x 896000 pixels; 32768 is the largest",
        ),
        ((1, 4000), (224, None), Preprocessing(), "would become one of 224 x 896000 pixels"),
        ((40000, 5), (None, None), Preprocessing(), "would become one of 40000 x 5 pixels"),
    ],
)
def test_impossible_fits(picture: tuple, free: tuple, settings: Preprocessing, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        plan(picture, free, settings)
