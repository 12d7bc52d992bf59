"""Fitting a picture to the size of a network's input, and where its pixels come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .bilinear import opencv_resize, pycaffe_resize
from .errors import ImageError
from .pictures import luminance
from .preprocessing import LARGEST, Preprocessing, centre
from .settings import PILLOW

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
    height, width = _stretched(_wanted(free, settings.size), settings)
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


def apply(fit: Fit, picture: Image.Image, settings: Preprocessing) -> NDArray[Any]:
    """Return a picture of mode "L", "RGB" or "F" resized, then cut or padded.

    Returns
    -------
    ndarray
        0..255, shape (H, W) or (H, W, 3): uint8, or float32 for deep grey and where the way of interpolation
        does not round. Filters that overshoot are cut at 0 and 255.
    """
    resized = _INTERPOLATIONS[settings.interpolation](picture, fit.resized)
    if fit.size == fit.resized:
        return resized
    fill = settings.fill if picture.mode == "RGB" else luminance(settings.fill)
    canvas = np.full((*fit.size, *resized.shape[2:]), fill, resized.dtype)
    rows, columns = map(_overlap, fit.resized, fit.size, fit.corner)
    canvas[rows[1], columns[1]] = resized[rows[0], columns[0]]
    return canvas


def show(size: FreeSize) -> str:
    """Return height and width as text."""
    return " x ".join("any" if side is None else str(side) for side in size)


def _overlap(resized: int, side: int, corner: int) -> tuple[slice, slice]:
    """Return what resized picture and input share along an axis, as a slice of either."""
    first, last = max(corner, 0), min(corner + side, resized)
    return slice(first, last), slice(first - corner, last - corner)


def _with_pillow(name: str) -> Callable[[Image.Image, Size], NDArray[Any]]:
    def resize(picture: Image.Image, size: Size) -> NDArray[Any]:
        from PIL import Image

        resized = np.asarray(picture.resize(size[::-1], Image.Resampling[name.upper()]))
        return np.clip(resized, 0, 255) if picture.mode == "F" else resized

    return resize


_INTERPOLATIONS: Mapping[str, Callable[[Image.Image, Size], NDArray[Any]]] = {
    **{name: _with_pillow(name) for name in PILLOW},
    "bilinear-opencv": lambda picture, size: opencv_resize(np.asarray(picture), size),
    "bilinear-pycaffe": lambda picture, size: pycaffe_resize(np.asarray(picture), size),
}


def _wanted(free: FreeSize, asked: Size | None) -> FreeSize:
    if asked is None:
        return free
    if any(fixed is not None and fixed != want for fixed, want in zip(free, asked, strict=True)):
        raise ImageError(
            f"preprocessing asks for an input of {show(asked)}, but the network takes {show(free)}"
        )
    return asked


def _stretched(size: FreeSize, settings: Preprocessing) -> FreeSize:
    """Return a size whose free sides are those that pictures are stretched to."""
    if settings.resize != "stretch" or settings.stretch_to is None:
        return size
    height, width = (side or to for side, to in zip(size, settings.stretch_to, strict=True))
    return height, width


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
    resized = settings.stretch_to or size
    if resized[0] < size[0] or resized[1] < size[1]:
        raise ImageError(
            f"stretch_to makes the picture {show(resized)} pixels, smaller than the network's input of "
            f"{show(size)}"
        )
    return Fit(picture, resized, size, centre(resized, size))


def _pad(picture: Size, size: Size, settings: Preprocessing) -> Fit:
    ratio = min(size[0] / picture[0], size[1] / picture[1])
    height, width = (max(1, round(side * ratio)) for side in picture)
    return Fit(picture, (height, width), size, (-((size[0] - height) // 2), -((size[1] - width) // 2)))


_FITS: Mapping[str, Callable[[Size, Size, Preprocessing], Fit]] = {
    "crop": _crop,
    "stretch": _stretch,
    "pad": _pad,
}
