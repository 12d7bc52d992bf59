"""The check that two pictures show the same passes none that do not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from .likeness import check_alike, likeness, structural_similarity
from .pictures import Picture, WrongPictureError


def cloud() -> Picture:
    """Return a coloured cloud of no symmetry on a dark ground, over a sixth of the frame."""
    noise = np.random.default_rng(4).normal(size=(90, 120, 3))
    smooth = ndimage.gaussian_filter(noise, (3, 4, 0))
    smooth[:, :45] = smooth[60:] = smooth[:, 100:] = 0
    picture: Picture = np.clip(30 + 1500 * np.abs(smooth), 0, 255).astype(np.uint8)
    return picture


def noisy(picture: Picture, most: int) -> Picture:
    """Return the picture with its foreground changed by up to so many levels."""
    noise = np.random.default_rng(5).integers(-most, most + 1, picture.shape)
    changed = np.clip(picture + noise, 0, 255)
    return np.where(picture == 30, picture, changed).astype(np.uint8)


def test_structural_similarity_is_that_of_scikit_image() -> None:
    random = np.random.default_rng(6)
    smooth = np.rint(ndimage.gaussian_filter(random.integers(0, 256, (31, 23, 3)).astype(float), (2, 2, 0)))
    one = np.clip((smooth - 128) * 6 + 128, 0, 255)
    other = np.clip(one + random.integers(-20, 21, one.shape), 0, 255)
    found = structural_similarity(one, other)
    # by scikit-image 0.26.0: structural_similarity(one, other, gaussian_weights=True, sigma=1.5,
    # use_sample_covariance=False, data_range=255, channel_axis=2, full=True), without the frame's margin
    assert found[10:21, 10:13].mean() == pytest.approx(0.9327917983815674, abs=1e-9)
    assert found[15, 11] == pytest.approx(
        [0.9877738579501608, 0.9396870760930677, 0.9367056570862358], abs=1e-9
    )


def test_the_same_is_alike() -> None:
    found = likeness(cloud(), cloud())
    assert (found.ssim, found.difference) == pytest.approx((1, 0))
    assert found.share == pytest.approx((cloud() > 38).any(axis=2).mean())
    check_alike(cloud(), cloud())
    check_alike(cloud(), noisy(cloud(), 3))


def test_differences_count_only_in_the_foreground() -> None:
    changed = noisy(cloud(), 20)
    union = ((cloud() > 38) | (np.abs(changed.astype(int) - 30) > 8)).any(axis=2)
    found = likeness(cloud(), changed)
    expected = np.abs(cloud().astype(int) - changed)[union].mean() / 255
    assert found.difference == pytest.approx(expected)
    assert found.difference > 9 / 255


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda picture: np.full_like(picture, 30), "structural similarity"),
        (lambda picture: picture[:, ::-1], "structural similarity"),
        (lambda picture: picture[::-1], "structural similarity"),
        (lambda picture: np.roll(picture, 2, axis=1), "structural similarity"),
        (lambda picture: noisy(picture, 20), "mean difference"),
        (lambda picture: np.where(picture == 30, 30, picture // 8 * 7).astype(np.uint8), "mean difference"),
        (lambda picture: picture[..., ::-1], "structural similarity"),
    ],
    ids=["blank", "mirrored", "upside down", "two pixels beside", "noisy", "darker", "in other colours"],
)
def test_other_pictures_are_not_alike(wrong: Callable[[Picture], Picture], reason: str) -> None:
    for pair in ((cloud(), wrong(cloud())), (wrong(cloud()), cloud())):
        with pytest.raises(WrongPictureError, match=reason):
            check_alike(*pair)


def test_two_blank_pictures_show_too_little() -> None:
    blank = np.full((20, 30, 3), 30, np.uint8)
    small = blank.copy()
    small[3:8, 3:10] = 200
    for picture in (blank, small):
        with pytest.raises(WrongPictureError, match="of the frame is foreground"):
            check_alike(picture, picture)
