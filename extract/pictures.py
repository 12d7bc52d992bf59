"""Picture files, decoded to plain grey or RGB."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from converters.errors import CnnVisWarning

from .arrays import one_line
from .errors import ImageError
from .files import check_file

if TYPE_CHECKING:
    from PIL import Image

Colour = tuple[int, int, int]

WHITE = (255, 255, 255)
# Pillow names these but does not decode them itself; EPS would run a program that the file holds.
_NOT_DECODED = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})
_LARGEST_16_BIT = 65535
_LARGEST_12_BIT = 4095
# Pillow gives 16-bit pictures of these the mode of 32-bit ones.
_DEEP_AS_32_BIT = frozenset({"PNG", "PPM"})
# Formats whose further frames are pictures of their own, and no thumbnails or layers.
_WITH_FRAMES = frozenset({"GIF", "PNG", "TIFF", "WEBP"})
# what undoes each EXIF orientation, by the names of PIL.Image.Transpose
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}


def picture_extensions() -> frozenset[str]:
    """Return the file extensions of the formats that `load_picture` reads, lower case, with their dots."""
    from PIL import Image

    formats = _formats()
    return frozenset(end for end, name in Image.registered_extensions().items() if name in formats)


def load_picture(path: Path, background: Colour = WHITE) -> Image.Image:
    """Read a picture as plain grey or RGB, upright.

    Parameters
    ----------
    path : Path
        A file of any format that Pillow decodes, whatever its extension; of several frames, the first.
    background : tuple of int
        Red, green, blue, 0..255: the colour under transparent pixels.

    Returns
    -------
    PIL.Image.Image
        Turned as its EXIF orientation says; colour profiles are ignored. Mode "RGB" for colour and for
        whatever may have transparent pixels, "L" for 8-bit grey, "F" with values 0..255 for deeper grey,
        where 65535 of 16 bits is 255 exactly. 32-bit integers count as 0..255 if no value is above 255, else
        as 16 bits. Float files count as 0..1 if no value is above 1, else as 0..255. Of colour, or grey with
        alpha, in 16 bits a channel, Pillow keeps the upper 8.

    Raises
    ------
    ImageError
        If the file is missing, no picture, damaged, of more pixels than Pillow takes for safe, or of values
        whose range is not known.

    Warns
    -----
    CnnVisWarning
        If there are further frames, or 16-bit values use the lower 12 bits only.
    """
    check_file(path, "a picture")
    picture, form, frames = _decode(path)
    if frames > 1:
        warnings.warn(f"{path}: only the first of {frames} frames is used", CnnVisWarning, stacklevel=2)
    if picture.mode == "F" or picture.mode.startswith("I"):
        return _deep_grey(path, picture, form, background)
    if picture.has_transparency_data:
        return _composite(picture, background)
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def _formats() -> list[str]:
    from PIL import Image

    Image.init()
    return [name for name in Image.OPEN if name not in _NOT_DECODED]


def _decode(path: Path) -> tuple[Image.Image, str, int]:
    """Return the picture, upright, with its format and number of frames."""
    from PIL import Image, UnidentifiedImageError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            # given a path, Pillow maps uncompressed TIFF files into memory, and turns those of orientation 5
            # to 8 wrongly (seen in 11.0 and 13.0)
            with path.open("rb") as file, Image.open(file, formats=_formats()) as picture:
                picture.load()
                return _upright(picture), picture.format or "", _frames(picture)
        except UnidentifiedImageError as error:
            raise ImageError(f"{path}: not a picture of a known format, or damaged") from error
        except Image.DecompressionBombError as error:
            raise ImageError(f"{path}: too many pixels ({one_line(error)}): make it smaller") from error
        # decoders meet damaged files with exceptions of every type
        except Exception as error:
            raise ImageError(f"{path}: damaged picture ({one_line(error)})") from error


def _frames(picture: Image.Image) -> int:
    """Return how many frames a file holds; 1 where those after the first are damaged."""
    try:
        return int(getattr(picture, "n_frames", 1)) if picture.format in _WITH_FRAMES else 1
    except Exception:
        return 1


def _upright(picture: Image.Image) -> Image.Image:
    """Turn a picture as its EXIF orientation says; ImageOps.exif_transpose fails where other tags are odd."""
    from PIL import ExifTags, Image

    try:
        orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:
        return picture.copy()
    turn = _TURNS.get(orientation)
    return picture.copy() if turn is None else picture.transpose(Image.Transpose[turn])


def _composite(picture: Image.Image, background: Colour) -> Image.Image:
    from PIL import Image

    if picture.mode == "La":
        picture = picture.convert("LA")
    under = Image.new("RGBA", picture.size, background)
    return Image.alpha_composite(under, picture.convert("RGBA")).convert("RGB")


def _deep_grey(path: Path, picture: Image.Image, form: str, background: Colour) -> Image.Image:
    from PIL import Image

    stored = np.asarray(picture)
    if picture.mode == "F":
        scaled = _of_floats(path, stored)
    else:
        scaled = _of_integers(path, stored, picture.mode == "I" and form not in _DEEP_AS_32_BIT)
    values = scaled.astype(np.float32)
    transparent = picture.info.get("transparency")
    if transparent is not None:
        values[stored == transparent] = luminance(background)
    return Image.fromarray(values)


def luminance(colour: Colour) -> int:
    """Return the luminance of a colour, 0..255, after ITU-R 601-2: 0.299 R + 0.587 G + 0.114 B."""
    red, green, blue = colour
    return round((299 * red + 587 * green + 114 * blue) / 1000)


def _of_integers(path: Path, stored: NDArray[Any], wide: bool) -> NDArray[np.float64]:
    low, high = int(stored.min()), int(stored.max())
    if low < 0 or high > _LARGEST_16_BIT:
        raise ImageError(
            f"{path}: its values, {low} to {high}, are not those of a 16-bit picture: save the input as .npy"
        )
    if wide and high <= 255:
        return stored.astype(np.float64)
    if 0 < high <= _LARGEST_12_BIT:
        message = (
            f"{path}: its largest value is {high} of 65535, as in 12-bit data, and comes out as "
            f"{255 * high / _LARGEST_16_BIT:.3g} of 255: save the input as .npy, or use --scale"
        )
        warnings.warn(message, CnnVisWarning, stacklevel=4)
    return stored / (_LARGEST_16_BIT / 255)


def _of_floats(path: Path, stored: NDArray[Any]) -> NDArray[np.float64]:
    low, high = float(stored.min()), float(stored.max())
    if not 0 <= low <= high <= 255:
        raise ImageError(
            f"{path}: its values, {low:g} to {high:g}, are not in 0..1 or 0..255: save the input as .npy"
        )
    return stored * np.float64(255 if high <= 1 else 1)
