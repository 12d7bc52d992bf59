"""Fitting a picture to the size of a network's input, and where its pixels come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .errors import ImageError
from .pictures import luminance
from .preprocessing import LARGEST, Preprocessing

if TYPE_CHECKING:
    from PIL import Image

Size = tuple[int, int]
FreeSize = tuple[int | None, int | None]


@dataclass(frozen=True)
class Fit:
    """How a picture becomes an input: it is resized, then an area of it is cut out, or it is padded.

    Parameters
    ----------
    picture, resized, size : tuple of int
        Height and width of the picture, of the resized picture, and of the input.
    corner : tuple of int
        Row and column of the input's first pixel in the resized picture; negative where that is padding.
    """

    picture: Size
    resized: Size
    size: Size
    corner: Size = (0, 0)

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of the picture in one of the input, along x and y."""
        return self.picture[1] / self.resized[1], self.picture[0] / self.resized[0]

    @property
    def offset(self) -> tuple[float, float]:
        """Position in the picture, x and y, of the centre of the input's first pixel.

        Centres lie at whole numbers: picture x = scale x * input x + offset x.
        """
        x, y = ((at + 0.5) * scale - 0.5 for at, scale in zip(reversed(self.corner), self.scale, strict=True))
        return x, y


def plan(picture: Size, free: FreeSize, settings: Preprocessing) -> Fit:
    """Decide how a picture becomes an input.

    Parameters
    ----------
    picture : tuple of int
        Height and width of the picture.
    free : tuple of int or None
        Height and width that the network fixes, None for what it leaves free. With both left free, the
        picture keeps its size or gets `Preprocessing.short_side`; with one, it keeps its aspect ratio.
    settings : Preprocessing
        Size and way of resizing.

    Raises
    ------
    ImageError
        If the asked size is not the network's, or the resized picture does not cover the input or becomes too
        large.
    """
    height, width = _wanted(free, settings.size)
    if height is not None and width is not None:
        fit = _FITS[settings.resize](picture, (height, width), settings)
    else:
        size = _free_size(picture, height, width, settings.short_side)
        fit = Fit(picture, size, size)
    if max(fit.resized) > LARGEST:
        raise ImageError(
            f"a picture of {show(picture)} would become one of {show(fit.resized)} pixels; {LARGEST} is the "
            "largest side: cut it, or use resize 'pad' or 'stretch'"
        )
    return fit


def apply(fit: Fit, picture: Image.Image, settings: Preprocessing) -> Image.Image:
    """Return a picture of mode "L", "RGB" or "F" resized, then cut or padded.

    Values stay in 0..255: filters that overshoot are cut there.
    """
    from PIL import Image

    resample = Image.Resampling[settings.interpolation.upper()]
    resized = picture.resize(fit.resized[::-1], resample)
    if picture.mode == "F":
        resized = Image.fromarray(np.clip(np.asarray(resized), 0, 255))
    if fit.size == fit.resized:
        return resized
    fill = settings.fill if picture.mode == "RGB" else luminance(settings.fill)
    canvas = Image.new(picture.mode, fit.size[::-1], fill)
    canvas.paste(resized, (-fit.corner[1], -fit.corner[0]))
    return canvas


def show(size: FreeSize) -> str:
    """Return height and width as text."""
    return " x ".join("any" if side is None else str(side) for side in size)


def _wanted(free: FreeSize, asked: Size | None) -> FreeSize:
    if asked is None:
        return free
    if any(fixed is not None and fixed != want for fixed, want in zip(free, asked, strict=True)):
        raise ImageError(
            f"preprocessing asks for an input of {show(asked)}, but the network takes {show(free)}"
        )
    return asked


def _free_size(picture: Size, height: int | None, width: int | None, short_side: int | None) -> Size:
    if height is None and width is None:
        return picture if short_side is None else _with_short_side(picture, short_side)
    if height is not None:
        return height, max(1, round(picture[1] * height / picture[0]))
    assert width is not None
    return max(1, round(picture[0] * width / picture[1])), width


def _with_short_side(picture: Size, short_side: int) -> Size:
    """Round the longer side down, as torchvision's Resize does."""
    short = min(picture)
    return picture[0] * short_side // short, picture[1] * short_side // short


def _crop(picture: Size, size: Size, settings: Preprocessing) -> Fit:
    if settings.short_side is not None:
        resized = _with_short_side(picture, settings.short_side)
    else:
        resized = _covering(picture, tuple(round(side / settings.crop_fraction) for side in size))
    if resized[0] < size[0] or resized[1] < size[1]:
        raise ImageError(
            f"short_side {settings.short_side} makes the picture {show(resized)} pixels, smaller than the "
            f"network's input of {show(size)}"
        )
    # rounds half to even, as torchvision's CenterCrop does
    row, column = (round((have - want) / 2) for have, want in zip(resized, size, strict=True))
    return Fit(picture, resized, size, (row, column))


def _covering(picture: Size, area: tuple[int, ...]) -> Size:
    """Return the smallest size of the picture's aspect ratio that covers an area."""
    if picture[1] * area[0] >= picture[0] * area[1]:
        return area[0], picture[1] * area[0] // picture[0]
    return picture[0] * area[1] // picture[1], area[1]


def _stretch(picture: Size, size: Size, settings: Preprocessing) -> Fit:
    return Fit(picture, size, size)


def _pad(picture: Size, size: Size, settings: Preprocessing) -> Fit:
    ratio = min(size[0] / picture[0], size[1] / picture[1])
    height, width = (max(1, round(side * ratio)) for side in picture)
    return Fit(picture, (height, width), size, (-((size[0] - height) // 2), -((size[1] - width) // 2)))


_FITS: Mapping[str, Callable[[Size, Size, Preprocessing], Fit]] = {
    "crop": _crop,
    "stretch": _stretch,
    "pad": _pad,
}
