"""How the values of a picture become those of a network's input: settings, presets, and the arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import finite_float32, open_array, show_shape
from .errors import ImageError
from .files import sha256
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
    network wants three; then ``(value * scale - mean) / std`` with value in 0..255.

    Parameters
    ----------
    size : tuple of int, optional
        Height and width of the network's input; one number stands for both. None takes what the model fixes,
        and where it leaves both free, the picture's own.
    resize : {"crop", "stretch", "pad"}
        ``crop`` keeps the aspect ratio and cuts the centre out; ``stretch`` does not keep it; ``pad`` keeps
        it and fills the rest, half on either side, with `fill`.
    short_side : int, optional
        For ``crop``: the length of the picture's shorter side before the cut. For an input of free size: the
        length of its shorter side.
    crop_fraction : float
        For ``crop`` without `short_side`: the share of the resized picture that the cut keeps along its
        tighter axis. 1 cuts no more than it must; the ImageNet convention is 224/256 = 0.875.
    interpolation : {"nearest", "bilinear", "bicubic", "lanczos", "box"}
        Pillow's filters; all but ``nearest`` are antialiased when a picture gets smaller.
    channels : {"RGB", "BGR", "L"}
        The order of the network's channels; ``L`` is luminance, repeated where the network wants three.
    scale : float
        Multiplies the values 0..255 first: 1/255 for networks that were trained on 0..1.
    mean : float, tuple of float or Path
        Subtracted next, in units after `scale` and in the order of `channels`: one number, one a channel, or
        a .npy file of shape (C,), (C, 1, 1) or (C, H, W).
    std : float or tuple of float
        Divides last: one number, or one a channel. For Caffe's `scale`, its inverse.
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

    size: tuple[int, int] | None = None
    resize: str = "crop"
    short_side: int | None = None
    crop_fraction: float = 1.0
    interpolation: str = "bilinear"
    channels: str = "RGB"
    scale: float = 1 / 255
    mean: float | tuple[float, ...] | Path = 0.0
    std: float | tuple[float, ...] = 1.0
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
    """Return ``(values * scale - mean) / std``, computed in float64 and rounded once.

    Parameters
    ----------
    values : ndarray
        0..255, shape (C, H, W), channels in the network's order.
    settings : Preprocessing
        Where scale, mean and std are taken from.

    Returns
    -------
    ndarray of float32
        Shape (C, H, W), contiguous.

    Raises
    ------
    ImageError
        If mean or std do not fit the shape.
    """
    mean = _mean(settings.mean, values.shape)
    std = _per_channel("std", settings.std, values.shape[0])
    result = np.empty(values.shape, np.float32)
    for channel, plane in enumerate(values):
        result[channel] = (plane * np.float64(settings.scale) - mean[channel]) / std[channel]
    return result


def _mean(mean: float | tuple[float, ...] | Path, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return one number or one image a channel."""
    if not isinstance(mean, Path):
        return _per_channel("mean", mean, shape[0])
    array = finite_float32(mean, open_array(mean)).astype(np.float64)
    if array.shape not in (shape[:1], (shape[0], 1, 1), shape):
        raise ImageError(
            f"{mean}: a mean of shape {show_shape(array.shape)} does not fit an input of shape "
            f"{show_shape(shape)}: average it to one number a channel, or crop it"
        )
    return array


def _per_channel(what: str, numbers: float | tuple[float, ...], count: int) -> NDArray[np.float64]:
    array = np.asarray(numbers, np.float64).reshape(-1)
    if array.size not in (1, count):
        raise ImageError(
            f"preprocessing: {what} has {array.size} numbers, the network's input {count} channels"
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
        # BVLC's reference models; caffe.io.Transformer stretches a picture to the input
        "caffe": Preprocessing(resize="stretch", channels="BGR", scale=1, mean=(104, 117, 123)),
        # TensorFlow's Inception and MobileNet: -1..1
        "tf": Preprocessing(crop_fraction=0.875, scale=1, mean=127.5, std=127.5),
        # EfficientNet-Lite
        "lite": Preprocessing(crop_fraction=0.875, interpolation="bicubic", scale=1, mean=127, std=128),
    }
)
