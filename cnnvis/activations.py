"""``cnnvis activations``: the outputs of layers, for pictures, as volumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from extract import Extractor, Input, Model
    from extract.images import PreparedInput

    from .export import Export


@click.command()
@options.model_argument
@click.option(
    "--image",
    "images",
    multiple=True,
    required=True,
    type=options.file_path,
    metavar="I",
    help="Picture, folder of pictures, preprocessed .npy, or volume for a 3-D network; may be repeated.",
)
@click.option(
    "--layer",
    "layers",
    multiple=True,
    required=True,
    metavar="L",
    help="Layer, tensor, or pattern such as 'conv*'; may be repeated.",
)
@options.out_folder
@options.formats
@options.dtype
@options.layout
@click.option("--order", default="identity", show_default=True, metavar="METHOD", help="Order of the slices.")
@options.z_spacing
@options.preset
@options.preprocessing
@click.option(
    "--feed",
    "feeds",
    multiple=True,
    metavar="NAME=FILE.npy",
    help="Value of a further input, with its batch axis, as the model declares it; may be repeated.",
)
@click.option(
    "--batch", type=click.IntRange(1), default=4, show_default=True, help="Images that run together."
)
@options.quiet
def command(
    model_path: Path,
    images: tuple[Path, ...],
    layers: tuple[str, ...],
    out: Path,
    formats: tuple[str, ...],
    dtype: str | None,
    layout: str,
    order: str,
    z_spacing: str,
    preset: str | None,
    preprocessing: dict[str, Any],
    feeds: tuple[str, ...],
    batch: int,
    quiet: bool,
) -> None:
    """Export the activations of layers, one volume a layer and image, and the picture that they overlay.

    The geometry places each unit where its receptive field lies in the picture, in input pixels.

    \b
    Examples:
      cnnvis activations net.onnx --image cat.jpg --layer conv1 -o volumes --preprocess torch
      cnnvis activations net.toml --image photos/ --layer 'conv*' -o volumes --format nrrd,vti --preset auto
      cnnvis activations net.onnx --image x.npy --layer fc -o volumes --dtype uint8
    """
    from extract import Extractor
    from extract.images import batches, expand
    from extract.preprocessing import Preprocessing
    from extract.sources import find_images

    from .export import Export, targets
    from .models import open_model
    from .progress import progress
    from .provenance import model_facts, software
    from .views import Places, View, note

    opened = open_model(model_path)
    model = opened.model
    extractor = Extractor(model, layers)
    sources = find_images(images)
    fixed = _feeds(feeds)
    target = _image_input(model, extractor, fixed)
    settings = opened.configure(preprocessing)
    if settings is None:
        settings = Preprocessing()
        if any(source.kind == "picture" for source in sources):
            note("no preprocessing is given: pictures go in as RGB from 0 to 1; see --preprocess")
    view = View(layout, order, z_spacing, {"model": model_facts(model), **software()})
    export = Export(options.made(out), targets(formats), dtype, preset)
    sources = expand(sources, target.channels_first)
    places = Places(model, target)
    ticks = iter(progress(sources, "images", quiet))
    for inputs in batches(sources, settings, target.channels_first, batch):
        outputs = _run(extractor, target, inputs, fixed)
        for index, one in enumerate(inputs):
            options.print_paths(_export_input(export, model, view.facts, one))
            for name, values in outputs.items():
                own = _of_image(name, values, index, len(inputs))
                place = places.of(name, one.array.shape)
                for stem, volume in view.volumes(model, name, own, place, one):
                    options.print_paths(export.write(volume, stem))
            next(ticks, None)


def _feeds(words: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    from extract.arrays import open_array

    result = {}
    for word in words:
        name, equals, file = word.rpartition("=")
        if not equals:
            raise click.ClickException(f"--feed takes NAME=FILE.npy, not {word!r}")
        result[name] = open_array(Path(file))
    return result


def _image_input(model: Model, extractor: Extractor, fixed: Mapping[str, Any]) -> Input:
    """Return the input that the images are for: the only one that is needed and not fed otherwise."""
    from extract import ImageError

    names = [value.name for value in model.inputs]
    unknown = [name for name in fixed if name not in names]
    if unknown:
        raise ImageError(f"{model.path}: no input {unknown[0]!r}; it has {', '.join(names)}")
    open_inputs = [value for value in extractor.inputs if value.name not in fixed]
    if len(open_inputs) != 1:
        wanted = ", ".join(value.name for value in open_inputs) or "none"
        raise ImageError(
            f"{model.path}: images feed one input, and {wanted} are left: use --feed NAME=FILE.npy"
        )
    return open_inputs[0]


def _run(
    extractor: Extractor, target: Input, inputs: tuple[PreparedInput, ...], fixed: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    import numpy as np

    x = np.stack([one.array for one in inputs])
    if not fixed:
        return extractor.run(x)
    declared = np.moveaxis(x, 1, -1) if target.channels_last else x
    return extractor.run({target.name: declared, **fixed})


def _of_image(name: str, values: NDArray[Any], index: int, count: int) -> NDArray[Any]:
    """Return an image's share of an output; one without a batch axis belongs to a single image whole."""
    from extract import ModelError

    if values.ndim and len(values) == count:
        own: NDArray[Any] = values[index]
        return own
    if count > 1:
        raise ModelError(
            f"{name!r} has no batch axis: its shape is {values.shape} for {count} images; use --batch 1"
        )
    return values


def _export_input(export: Export, model: Model, source: Mapping[str, Any], one: PreparedInput) -> list[Path]:
    """Write what the network sees, in its layers' frame: a picture as a slice of luminance and as PNG."""
    import numpy as np

    from converters import Volume

    from .names import file_stem

    frame: dict[str, Any] = {"spacing": one.spacing, "origin": one.origin, "direction": one.direction}
    facts = {**source, "image": dict(one.facts), "quantity": "input"}
    stem = file_stem("input", model=model.path.stem, img=one.name)
    if one.picture is None:
        data = one.array[0] if one.array.ndim == 4 and len(one.array) == 1 else one.array
        return (
            export.write(Volume(data, name="input", facts=facts, **frame), stem)
            if data.ndim in (3, 4)
            else []
        )
    from PIL import Image

    from converters.staging import staging

    picture = Image.fromarray(np.clip(np.rint(one.picture), 0, 255).astype(np.uint8))
    grey = np.asarray(picture.convert("L"))[np.newaxis]
    volume = Volume(grey, name="luminance", labels=("luminance",), facts=facts, **frame)
    png = export.folder / f"{stem}.png"
    with staging(export.folder) as folder:
        picture.save(folder / png.name)
    return [*replace(export, preset=None).write(volume, stem), png]
