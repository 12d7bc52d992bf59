"""Inputs of a network, made from pictures, arrays and volumes on disk."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .arrays import finite_float32, open_array, show_shape
from .errors import ImageError
from .pictures import load_picture
from .preprocessing import AXES, Preprocessing, normalize, sha256
from .resizing import Fit, apply, plan
from .sources import ImageSource

if TYPE_CHECKING:
    from PIL import Image

    from converters import Volume

Shape = tuple[int | None, ...]
Vector = tuple[float, float, float]

_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class PreparedInput:
    """One input of a network, with where it came from and where it lies.

    Parameters
    ----------
    name : str
        Name of its source.
    array : ndarray of float32
        What the network is given, without the batch axis: shape (C, H, W) or (C, D, H, W).
    sha256 : str
        Of the source file; for a volume with a detached header, of that header.
    facts : mapping
        For provenance, as JSON holds it: ``kind``, ``file``, ``sha256``, and what was done. For pictures,
        ``input_to_picture`` holds ``scale`` and ``offset``: picture x = scale * input x + offset, in pixels
        whose centres lie at whole numbers. For volumes, ``values_sha256`` is that of `array`, little-endian,
        in C order.
    picture : ndarray or None
        For pictures, what the network sees before mean and scale: values 0..255, shape (H, W) or (H, W, 3) in
        the order RGB; uint8, or float32 for deep grey.
    spacing, origin, direction : tuple of float
        Where the array's voxels lie, as `Volume` holds it, in its own x = W, y = H, z = D. LPS millimetres
        for volumes, plain pixels for all else.
    """

    name: str
    array: NDArray[np.float32]
    sha256: str
    facts: Mapping[str, Any]
    picture: NDArray[Any] | None = None
    spacing: Vector = (1.0, 1.0, 1.0)
    origin: Vector = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = _IDENTITY


def expand(sources: Sequence[ImageSource], shape: Shape) -> list[ImageSource]:
    """Turn each .npy file of several inputs into one source an input, named ``NAME_0``, ``NAME_1``, ...

    Parameters
    ----------
    sources : sequence of ImageSource
        As `find_images` gives them.
    shape : tuple of int or None
        As `to_input` takes it.

    Raises
    ------
    ImageError
        If a .npy file is damaged or does not fit the network, or two inputs get one name.
    """
    expanded = [single for source in sources for single in _singles(source, shape)]
    for name, uses in Counter(source.name.casefold() for source in expanded).items():
        if uses > 1:
            files = " and ".join(str(s.path) for s in expanded if s.name.casefold() == name)
            raise ImageError(f"{files}: {uses} inputs are called {name!r}: rename a file")
    return expanded


def to_input(source: ImageSource, settings: Preprocessing, shape: Shape) -> PreparedInput:
    """Make one input for a network.

    Parameters
    ----------
    source : ImageSource
        A picture is preprocessed; a .npy file, and for 3-D networks a volume file, is used as it is.
    settings : Preprocessing
        What is done with pictures, and which axes of volumes are which.
    shape : tuple of int or None
        What the network takes, batch axis and channels first, None for free sizes: (N, C, H, W), for 3-D
        networks (N, C, D, H, W); .npy files may be of any rank.

    Raises
    ------
    ImageError
        If the file is damaged or cannot be an input of this shape.
    VolumeError
        If a volume file is damaged.
    """
    return _TO_INPUT[source.kind](source, settings, shape)


def batches(
    sources: Sequence[ImageSource], settings: Preprocessing, shape: Shape, size: int
) -> Iterator[tuple[PreparedInput, ...]]:
    """Yield the inputs of a network in batches, reading files only as they are needed.

    Parameters
    ----------
    sources : sequence of ImageSource
        As `find_images` gives them, or `expand`.
    settings, shape
        As `to_input` takes them.
    size : int
        The largest number of inputs in a batch, 1 or more. Inputs of one batch have one shape, so a batch
        ends early where a network of free size gets pictures of several sizes.
    """
    batch: list[PreparedInput] = []
    for source in expand(sources, shape):
        one = to_input(source, settings, shape)
        if batch and one.array.shape != batch[0].array.shape:
            yield tuple(batch)
            batch = []
        batch.append(one)
        if len(batch) >= size:
            yield tuple(batch)
            batch = []
    if batch:
        yield tuple(batch)


def _singles(source: ImageSource, shape: Shape) -> list[ImageSource]:
    if source.kind != "array" or source.item is not None:
        return [source]
    count = len(_stacked(source, shape))
    if count == 1:
        return [source]
    digest = sha256(source.path)
    return [replace(source, name=f"{source.name}_{item}", item=item, digest=digest) for item in range(count)]


def _stacked(source: ImageSource, shape: Shape) -> NDArray[Any]:
    """Map the array of a .npy file into memory, with a batch axis if it lacks one."""
    array = open_array(source.path)
    stacked = array[np.newaxis] if array.ndim == len(shape) - 1 else array
    if not _fits(stacked.shape, (None, *shape[1:])):
        raise _misfit(source, array.shape, shape)
    return stacked


def _fits(given: tuple[int, ...], wanted: Shape) -> bool:
    same_rank = len(given) == len(wanted) and 0 not in given
    return same_rank and all(want in (None, have) for have, want in zip(given, wanted, strict=True))


def _misfit(source: ImageSource, given: tuple[int, ...], shape: Shape, hint: str = "") -> ImageError:
    return ImageError(
        f"{source.path}: an array of shape {show_shape(given)} does not fit the network's input of shape "
        f"{show_shape(shape)}{hint}"
    )


def _from_array(source: ImageSource, settings: Preprocessing, shape: Shape) -> PreparedInput:
    stacked = _stacked(source, shape)
    if source.item is None and len(stacked) > 1:
        raise ImageError(f"{source.path}: holds {len(stacked)} inputs where one is asked for")
    array = finite_float32(source.path, stacked[source.item or 0])
    facts = _source_facts(source) | ({} if source.item is None else {"item": source.item})
    return PreparedInput(source.name, array, facts["sha256"], facts)


def _from_volume(source: ImageSource, settings: Preprocessing, shape: Shape) -> PreparedInput:
    from converters import read

    if len(shape) != 5:
        raise ImageError(
            f"{source.path}: a volume needs a 3-D network; this one's input has shape {show_shape(shape)}"
        )
    volume = read(source.path)
    axes = _volume_axes(source, volume, settings.axes)
    array = _permuted(volume.data, axes)
    if not _fits(array.shape, shape[1:]):
        raise _misfit(source, array.shape, shape, _axes_hint(volume, shape))
    array = finite_float32(source.path, array)
    facts = _source_facts(source) | {"axes": axes, "values_sha256": _values_sha256(array)}
    # from the letters of depth, height, width to the file's columns x, y, z
    columns = ["xyz".index(letter) for letter in reversed(axes[-3:])]
    x, y, z = (volume.spacing[column] for column in columns)
    direction = tuple(float(v) for v in volume.matrix[:, columns].ravel())
    one = PreparedInput(source.name, array, facts["sha256"], facts)
    return replace(one, spacing=(x, y, z), origin=volume.origin, direction=direction)


def _volume_axes(source: ImageSource, volume: Volume, axes: str | None) -> str:
    if volume.frames is None:
        if axes is not None and axes.startswith("c"):
            raise ImageError(f"{source.path}: axes {axes!r} are for a 4-D file, and this one has 3 axes")
        return axes or AXES[0]
    if axes is None or not axes.startswith("c"):
        raise ImageError(
            f"{source.path}: has {volume.frames} frames: say that they are channels with axes 'czyx' (or the "
            "like), or give one file an input"
        )
    return axes


def _permuted(data: NDArray[Any], axes: str) -> NDArray[Any]:
    """Return the data with axes (channel, depth, height, width)."""
    channels = data if data.ndim == 4 else data[np.newaxis]
    return channels.transpose(0, *(1 + "zyx".index(letter) for letter in axes[-3:]))


def _axes_hint(volume: Volume, shape: Shape) -> str:
    if volume.frames is None and shape[1] not in (None, 1):
        return ": bring the channels together in a 4-D file and use axes 'czyx', or save the input as .npy"
    frames = "" if volume.frames is None else "c"
    fitting = [frames + axes for axes in AXES if _fits(_permuted(volume.data, axes).shape, shape[1:])]
    return f"; with axes {' or '.join(fitting)} it would" if fitting else ""


def _values_sha256(array: NDArray[np.float32]) -> str:
    return hashlib.sha256(array.astype("<f4", copy=False).data).hexdigest()


def _from_picture(source: ImageSource, settings: Preprocessing, shape: Shape) -> PreparedInput:
    picture = load_picture(source.path, settings.background)
    try:
        array, seen, fit = from_picture(picture, settings, shape)
    except ImageError as error:
        raise ImageError(f"{source.path}: {error}") from error
    facts = _source_facts(source) | _picture_facts(fit, settings)
    return PreparedInput(source.name, array, facts["sha256"], facts, picture=seen)


def from_picture(
    picture: Image.Image, settings: Preprocessing, shape: Shape
) -> tuple[NDArray[np.float32], NDArray[Any], Fit]:
    """Preprocess a decoded picture.

    Parameters
    ----------
    picture : PIL.Image.Image
        Of mode "RGB", "L" or "F", as `load_picture` gives it.
    settings : Preprocessing
        What is done with it.
    shape : tuple of int or None
        What the network takes, as for `to_input`.

    Returns
    -------
    array, seen : ndarray
        As `PreparedInput` holds them.
    fit : Fit
        How the picture became an input.

    Raises
    ------
    ImageError
        If it cannot be an input of this shape.
    """
    if len(shape) != 4 or shape[1] not in (None, 1, 3):
        raise ImageError(
            "a picture has 1 or 3 channels, height and width; the network's input has shape "
            f"{show_shape(shape)}: give it as .npy"
        )
    channels = shape[1] or (1 if settings.channels == "L" else 3)
    if picture.mode == "RGB" and (channels == 1 or settings.channels == "L"):
        picture = picture.convert("L")
    fit = plan((picture.height, picture.width), (shape[2], shape[3]), settings)
    seen = np.asarray(apply(fit, picture, settings))
    return normalize(_planes(seen, channels, settings.channels), settings), seen, fit


def _planes(seen: NDArray[Any], channels: int, order: str) -> NDArray[Any]:
    """Return (H, W) or (H, W, 3) values as (C, H, W) in the network's order."""
    if seen.ndim == 2:
        return np.broadcast_to(seen, (channels, *seen.shape))
    return seen.transpose(2, 0, 1)[:: -1 if order == "BGR" else 1]


def _picture_facts(fit: Fit, settings: Preprocessing) -> dict[str, Any]:
    return {
        "preprocessing": settings.facts,
        "picture_size": list(fit.picture),
        "input_to_picture": {"scale": list(fit.scale), "offset": list(fit.offset)},
    }


def _source_facts(source: ImageSource) -> dict[str, Any]:
    return {
        "kind": source.kind,
        "file": source.path.name,
        "sha256": source.digest or sha256(source.path),
    }


_TO_INPUT: Mapping[str, Callable[[ImageSource, Preprocessing, Shape], PreparedInput]] = {
    "array": _from_array,
    "volume": _from_volume,
    "picture": _from_picture,
}
