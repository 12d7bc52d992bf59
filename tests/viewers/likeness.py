"""How alike two pictures of one volume are, where either shows anything."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .pictures import Picture, WrongPictureError

LEAST_SSIM, MOST_DIFFERENCE, LEAST_SHARE = 0.85, 2 / 255, 0.1
"""What two viewers' pictures of a volume must reach."""

FAINT = 8
"""Levels, of 255, by which some channel of the foreground differs from the background."""

_SIGMA, _TRUNCATE = 1.5, 3.5
_K1, _K2, _LEVELS = 0.01, 0.03, 255


@dataclass(frozen=True)
class Likeness:
    """Two pictures beside each other.

    Parameters
    ----------
    share : float
        The part of the frame where one or the other is foreground.
    ssim : float
        Mean structural similarity there, of the channels; 1 for equal pictures.
    difference : float
        Mean absolute difference there, of the channels; 1 is that of black and white.
    """

    share: float
    ssim: float
    difference: float


def likeness(one: Picture, other: Picture) -> Likeness:
    """Compare two pictures of the same size, inside the union of their foregrounds.

    The background is the colour of the first picture's first pixel.
    """
    first, second = one.astype(np.float64), other.astype(np.float64)
    background = first[0, 0]
    union = np.any([np.abs(picture - background).max(axis=2) > FAINT for picture in (first, second)], axis=0)
    if not union.any():
        return Likeness(0.0, 0.0, 1.0)
    ssim = structural_similarity(first, second)[union].mean()
    difference = np.abs(first - second)[union].mean() / _LEVELS
    return Likeness(float(union.mean()), float(ssim), float(difference))


def structural_similarity(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return SSIM at each pixel and channel, levels 0..255.

    Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural
    similarity", IEEE Transactions on Image Processing 13(4), 2004, equation 13, with their window: a Gaussian
    of 1.5 pixels, 11 wide.
    """

    def mean(picture: NDArray[np.float64]) -> NDArray[np.float64]:
        smooth: NDArray[np.float64] = ndimage.gaussian_filter(
            picture, _SIGMA, truncate=_TRUNCATE, axes=(0, 1)
        )
        return smooth

    mean_one, mean_other = mean(one), mean(other)
    variances = mean(one**2) - mean_one**2 + mean(other**2) - mean_other**2
    covariance = mean(one * other) - mean_one * mean_other
    c1, c2 = (_K1 * _LEVELS) ** 2, (_K2 * _LEVELS) ** 2
    similar: NDArray[np.float64] = ((2 * mean_one * mean_other + c1) * (2 * covariance + c2)) / (
        (mean_one**2 + mean_other**2 + c1) * (variances + c2)
    )
    return similar


def check_alike(one: Picture, other: Picture) -> None:
    """Check that two pictures show the same.

    Raises
    ------
    WrongPictureError
        If they show too little, or are not alike.
    """
    found = likeness(one, other)
    if found.share < LEAST_SHARE:
        raise WrongPictureError(f"only {found.share:.1%} of the frame is foreground")
    if found.ssim < LEAST_SSIM or found.difference > MOST_DIFFERENCE:
        raise WrongPictureError(
            f"structural similarity {found.ssim:.3f}, mean difference {_LEVELS * found.difference:.2f}/255"
        )
