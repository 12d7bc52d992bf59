"""``cnnvis maximize``: an image that excites a neuron."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from extract import Input, Preprocessing

    from .models import OpenedModel

# Of pictures: about the standard deviation of the values, 0..255, that networks are trained on.
_DEVIATION = 60.0


def _setting(name: str, kind: click.ParamType, default: float, text: str) -> options.Decorator:
    """Return an option of the ascent."""
    return click.option(f"--{name}", type=kind, default=default, show_default=True, help=text)


@click.command()
@options.model
@click.option(
    "--target",
    "neurons",
    multiple=True,
    required=True,
    metavar="NAME:INDEX",
    help="What grows: an element (fc8:281), the mean of a map (conv5:3), its maximum (conv5:3@max), or top: "
    "the class that the network sees in the noise; may be repeated, an image each.",
)
@options.out_folder
@options.formats
@options.preset
@options.preprocessing
@options.feeds
@_setting("steps", click.IntRange(1), 200, "How many steps uphill.")
@_setting("rate", click.FloatRange(0), 0.15, "Length of a step: its root mean square, in deviations.")
@_setting("decay", click.FloatRange(0, 1), 0.01, "Part of each value that a step takes away.")
@_setting("blur", click.FloatRange(0), 1.0, "Standard deviation in pixels of the blur between steps.")
@_setting("blur-every", click.IntRange(1), 4, "After how many steps the image is blurred.")
@_setting("jitter", click.IntRange(0), 4, "Largest random shift in pixels, drawn for each step.")
@_setting("seed", click.IntRange(0), 0, "Of the noise that the ascent starts from, and of the shifts.")
@click.option(
    "--deviation",
    type=click.FloatRange(0),
    help="Standard deviation of the values that the network knows, in units of its input. Default: by the "
    "preprocessing; 1 for 3-D networks.",
)
@options.quiet
def command(
    opened: Callable[..., OpenedModel],
    neurons: tuple[str, ...],
    out: Path,
    formats: tuple[str, ...],
    preset: str | Path | None,
    preprocessing: dict[str, Any],
    feeds: tuple[tuple[str, Path], ...],
    deviation: float | None,
    quiet: bool,
    **ascent: Any,
) -> None:
    """Make an image that excites a neuron, by gradient ascent from noise.

    It comes as a volume and as an .npy array that --image of other commands takes; that of a network of
    pictures also as a PNG. Pictures stay between black and white, as the preprocessing has them.

    \b
    Examples:
      cnnvis maximize net.onnx --target fc8:281 --preprocess torch -o excited
      cnnvis maximize deploy.prototxt --weights net.caffemodel --target conv5:3 --target conv5:4 -o excited
      cnnvis maximize unet3d.onnx --target decoder:1 --size 32x64x64 -o excited --format nii.gz
    """
    import numpy as np

    from converters import lay_out
    from extract.arrays import open_array
    from extract.attribution import activation_maximization
    from extract.attribution.activation_maximization import Ascent
    from extract.feeding import image_input
    from extract.targets import targets_of

    from . import feeding
    from .export import Export, targets
    from .names import file_stem
    from .pictures import save_png
    from .progress import progress
    from .provenance import model_facts, software

    values = {name: open_array(file) for name, file in feeds}
    size = preprocessing.pop("size", None)
    described = opened(size, {name: array.shape for name, array in values.items()})
    fixed, model = feeding.fed(described.model, values)
    for neuron in neurons:
        targets_of(model, neuron)
    image = image_input(model, model.inputs, fixed)
    settings = feeding.settings_of(described, preprocessing, image, [])
    ends = ends_of(settings, image) if len(image.channels_first) == 4 else None
    if deviation is None:
        deviation = 1.0 if ends is None else _DEVIATION / 255 * float(np.mean(np.abs(ends[1] - ends[0])))
    facts = {"model": model_facts(model), **feeding.feed_facts(feeds), **software()}
    facts["preprocessing"] = settings.facts
    export = Export(options.made(out), targets(formats), preset=preset)
    for neuron in dict.fromkeys(neurons):
        with progress(ascent["steps"], f"steps to {neuron}", quiet) as done:
            found = activation_maximization(
                model,
                neuron,
                settings=Ascent(**ascent, deviation=deviation),
                size=size or settings.size,
                # black is the larger one where the preprocessing turns values round
                bounds=None if ends is None else (np.minimum(*ends), np.maximum(*ends)),
                others=fixed,
                progress=done,
            )
        stem = file_stem("max", model=model.path.stem, target=neuron)
        scores = {"start": found.start_score, "end": found.score}
        known = {**facts, "target": neuron, "method": dict(found.facts), "score": scores, "quantity": "max"}
        (own,) = found.image
        (volume,) = lay_out(own[0] if own.ndim == 4 and len(own) == 1 else own)
        volume = volume.replace(name="image", facts={**known, **volume.facts})
        options.print_paths([*export.write(volume, stem), save_array(own, out / f"{stem}.npy")])
        if ends is not None and len(own) in (1, 3):
            pixels = (own - ends[0]) / (ends[1] - ends[0])
            options.print_paths([save_png(picture(pixels, settings), out / f"{stem}.png")])


def ends_of(settings: Preprocessing, image: Input) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what black and white pixels are to the network, (C, 1, 1); of a mean image, by its average."""
    import numpy as np

    from extract.preprocessing import normalize

    plain = replace(settings, mean_per_channel=True)
    shape = (image.channels_first[1] or 1, 1, 1)
    black, white = (normalize(np.full(shape, value, np.float64), plain) for value in (0, 255))
    return black, white


def picture(values: NDArray[np.float32], settings: Preprocessing) -> Image.Image:
    """Return a picture of values 0..1, shape (C, H, W), in the network's order of channels."""
    import numpy as np
    from PIL import Image

    pixels = np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8)
    if len(pixels) == 1:
        return Image.fromarray(pixels[0])
    return Image.fromarray(np.moveaxis(pixels[::-1] if settings.channels == "BGR" else pixels, 0, -1).copy())


def save_array(values: NDArray[Any], path: Path) -> Path:
    """Write an array, whole or not at all, and return its path."""
    import numpy as np

    from converters.staging import staging

    with staging(path.parent) as folder:
        np.save(folder / path.name, values)
    return path
