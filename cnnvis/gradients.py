"""``cnnvis gradients``: the gradients of a neuron, for pictures, as volumes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options
from .option_types import OneOf

if TYPE_CHECKING:
    from extract import Model
    from extract.attribution import Method

    from .models import OpenedModel


@click.command()
@options.model
@options.images
@click.option(
    "--target",
    required=True,
    metavar="NAME:INDEX|top",
    help="What is differentiated: an element (fc8:281, conv5:3,6,6), the mean of a map (conv5:3) or its "
    "maximum (conv5:3@max), or top: the predicted class, before softmax.",
)
@click.option(
    "--wrt",
    "wrt",
    multiple=True,
    required=True,
    metavar="NAME",
    help="What it is differentiated by: a parameter (conv1.weight), a layer, an input, or a pattern such as "
    "'conv*.weight'; may be repeated.",
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
@click.option(
    "--method",
    type=OneOf("method", options.registry("extract.attribution.methods", "METHODS")),
    default="plain",
    show_default=True,
    help="The gradient itself, or a way to make it easier to read; the side-car names its paper.",
)
@click.option(
    "--check",
    "checked",
    is_flag=True,
    help="First compare the gradients for the first image with central differences in float64, as a table.",
)
@click.option(
    "--save-graph",
    type=options.file_path,
    metavar="GRAD.onnx",
    help="Also write the graph that computes the gradients, by this method, for other tools.",
)
@click.option(
    "--provider",
    multiple=True,
    metavar="P",
    help="Execution provider of onnxruntime, such as CUDAExecutionProvider; may be repeated, by preference.",
)
@options.quiet
def command(
    opened: Callable[..., OpenedModel],
    images: tuple[Path, ...],
    target: str,
    wrt: tuple[str, ...],
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
    method: str,
    checked: bool,
    save_graph: Path | None,
    provider: tuple[str, ...],
    quiet: bool,
) -> None:
    """Export the gradients of a neuron, one volume a name and image.

    Gradients with respect to layers and inputs lie where the layer's units lie in the picture; those with
    respect to filters are stacks of all kernels, labelled "output,input"; layout "channels" writes one volume
    an output filter, "norm" a slice an output filter: the root of the sum of squares over its inputs. The
    preset "signed" suits all but norms.

    \b
    Examples:
      cnnvis gradients net.onnx --image cat.jpg --target top --wrt 'conv*.weight' -o volumes --preset signed
      cnnvis gradients deploy.prototxt --weights net.caffemodel --image cat.jpg --preprocess caffe \\
        --target fc8:281 --wrt conv1.weight --wrt conv1 --wrt data -o volumes
      cnnvis gradients net.onnx --image cat.jpg --target top --wrt conv5 --method grad-cam -o volumes
      cnnvis gradients net.onnx --image cat.jpg --target top --wrt conv1.weight --check -o volumes
      cnnvis gradients net.onnx --image persian.jpg --image tabby.jpg --image dog.jpg --target fc8:283 \\
        --wrt conv1.weight --series --preset signed -o volumes
    """
    from extract.arrays import open_array
    from extract.attribution.methods import METHODS
    from extract.feeding import image_input
    from extract.images import batches, expand
    from extract.sources import find_images
    from extract.targets import targets_of
    from extract.to_onnx import save_onnx

    from . import checking, feeding
    from .export import targets
    from .kernels import Kernels
    from .progress import progress
    from .provenance import model_facts, software
    from .series_export import exporter
    from .slices import Slices
    from .views import Places, View, has_3d_maps

    values = {name: open_array(file) for name, file in feeds}
    if checked and method != "plain":
        raise click.ClickException(f"--check is for gradients themselves, and method {method} is none")
    described = opened(preprocessing.get("size"), {name: array.shape for name, array in values.items()})
    fixed, model = feeding.fed(described.model, values)
    neurons = targets_of(model, target)
    names = find_wrt(model, wrt, ancestors(model, [neuron.tensor for neuron in neurons]))
    if provider and model.source.differentiator is not None:
        raise click.ClickException(f"{model.path}: Caffe computes these gradients, which has no --provider")
    providers = provider or ("CPUExecutionProvider",)
    prepared = METHODS[method](model, target, names, providers=providers)
    graph = None if save_graph is None else graph_of(prepared, method)
    image = image_input(model, prepared.inputs, fixed)
    sources = expand(find_images(images), image.channels_first)
    settings = feeding.settings_of(described, preprocessing, image, sources)
    feeder, start = feeding.Feeder(model, image, fixed, len(sources)), 0
    slices = Slices.asked(order, distance, "grad", common=series)
    frames = [source.name for source in sources] if series else None
    export = exporter(out, targets(formats), dtype, preset, slices, frames)
    facts: dict[str, Any] = {
        "model": model_facts(model),
        "target": target,
        "method": dict(prepared.facts),
        **feeding.feed_facts(feeds),
        **software(),
    }
    quantity = "grad" if method == "plain" else method
    view = View(layout, slices, z_spacing, facts, quantity, "gradient", target, series)
    kernels = Kernels(model, layout, z_spacing, facts, slices, series)
    weights = [name for name in names if model.tensor(name) in model.constants]
    if kernels.makes_frames and has_3d_maps(model, map(model.tensor, weights)):
        export.check(frames=True, instead="--layout mosaic")
    export.check(frames=layout == "stack" and has_3d_maps(model, map(model.tensor, names)))
    if checked:
        (first,) = batches(sources[:1], settings, image.channels_first, 1)
        x = feeder.feed(first, start)
        facts["check"] = checking.check(model, x, target, names, first[0].name, quiet=quiet)
    if graph is not None and save_graph is not None:
        options.made(save_graph.parent)
        options.print_paths(save_onnx(graph, save_graph))
    places = Places(model, image, {name: value.shape for name, value in fixed.items()})
    with export.session() as writer, progress(len(sources), "images", quiet) as done:
        for inputs in batches(sources, settings, image.channels_first, batch):
            result = prepared.run(feeder.feed(inputs, start))
            start += len(inputs)
            found = result.values
            placed = {
                name: places.of(name, gradient, inputs[0].array.shape, len(inputs))
                for name, gradient in found.items()
                if name not in weights
            }
            options.made(out)
            for index, one in enumerate(inputs):
                options.print_paths(feeding.export_input(writer, model, facts, one, series))
                for name, gradient in found.items():
                    volumes = (
                        view.volumes(placed[name], gradient, index, one)
                        if name in placed
                        else kernels.volumes(
                            model.parameter(name), gradient[index], quantity, "gradient", one, target
                        )
                    )
                    said = {"report": report_of(result.report, index)} if result.report else {}
                    for stem, volume in volumes:
                        told = volume.replace(facts={**volume.facts, **said})
                        options.print_paths(writer.write(told, stem))
                done()


def graph_of(prepared: Method, method: str) -> Model:
    """Return the graph that a method runs once for each batch.

    Raises
    ------
    click.ClickException
        If it does more than that.
    """
    from extract.attribution.attribution import OnePass

    if not isinstance(prepared, OnePass):
        raise click.ClickException(f"--save-graph: method {method} does more than run one graph")
    return prepared.graph


def report_of(report: Any, index: int) -> Any:
    """Return what a method says of one image of a batch."""
    if isinstance(report, Mapping):
        return {name: report_of(value, index) for name, value in report.items()}
    return report[index]


def find_wrt(model: Model, patterns: tuple[str, ...], known: set[str]) -> list[str]:
    """Return the names that patterns stand for: of parameters, layers and tensors, each once.

    Parameters
    ----------
    model : Model
        The network.
    patterns : tuple of str
        Names, or patterns of parameters' or layers' names.
    known : set of str
        Tensors that the target depends on: others that a pattern finds are left out.

    Raises
    ------
    UnknownNameError
        If a pattern finds nothing.
    """
    import fnmatch

    found: dict[str, None] = {}
    for pattern in patterns:
        matches = [name for name in model.parameters if fnmatch.fnmatchcase(name, pattern)]
        matches = matches or model.find([pattern])
        on_the_way = [name for name in matches if model.tensor(name) in known]
        found.update(dict.fromkeys(on_the_way or matches))
    return list(found)


def ancestors(model: Model, tensors: list[str]) -> set[str]:
    """Return the tensors that others are made of, and these themselves."""
    from extract.graph import cut, tensors_of

    return tensors_of(cut(model.proto, tensors))
