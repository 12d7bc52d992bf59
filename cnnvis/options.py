"""Arguments and options that several subcommands share."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Size(click.ParamType):
    """``HEIGHTxWIDTH``, or three numbers for 3-D networks."""

    name = "HxW"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Return the numbers, or fail with a message."""
        if isinstance(value, tuple):
            return value
        if not re.fullmatch(r"[1-9]\d{0,4}(x[1-9]\d{0,4}){1,2}", value):
            self.fail(f"{value!r} is not a size such as 224x224", param, ctx)
        return tuple(map(int, value.split("x")))


class Choices(click.ParamType):
    """Words separated by commas."""

    name = "A,B"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the words, or fail with a message."""
        if isinstance(value, tuple):
            return value
        words = tuple(word.strip() for word in value.split(",") if word.strip())
        if not words:
            self.fail("names nothing", param, ctx)
        return tuple(dict.fromkeys(words))


class Numbers(click.ParamType):
    """One number, or several separated by commas."""

    name = "A[,B,C]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a number or a tuple of numbers, or fail with a message."""
        if not isinstance(value, str):
            return value
        try:
            numbers = tuple(map(float, value.split(",")))
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 104,117,123", param, ctx)
        return numbers if len(numbers) > 1 else numbers[0]


class NumbersOrFile(Numbers):
    """Numbers, or the path of a .npy file."""

    name = "A[,B,C]|FILE.npy"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a path, a number or a tuple of numbers, or fail with a message."""
        is_file = isinstance(value, str) and value.endswith(".npy")
        return Path(value) if is_file else super().convert(value, param, ctx)


file_path = click.Path(path_type=Path)

model_argument: Decorator = click.argument("model_path", metavar="MODEL", type=file_path)
input_size: Decorator = click.option(
    "--size", type=Size(), help="Input height x width where the model leaves them open."
)
out_folder: Decorator = click.option(
    "-o", "--out", type=file_path, required=True, metavar="DIR", help="Folder for the files; made if missing."
)
formats: Decorator = click.option(
    "--format",
    "formats",
    type=Choices(),
    default=("nrrd",),
    help="File formats: nrrd nhdr nii nii.gz vox mhd mha vti vtk hdf vtkhdf; vox+mhd+nhdr writes one binary "
    "under several headers. Default: nrrd.",
)
dtype: Decorator = click.option(
    "--dtype",
    type=click.Choice(["float32", "int16", "uint16", "uint8"]),
    help="Stored type; integers keep their value scale. Default: uint8 for vox, float32 for all others.",
)
layout: Decorator = click.option(
    "--layout",
    type=click.Choice(["stack", "mosaic", "channels"]),
    default="stack",
    show_default=True,
    help="stack: a slice a channel, one volume; mosaic: tiles in a plane; channels: a volume a channel.",
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
    metavar="NAME",
    help="Also write viewers' transfer functions: activation, signed, auto, or a file of your own.",
)
quiet: Decorator = click.option("-q", "--quiet", is_flag=True, help="No progress bar.")


_PREPROCESSING = {
    "preset": click.option(
        "--preprocess",
        "preset_",
        metavar="PRESET",
        help="How pictures become inputs: torch, caffe, tf, lite, unit (0..1) or raw (0..255); the options "
        "below change single settings of it, or of the model's TOML file.",
    ),
    "size": click.option("--size", type=Size(), help="Input height x width; by default what the model says."),
    "resize": click.option("--resize", metavar="crop|stretch|pad", help="How a picture gets to that size."),
    "short_side": click.option(
        "--short-side", type=int, help="For crop: shorter side before the cut, in pixels."
    ),
    "interpolation": click.option(
        "--interpolation", metavar="NAME", help="nearest bilinear bicubic lanczos box."
    ),
    "channels": click.option("--channels", metavar="RGB|BGR|L", help="Order of the network's channels."),
    "scale": click.option("--scale", type=float, help="Factor on values 0..255, before mean."),
    "mean": click.option(
        "--mean", type=NumbersOrFile(), help="Subtracted: a number, one a channel, or an array."
    ),
    "std": click.option("--std", type=Numbers(), help="Divides last: a number, or one a channel."),
    "background": click.option(
        "--background", type=Numbers(), help="Colour under transparent pixels, 0..255."
    ),
    "axes": click.option(
        "--axes", metavar="zyx", help="For volumes: which axes are depth, height and width."
    ),
}


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
    """Return the folder, made if it is missing.

    Raises
    ------
    click.ClickException
        If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.ClickException(f"{folder}: cannot make this folder: {error.strerror}") from error
    return folder


def print_paths(paths: list[Path]) -> None:
    """Print what was written, a path a line."""
    for path in paths:
        click.echo(str(path))
