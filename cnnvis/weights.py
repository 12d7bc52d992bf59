"""``cnnvis weights``: a model's own filters as volumes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import options

if TYPE_CHECKING:
    from extract import Model
    from extract.model import Parameter

    from .models import OpenedModel


@click.command()
@options.model
@click.option(
    "--layer",
    "layers",
    multiple=True,
    required=True,
    metavar="L",
    help="Layer, pattern such as 'conv*', or parameter such as conv1.bias; may be repeated.",
)
@options.out_folder
@options.formats
@options.dtype
@options.layout
@options.order
@options.distance
@options.z_spacing
@options.input_size
@options.preset
@options.quiet
def command(
    opened: Callable[..., OpenedModel],
    layers: tuple[str, ...],
    out: Path,
    formats: tuple[str, ...],
    dtype: str | None,
    layout: str,
    order: str | Path,
    distance: str | None,
    z_spacing: str,
    size: tuple[int, ...] | None,
    preset: str | Path | None,
    quiet: bool,
) -> None:
    """Export filters as volumes: a slice a kernel, labelled "output,input".

    A layer stands for its weight; give LAYER.bias for others. Layout "channels" writes one volume an output
    filter, "mosaic" one plane with a row of tiles an output filter, "norm" a slice an output filter: the root
    of the sum of squares over its inputs.

    \b
    Examples:
      cnnvis weights net.onnx --layer conv1 -o volumes --preset signed
      cnnvis weights net.onnx --layer 'conv*' -o volumes --layout channels --format nii.gz
    """
    from .export import Export, targets
    from .kernels import Kernels
    from .progress import progress
    from .provenance import model_facts, software
    from .slices import Slices
    from .views import has_3d_maps

    slices = Slices.asked(order, distance, "weight")
    slices.check(layout)
    model = opened(size).model
    names = find_parameters(model, layers)
    kernels = Kernels(model, layout, z_spacing, {"model": model_facts(model), **software()}, slices)
    export = Export(options.made(out), targets(formats), dtype, preset)
    export.check(kernels.makes_frames and has_3d_maps(model, map(model.tensor, names)), "--layout mosaic")
    with progress(len(names), "weights", quiet) as done:
        for name in names:
            parameter = _parameter(model, name)
            values = model.values([parameter.tensor])[parameter.tensor]
            for stem, volume in kernels.volumes(parameter, values, parameter.role, parameter.role):
                options.print_paths(export.write(volume, stem))
            done()


def _parameter(model: Model, name: str) -> Parameter:
    """Return what a name stands for: a layer for its output, if that is constant."""
    from extract.model import Parameter

    if name in model.layers:
        return Parameter(name, "output", model.tensor(name))
    return model.parameter(name)


def find_parameters(model: Model, patterns: tuple[str, ...]) -> list[str]:
    """Return the names of the parameters that patterns stand for.

    Those are a layer's weight, a parameter itself, and a layer whose output is constant.

    Raises
    ------
    ModelError
        If a layer that is named outright has no weight, or a pattern finds none.
    """
    from extract import ModelError

    found: dict[str, None] = {}
    for pattern in patterns:
        own = []
        for name in model.find([pattern]):
            if name not in model.layers or model.tensor(name) in model.constants:
                own.append(name)
            elif "weight" in model.layers[name].named_parameters:
                own.append(f"{name}.weight")
        if not own:
            raise ModelError(f"{model.path}: {pattern!r} has no weight")
        found.update(dict.fromkeys(own))
    return list(found)
