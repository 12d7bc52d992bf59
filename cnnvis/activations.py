"""``cnnvis activations``: the outputs of layers, for pictures, as volumes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options

if TYPE_CHECKING:
    from extract import Model

    from .models import OpenedModel


@click.command()
@options.model
@options.images
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
@options.order
@options.distance
@options.z_spacing
@options.preset
@options.series
@options.preprocessing
@options.feeds
@options.batch
@options.quiet
def command(
    opened: Callable[..., OpenedModel],
    images: tuple[Path, ...],
    layers: tuple[str, ...],
    out: Path,
    formats: tuple[str, ...],
    dtype: str | None,
    layout: str,
    order: str | Path,
    distance: str | None,
    z_spacing: str,
    preset: str | Path | None,
    series: bool,
    preprocessing: dict[str, Any],
    feeds: tuple[tuple[str, Path], ...],
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
      cnnvis activations net.toml --image photos/ --layer conv1 -o volumes --format vti --series --preset auto
    """
    from extract import Extractor
    from extract.arrays import open_array
    from extract.feeding import image_input
    from extract.images import batches, expand
    from extract.sources import find_images

    from . import feeding
    from .export import targets
    from .progress import progress
    from .provenance import model_facts, software
    from .series_export import exporter
    from .slices import Slices
    from .views import Places, View, has_3d_maps

    fed = {name: open_array(file) for name, file in feeds}
    described = opened(preprocessing.get("size"), {name: array.shape for name, array in fed.items()})
    model = described.model
    _refuse_parameters(model, layers)
    fixed, model = feeding.fed(model, fed)
    extractor = Extractor(model, layers)
    target = image_input(model, extractor.inputs, fixed)
    sources = expand(find_images(images), target.channels_first)
    settings = feeding.settings_of(described, preprocessing, target, sources)
    facts = {"model": model_facts(model), **feeding.feed_facts(feeds), **software()}
    slices = Slices.asked(order, distance, "act", common=series)
    view = View(layout, slices, z_spacing, facts, series=series)
    names = [source.name for source in sources] if series else None
    export = exporter(out, targets(formats), dtype, preset, slices, names)
    export.check(frames=layout == "stack" and has_3d_maps(model, extractor.tensors.values()))
    places = Places(model, target, {name: value.shape for name, value in fixed.items()})
    feeder, start = feeding.Feeder(model, target, fixed, len(sources)), 0
    with export.session() as writer, progress(len(sources), "images", quiet) as done:
        for inputs in batches(sources, settings, target.channels_first, batch):
            outputs = extractor.run(feeder.feed(inputs, start))
            start += len(inputs)
            tensors = [
                (places.of(name, values, inputs[0].array.shape, len(inputs)), values)
                for name, values in outputs.items()
            ]
            options.made(out)
            for index, one in enumerate(inputs):
                options.print_paths(feeding.export_input(writer, model, view.facts, one, series))
                for tensor, values in tensors:
                    for stem, volume in view.volumes(tensor, values, index, one):
                        options.print_paths(writer.write(volume, stem))
                done()


def _refuse_parameters(model: Model, layers: tuple[str, ...]) -> None:
    from extract import ModelError

    for name in model.find(layers):
        if model.tensor(name) in model.constants:
            raise ModelError(
                f"{model.path}: {name!r} is a constant: `cnnvis weights --layer {name}` exports it"
            )
