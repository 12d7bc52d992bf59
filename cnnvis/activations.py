"""``cnnvis activations``: the outputs of layers, for pictures, as volumes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options
from .option_types import Feed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from extract import Extractor, Input, Model, Preprocessing
    from extract.images import PreparedInput
    from extract.sources import ImageSource

    from .export import Export
    from .models import OpenedModel


@click.command()
@options.model
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
@click.option(
    "--order", type=options.order_method, default="identity", show_default=True, help="Order of the slices."
)
@options.z_spacing
@options.preset
@options.preprocessing
@click.option(
    "--feed",
    "feeds",
    multiple=True,
    type=Feed(),
    help="Value of a further input, with its batch axis, as the model declares it, or of a layer inside the "
    "network; may be repeated.",
)
@click.option(
    "--batch", type=click.IntRange(1), default=4, show_default=True, help="Images that run together."
)
@options.quiet
def command(
    opened: Callable[..., OpenedModel],
    images: tuple[Path, ...],
    layers: tuple[str, ...],
    out: Path,
    formats: tuple[str, ...],
    dtype: str | None,
    layout: str,
    order: str,
    z_spacing: str,
    preset: str | Path | None,
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
    """
    from extract import Extractor
    from extract.arrays import open_array
    from extract.images import batches, expand
    from extract.sources import find_images

    from .export import Export, targets
    from .progress import progress
    from .provenance import model_facts, software
    from .views import Places, View, has_3d_maps

    fed = {name: open_array(file) for name, file in feeds}
    described = opened(preprocessing.get("size"), {name: array.shape for name, array in fed.items()})
    model = described.model
    _refuse_parameters(model, layers)
    fixed, model = _fed(model, fed)
    extractor = Extractor(model, layers)
    target = _image_input(model, extractor, fixed)
    sources = expand(find_images(images), target.channels_first)
    settings = _settings(described, preprocessing, target, sources)
    view = View(layout, order, z_spacing, {"model": model_facts(model), **_feed_facts(feeds), **software()})
    export = Export(out, targets(formats), dtype, preset)
    export.check(frames=layout == "stack" and has_3d_maps(model, extractor.tensors.values()))
    places = Places(model, target, {name: value.shape for name, value in fixed.items()})
    with progress(len(sources), "images", quiet) as done:
        for inputs in batches(sources, settings, target.channels_first, batch):
            outputs = _run(extractor, target, inputs, fixed)
            tensors = [
                (places.of(name, values, inputs[0].array.shape, len(inputs)), values)
                for name, values in outputs.items()
            ]
            options.made(out)
            for index, one in enumerate(inputs):
                options.print_paths(_export_input(export, model, view.facts, one))
                for tensor, values in tensors:
                    for stem, volume in view.volumes(tensor, values, index, one):
                        options.print_paths(export.write(volume, stem))
                done()


def _refuse_parameters(model: Model, layers: tuple[str, ...]) -> None:
    from extract import ModelError

    for name in model.find(layers):
        if model.tensor(name) in model.constants:
            raise ModelError(
                f"{model.path}: {name!r} is a constant: `cnnvis weights --layer {name}` exports it"
            )


def _settings(
    opened: OpenedModel, given: dict[str, Any], target: Input, sources: list[ImageSource]
) -> Preprocessing:
    """Return the preprocessing; note it where nothing says what values the network was trained on."""
    from extract import PRESETS
    from extract.preprocessing import configure

    from .views import note

    if opened.knows_values(given):
        settings = opened.configure(given) or PRESETS["unit"]
        _check_mean(opened, given, settings, target)
        return _as_seen(settings, given, target)
    preset, what = _usual(opened.model, target)
    if any(source.kind == "picture" for source in sources):
        note(f"no preprocessing is given: pictures go in as {what}; see --preprocess")
    return _as_seen(configure({"preset": preset, **given}), given, target)


def _as_seen(settings: Preprocessing, given: Mapping[str, Any], target: Input) -> Preprocessing:
    """Return settings that say of a network of one channel that it sees luminance."""
    grey = target.channels_first[1:2] == (1,) and "channels" not in given
    return replace(settings, channels="L") if grey else settings


def _check_mean(
    opened: OpenedModel, given: Mapping[str, Any], settings: Preprocessing, target: Input
) -> None:
    """Read a mean image once before any picture, so that its errors are its own."""
    from extract import ImageError
    from extract.mean import read_mean

    channels = next(iter(target.channels_first[1:]), None)
    if not isinstance(settings.mean, Path) or channels is None:
        return
    try:
        read_mean(settings.mean, channels)
    except ImageError as error:
        if "mean" in given or opened.described is not None:
            raise
        path = opened.model.path
        raise ImageError(
            f"{path}: its mean_file: {error}; --mean FILE or --preprocess gives another"
        ) from error


def _usual(model: Model, target: Input) -> tuple[str, str]:
    """Return the preset that fits most networks of a kind, and what it makes of pictures."""
    if target.dtype.startswith(("int", "uint")):
        return "raw", "RGB from 0 to 255"
    if model.source.blobs and target.channels_first[1:2] == (3,):
        return "caffe", "BGR from 0 to 255 minus 104, 117, 123, as for BVLC's networks"
    return "unit", "grey from 0 to 1" if target.channels_first[1:2] == (1,) else "RGB from 0 to 1"


def _fed(model: Model, feeds: Mapping[str, NDArray[Any]]) -> tuple[dict[str, NDArray[Any]], Model]:
    """Return the values of --feed by tensor, and the network that takes them as inputs."""
    from extract.feeding import fed_at

    inputs = {value.name for value in model.inputs}
    inner = [name for name in feeds if name not in inputs]
    values = {model.tensor(name) if name in inner else name: array for name, array in feeds.items()}
    return values, fed_at(model, inner) if inner else model


def _feed_facts(feeds: tuple[tuple[str, Path], ...]) -> dict[str, Any]:
    from extract.files import sha256

    facts = {name: {"file": file.name, "sha256": sha256(file)} for name, file in feeds}
    return {"feeds": facts} if facts else {}


def _image_input(model: Model, extractor: Extractor, fixed: Mapping[str, Any]) -> Input:
    """Return the input that the images are for: the only one that is needed and not fed otherwise."""
    from extract import ImageError

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


def _export_input(export: Export, model: Model, source: Mapping[str, Any], one: PreparedInput) -> list[Path]:
    """Write what the network sees, in its layers' frame: a picture as a slice of luminance and as PNG."""
    import numpy as np

    from converters import Volume, lay_out

    from .names import file_stem
    from .pictures import save_png

    frame: dict[str, Any] = {"spacing": one.spacing, "origin": one.origin, "direction": one.direction}
    facts = {**source, "image": dict(one.facts), "quantity": "input"}
    stem = file_stem("input", model=model.path.stem, img=one.name)
    plain = replace(export, preset=None)
    if one.picture is None:
        values = one.array[0] if one.array.ndim == 4 and len(one.array) == 1 else one.array
        (volume,) = lay_out(values)
        return plain.write(volume.replace(name="input", facts={**facts, **volume.facts}, **frame), stem)
    from PIL import Image

    picture = Image.fromarray(np.clip(np.rint(one.picture), 0, 255).astype(np.uint8))
    grey = np.asarray(picture.convert("L"))[np.newaxis]
    volume = Volume(grey, name="luminance", labels=("luminance",), facts=facts, **frame)
    return [*plain.write(volume, stem), save_png(picture, export.folder / f"{stem}.png")]
