"""Arguments and options that several subcommands share."""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .option_types import (
    Choices,
    Feed,
    Names,
    Numbers,
    NumbersOrFile,
    OneOf,
    Order,
    Preset,
    Size,
)

if TYPE_CHECKING:
    from .models import OpenedModel

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def registry(module: str, name: str) -> Names:
    """Return a function that gives what a room has registered: `cnnvis --help` must not import the rooms."""

    def names() -> Iterable[str]:
        known: Iterable[str] = getattr(importlib.import_module(module), name)
        return known

    return names


def format_names() -> list[str]:
    """Return the extensions of all formats, without their dots."""
    from converters import extensions

    return [extension.lstrip(".") for extension in extensions()]


def header_names() -> list[str]:
    """Return the further headers that some format takes over its binary, without their dots."""
    from converters import extensions, format_of

    return sorted({name for extension in extensions() for name in format_of("x" + extension).headers})


file_path = click.Path(path_type=Path)
order_names = registry("order", "METHODS")


def order_names_alone() -> list[str]:
    """Return the ordering methods that need no file of numbers."""
    return [name for name in order_names() if name not in ("importance", "list")]


order_method = OneOf("ordering method", order_names)

_MODEL = (
    click.argument("model_path", metavar="MODEL", type=file_path),
    click.option(
        "--weights",
        "weights_path",
        type=file_path,
        metavar="W",
        help="Weights of a .prototxt: a .caffemodel, or Caffe's HDF5 form of it.",
    ),
    click.option(
        "--engine",
        type=OneOf("engine", registry("extract", "ENGINES")),
        default="onnxruntime",
        show_default=True,
        help="pycaffe runs a Caffe network in Caffe itself, in the Python that CNNVIS_CAFFE_PYTHON names.",
    ),
    click.option(
        "--stage",
        "stages",
        multiple=True,
        metavar="S",
        help="For a prototxt whose layers belong to stages, such as deploy; may be repeated.",
    ),
)
input_size: Decorator = click.option(
    "--size",
    type=Size(),
    help="Input height x width where the model leaves them open; of a Caffe network, instead of the file's.",
)
images: Decorator = click.option(
    "--image",
    "images",
    multiple=True,
    required=True,
    type=file_path,
    metavar="I",
    help="Picture, folder of pictures, preprocessed .npy, or volume for a 3-D network; may be repeated.",
)
feeds: Decorator = click.option(
    "--feed",
    "feeds",
    multiple=True,
    type=Feed(),
    help="Value of a further input, with its batch axis, as the model declares it, or of a layer inside the "
    "network; may be repeated.",
)
batch: Decorator = click.option(
    "--batch", type=click.IntRange(1), default=4, show_default=True, help="Images that run together."
)
out_folder: Decorator = click.option(
    "-o", "--out", type=file_path, required=True, metavar="DIR", help="Folder for the files; made if missing."
)
formats: Decorator = click.option(
    "--format",
    "formats",
    type=Choices(format_names),
    default=("nrrd",),
    help="File formats; vox+mhd+nhdr writes one binary under several headers. Default: nrrd.",
)
dtype: Decorator = click.option(
    "--dtype",
    type=OneOf("stored type", registry("converters", "DTYPES")),
    help="Stored type; integers keep their value scale. Default: uint8 for vox, float32 for all others.",
)
layout: Decorator = click.option(
    "--layout",
    type=OneOf("layout", registry("converters", "LAYOUTS")),
    default="stack",
    show_default=True,
    help="stack: a slice a channel, one volume; mosaic: tiles in a plane; channels: a volume a channel; "
    "norm: the root of the sum of squares over the channels.",
)
order: Decorator = click.option(
    "--order",
    type=Order(order_names, order_names_alone),
    default="identity",
    show_default=True,
    help="Order of the slices: a method, for each volume anew, or an order that `cnnvis order --save` wrote.",
)
distance: Decorator = click.option(
    "--distance",
    type=OneOf("distance", registry("order", "DISTANCES")),
    help="By what maps are compared. Default: correlation; of filters and gradients, absolute-correlation.",
)
series: Decorator = click.option(
    "--series",
    is_flag=True,
    help="Write one series a layer, its frames called by the images, on one value scale and in one order: "
    "nrrd as .seq.nrrd, vti as .pvd, nii.gz, nii and vtkhdf as 4-D files, vox as numbered files.",
)
z_spacing: Decorator = click.option(
    "--z-spacing",
    default="fit",
    show_default=True,
    metavar="same|fit|NUMBER",
    help="Distance between slices: as between columns; less where that makes a stick; or a number.",
)
preset: Decorator = click.option(
    "--preset",
    type=Preset(),
    help="Also write viewers' transfer functions: by name, by the values (auto), or a file of your own.",
)
picture_preset: Decorator = click.option(
    "--preset", type=Preset(), help="Transfer function. Default: auto, by the values."
)
quiet: Decorator = click.option("-q", "--quiet", is_flag=True, help="No progress bar.")


_PREPROCESSING = {
    "preset": click.option(
        "--preprocess",
        "preset_",
        type=OneOf("preprocessing preset", registry("extract.preprocessing", "PRESETS")),
        help="How pictures become inputs: as for a family of networks, unit (0..1) or raw (0..255); the "
        "options below change single settings of it, or of the model's TOML file.",
    ),
    "size": click.option("--size", type=Size(), help="Input height x width; by default what the model says."),
    "resize": click.option(
        "--resize",
        type=OneOf("way to resize", registry("extract.preprocessing", "RESIZES")),
        help="How a picture gets to that size.",
    ),
    "stretch_to": click.option(
        "--stretch-to", type=Size(), help="For stretch: height x width before the centre is cut out."
    ),
    "short_side": click.option(
        "--short-side", type=int, help="For crop: shorter side before the cut, in pixels."
    ),
    "crop_fraction": click.option(
        "--crop-fraction", type=float, help="For crop: share of the resized picture that the cut keeps."
    ),
    "interpolation": click.option(
        "--interpolation",
        type=OneOf("interpolation", registry("extract.preprocessing", "INTERPOLATIONS")),
        help="How values between pixels are found; Caffe's own are bilinear-opencv and bilinear-pycaffe.",
    ),
    "channels": click.option(
        "--channels",
        type=OneOf("order of channels", registry("extract.preprocessing", "CHANNELS")),
        help="Order of the network's channels.",
    ),
    "scale": click.option(
        "--scale", type=float, help="Factor on values 0..255, before mean; pycaffe's raw scale / 255."
    ),
    "mean": click.option(
        "--mean", type=NumbersOrFile(), help="Subtracted: a number, one a channel, or an image."
    ),
    "mean_per_channel": click.option(
        "--mean-per-channel", is_flag=True, default=None, help="Average a mean image to one number a channel."
    ),
    "std": click.option("--std", type=Numbers(), help="Divides after mean: a number, or one a channel."),
    "input_scale": click.option(
        "--input-scale", type=float, help="Factor, last of all; the scale of Caffe's transform_param."
    ),
    "background": click.option(
        "--background", type=Numbers(), help="Colour under transparent pixels, 0..255."
    ),
    "fill": click.option("--fill", type=Numbers(), help="For pad: colour around the picture, 0..255."),
    "axes": click.option(
        "--axes", metavar="zyx", help="For volumes: which axes are depth, height and width."
    ),
}


def model(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add MODEL and the options that go with it; the command gets a function `opened`.

    It takes the size of the input, if one is given, and shapes of what is fed inside; it loads the network.
    """

    @functools.wraps(command)
    def wrapped(
        model_path: Path, weights_path: Path | None, engine: str, stages: tuple[str, ...], **arguments: Any
    ) -> Any:
        from .models import open_model

        def opened(
            size: tuple[int, ...] | None = None, fed: Mapping[str, tuple[int, ...]] | None = None
        ) -> OpenedModel:
            return open_model(model_path, weights_path, engine, size, stages, fed)

        return command(opened=opened, **arguments)

    for option in reversed(_MODEL):
        wrapped = option(wrapped)
    return wrapped


def preprocessing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of preprocessing; the command gets those that were given, as a dict `preprocessing`."""

    @functools.wraps(command)
    def wrapped(**arguments: Any) -> Any:
        given = {name: arguments.pop("preset_" if name == "preset" else name) for name in _PREPROCESSING}
        return command(preprocessing={n: v for n, v in given.items() if v is not None}, **arguments)

    for option in reversed(_PREPROCESSING.values()):
        wrapped = option(wrapped)
    return wrapped


def made(folder: Path) -> Path:
    """Return the folder, made if it is missing; it goes again if the command leaves it empty.

    Raises
    ------
    click.ClickException
        If it cannot be made.
    """
    try:
        new = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.ClickException(f"{folder}: cannot make this folder: {error.strerror}") from error
    context = click.get_current_context(silent=True)
    if context is not None:
        context.call_on_close(functools.partial(_remove_empty, new))
    return folder


def _remove_empty(folders: list[Path]) -> None:
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


def print_paths(paths: list[Path]) -> None:
    """Print what was written, a path a line; whoever reads the list may stop, the work goes on."""
    try:
        for path in paths:
            click.echo(str(path))
    except BrokenPipeError:
        mute()


def mute() -> None:
    """Let all further output vanish, also Python's own flush at exit."""
    # a stand-in for it, such as a notebook's, is no file
    with contextlib.suppress(io.UnsupportedOperation):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
