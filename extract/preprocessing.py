"""How the values of a picture become those of a network's input: settings, presets, and the arithmetic."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.errors import CnnVisWarning

from .bilinear import Size, pycaffe_resize
from .errors import ImageError
from .files import sha256
from .mean import read_mean
from .pictures import WHITE, Colour
from .settings import AXES, CHANNELS, CHECKS, INTERPOLATIONS, LARGEST, RESIZES, nearest

__all__ = [
    "AXES",
    "CHANNELS",
    "INTERPOLATIONS",
    "LARGEST",
    "PRESETS",
    "RESIZES",
    "Preprocessing",
    "centre",
    "configure",
    "normalize",
    "preset",
    "sha256",
]


@dataclass(frozen=True)
class Preprocessing:
    """What is done with a picture before the network sees it.

    The steps, in this order: transparent pixels onto `background`; to luminance where the network or
    `channels` wants one channel; resize (8-bit pictures are rounded to whole numbers again, as in the
    pipelines that networks are trained with); channels into the order of `channels`, grey repeated where the
    network wants three; then ``(value * scale - mean) / std * input_scale`` with value in 0..255.

    Parameters
    ----------
    size : tuple of int, optional
        Height and width of the network's input; one number stands for both. None takes what the model fixes,
        and where it leaves both free, the picture's own.
    resize : {"crop", "stretch", "pad"}
        ``crop`` keeps the aspect ratio and cuts the centre out; ``stretch`` does not keep it; ``pad`` keeps
        it and fills the rest, half on either side, with `fill`.
    stretch_to : tuple of int, optional
        For ``stretch``: height and width before the centre is cut out; without it, nothing is cut. Caffe's
        data sets hold pictures of 256 x 256, of which its networks see 227 x 227.
    short_side : int, optional
        For ``crop``: the length of the picture's shorter side before the cut. For an input of free size: the
        length of its shorter side.
    crop_fraction : float
        For ``crop`` without `short_side`: the share of the resized picture that the cut keeps along its
        tighter axis. 1 cuts no more than it must; the ImageNet convention is 224/256 = 0.875.
    interpolation : str
        ``nearest``, ``bilinear``, ``bicubic``, ``lanczos`` and ``box`` are Pillow's filters; all but
        ``nearest`` are antialiased when a picture gets smaller. Caffe's own are not: ``bilinear-opencv`` is
        that of its data layers and tools, ``bilinear-pycaffe`` that of pycaffe, which does not round.
    channels : {"RGB", "BGR", "L"}
        The order of the network's channels; ``L`` is luminance, repeated where the network wants three.
    scale : float
        Multiplies the values 0..255 first: 1/255 for networks that were trained on 0..1. pycaffe's raw scale
        is for values 0..1, so it is 255 times as large.
    mean : float, tuple of float or Path
        Subtracted next, in units after `scale` and in the order of `channels`: one number, one a channel, or
        a file, .npy or Caffe's .binaryproto, of shape (C,), (C, H, W) or (1, C, H, W). An image of the size
        `stretch_to` is cut as the pictures are, which is what Caffe's data layers do; one of any other size
        is resized to the input, which is what pycaffe does.
    mean_per_channel : bool
        Whether a mean image is averaged to one number a channel.
    std : float or tuple of float
        Divides next: one number, or one a channel.
    input_scale : float
        Multiplies last: pycaffe's input scale, and the ``scale`` of a prototxt's ``transform_param``.
    background : tuple of int
        The colour, 0..255, under transparent pixels; one number is a grey. White unless given.
    fill : tuple of int
        The colour, 0..255, around a padded picture; one number is a grey.
    axes : str, optional
        For volumes and 3-D networks: which axes of the file become depth, height and width of the input,
        such as ``zyx`` or ``xyz``; with ``c`` in front where the frames of a 4-D file are channels. ``zyx``
        for 3-D files unless given; 4-D files need it.

    Raises
    ------
    ImageError
        If a setting is out of its range.
    """

    size: Size | None = None
    resize: str = "crop"
    stretch_to: Size | None = None
    short_side: int | None = None
    crop_fraction: float = 1.0
    interpolation: str = "bilinear"
    channels: str = "RGB"
    scale: float = 1 / 255
    mean: float | tuple[float, ...] | Path = 0.0
    mean_per_channel: bool = False
    std: float | tuple[float, ...] = 1.0
    input_scale: float = 1.0
    background: Colour = WHITE
    fill: Colour = (0, 0, 0)
    axes: str | None = None

    def __post_init__(self) -> None:
        for name, check in CHECKS.items():
            value = getattr(self, name)
            try:
                object.__setattr__(self, name, check(value))
            except ValueError as error:
                raise ImageError(f"preprocessing: {name} takes {error}, not {value!r}") from error

    @property
    def facts(self) -> dict[str, Any]:
        """All settings as JSON holds them; a mean file by its name and SHA-256."""
        facts = {field.name: _json(getattr(self, field.name)) for field in fields(self)}
        if isinstance(self.mean, Path):
            facts["mean"] = {"file": self.mean.name, "sha256": sha256(self.mean)}
        return facts


def preset(name: str) -> Preprocessing:
    """Return the preprocessing of a family of networks; see `PRESETS`.

    Raises
    ------
    ImageError
        If there is no such preset.
    """
    if name not in PRESETS:
        raise ImageError(f"unknown preprocessing preset {name!r}{nearest(name, PRESETS)}")
    return PRESETS[name]


def configure(settings: Mapping[str, Any], folder: Path = Path()) -> Preprocessing:
    """Make a preprocessing of what an option list or a TOML table says.

    Parameters
    ----------
    settings : mapping
        Fields of `Preprocessing`, and ``preset``: the name of the preset to start from.
    folder : Path
        What the path of a mean file is relative to.

    Raises
    ------
    ImageError
        If a setting is unknown, or out of its range.
    """
    changes = dict(settings)
    start = preset(str(changes.pop("preset"))) if "preset" in changes else Preprocessing()
    known = [field.name for field in fields(Preprocessing)]
    for name in changes:
        if name not in known:
            raise ImageError(f"unknown preprocessing setting {name!r}{nearest(name, ['preset', *known])}")
    if isinstance(changes.get("mean"), str):
        changes["mean"] = folder / changes["mean"]
    return replace(start, **changes)


def normalize(values: NDArray[Any], settings: Preprocessing) -> NDArray[np.float32]:
    """Return ``(values * scale - mean) / std * input_scale``, computed in float64 and rounded once.

    Parameters
    ----------
    values : ndarray
        0..255, shape (C, H, W), channels in the network's order.
    settings : Preprocessing
        Where the numbers are taken from.

    Returns
    -------
    ndarray of float32
        Shape (C, H, W), contiguous.

    Raises
    ------
    ImageError
        If mean or std do not fit the shape, or the mean's file cannot be read.

    Warns
    -----
    CnnVisWarning
        If a mean image is resized.
    """
    mean = _mean(settings, values.shape)
    std = _per_channel("std", settings.std, values.shape[0])
    result = np.empty(values.shape, np.float32)
    for channel, plane in enumerate(values):
        centred = plane * np.float64(settings.scale) - mean[channel]
        result[channel] = centred / std[channel] * settings.input_scale
    return result


def centre(outer: Size, inner: Size) -> Size:
    """Return row and column where the middle of a stretched picture begins, rounded down as in Caffe."""
    return (outer[0] - inner[0]) // 2, (outer[1] - inner[1]) // 2


def _mean(settings: Preprocessing, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return one number or one image a channel."""
    if not isinstance(settings.mean, Path):
        return _per_channel("mean", settings.mean, shape[0])
    channels, height, width = shape
    mean = read_mean(settings.mean, channels)
    if settings.mean_per_channel:
        mean = mean.mean(axis=(1, 2), keepdims=True)
    own = mean.shape[1], mean.shape[2]
    if own in ((1, 1), (height, width)):
        return mean
    if settings.resize == "stretch" and settings.stretch_to == own:
        row, column = centre(own, (height, width))
        return mean[:, row : row + height, column : column + width]
    warnings.warn(
        f"{settings.mean}: this mean image of {own[0]} x {own[1]} is resized to the input's {height} x "
        f"{width}, as pycaffe does: stretch_to would cut it with the picture, mean_per_channel average it",
        CnnVisWarning,
        stacklevel=3,
    )
    return pycaffe_resize(mean.transpose(1, 2, 0), (height, width)).transpose(2, 0, 1).astype(np.float64)


def _per_channel(what: str, numbers: float | tuple[float, ...], count: int) -> NDArray[np.float64]:
    array = np.asarray(numbers, np.float64).reshape(-1)
    if array.size not in (1, count):
        raise ImageError(
            f"preprocessing: {what} has {array.size} numbers, the network's input {count} channels: "
            "one number fits all"
        )
    return np.broadcast_to(array, (count,))


def _json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


PRESETS: Mapping[str, Preprocessing] = MappingProxyType(
    {
        # 0..1, and nothing else
        "unit": Preprocessing(),
        # 0..255, and nothing else
        "raw": Preprocessing(scale=1),
        # torchvision's ImageNet evaluation: short side 256, centre 224
        "torch": Preprocessing(crop_fraction=0.875, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
        # BVLC's reference models, as pycaffe's Transformer feeds them: the whole picture, stretched
        "caffe": Preprocessing(
            resize="stretch",
            interpolation="bilinear-pycaffe",
            channels="BGR",
            scale=1,
            mean=(104, 117, 123),
        ),
        # TensorFlow's Inception and MobileNet: -1..1
        "tf": Preprocessing(crop_fraction=0.875, scale=1, mean=127.5, std=127.5),
        # EfficientNet-Lite
        "lite": Preprocessing(crop_fraction=0.875, interpolation="bicubic", scale=1, mean=127, std=128),
    }
)
