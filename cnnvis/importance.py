"""``cnnvis importance``: how much each filter of a layer matters, over a set of labelled pictures."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options, scoring_options
from .option_types import OneOf, finite

if TYPE_CHECKING:
    from converters import Volume
    from extract import Model
    from extract.filters import Filters
    from extract.importance import Study
    from extract.importance.graph import Neuron
    from extract.targets import Target

    from .models import OpenedModel


@click.command()
@options.model
@scoring_options.labelled_set
@scoring_options.filter_layers
@scoring_options.criteria(
    "grad_l2",
    "Criteria; those of gradients and activations take one pass together, ablation runs the layers behind "
    "once for each filter.",
)
@click.option(
    "--target",
    metavar="NAME:INDEX|top|NAME",
    help="The neuron, for all pictures; or the layer of which each picture has the neuron of its class. "
    "Default: that before softmax.",
)
@options.out_folder
@click.option(
    "--show",
    "shown",
    multiple=True,
    metavar="CLASS",
    help="Class, or pattern such as '*', of which pictures and volumes are made; may be repeated. Default: "
    "all pictures together, which are called all.",
)
@click.option(
    "--of",
    "volumes",
    multiple=True,
    type=options.file_path,
    metavar="VOLUME",
    help="Weight the slices of these volumes, maps of one of the layers, instead of the filters' norms; may "
    "be repeated.",
)
@click.option(
    "--volume",
    "way",
    type=OneOf("kind of volume", lambda: ("scaled", "carried", "none")),
    default="scaled",
    show_default=True,
    help="Each slice times its score, or slices that carry their scores, or no volumes.",
)
@options.formats
@options.dtype
@options.z_spacing
@options.preset
@options.preprocessing
@options.feeds
@click.option(
    "--batch", type=click.IntRange(1), default=16, show_default=True, help="Pictures that run together."
)
@click.option(
    "--bootstrap",
    type=click.IntRange(0, 100_000),
    default=1000,
    show_default=True,
    metavar="N",
    help="Replicates behind the 95 % intervals; 0 for none.",
)
@scoring_options.seed("For bootstrap and random.")
@click.option(
    "--save-every",
    type=click.FloatRange(0),
    callback=finite,
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How often the state is saved from which an interrupted run goes on.",
)
@options.quiet
def command(
    opened: Callable[..., OpenedModel],
    labelled: scoring_options.LabelledOptions,
    layers: tuple[str, ...],
    criteria: tuple[str, ...],
    target: str | None,
    out: Path,
    shown: tuple[str, ...],
    volumes: tuple[Path, ...],
    way: str,
    formats: tuple[str, ...],
    dtype: str | None,
    z_spacing: str,
    preset: str | Path | None,
    preprocessing: dict[str, Any],
    feeds: tuple[tuple[str, Path], ...],
    batch: int,
    bootstrap: int,
    seed: int,
    save_every: float,
    quiet: bool,
) -> None:
    """Score the filters of layers over labelled pictures: per class, and over all pictures.

    Written are a CSV and a JSON file with scores, standard errors, 95 % intervals over pictures,
    layer-normalized scores and ranks; for each layer a picture of the scores as a grid and one of their
    ranking; and a volume whose slices are weighted by them. `cnnvis order --by importance --scores FILE.json`
    takes these scores. A run that was interrupted goes on where it was when it is started again.

    Pictures that cannot be read, labels that are no class of the network and layers without filters are left
    out and told; the exit code is then 2, though all else is done. A pattern that finds others passes over
    layers without filters.

    \b
    Criteria, n the neuron, a mean over pictures each:
      grad_l2        norm of dn / d weights of the filter (the first CNN-VIS)
      taylor_act     |sum over the map of activation * dn / d activation| (Molchanov 2017)
      taylor_weight  |sum over the weights of weight * dn / d weight| (the root of Molchanov 2019's)
      act_mean, act_max   mean and maximum of the map, behind normalization and activation function
      ablation       n minus n without the filter
      weight_l2, random   norm of the weights, and numbers that mean nothing; these look at no picture

    \b
    Examples:
      cnnvis importance net.toml --set photos/ --layer conv1 -o scores
      cnnvis importance net.onnx --set photos/ --class cat=281 --class dog=207 --layer 'conv*' \\
        --by grad_l2,taylor_act,random --show '*' -o scores
      cnnvis importance lenet.onnx --set t10k-images-idx3-ubyte.gz --layer conv2 --by all -o scores
      cnnvis importance net.toml --set photos/ --layer conv1 --of cat_layer-conv1_act.nrrd -o scores
    """
    from extract.importance import ALL, CRITERIA, StateFile, importance

    from .export import Export, targets
    from .feeding import feed_facts
    from .names import file_stem
    from .progress import progress
    from .provenance import model_facts, software
    from .score_files import ScoreFiles, keys_of
    from .sets import CLASS, check_no_loss, classes_shown, study_of, tell_faults, tell_single

    study, faults = study_of(
        opened,
        labelled,
        layers,
        tuple(CRITERIA) if criteria == ("all",) else criteria,
        lambda model: None if target is None else _neuron(model, target),
        preprocessing,
        feeds,
        batch=batch,
        replicates=bootstrap,
        seed=seed,
    )
    wanted = classes_shown(shown or (ALL,), [ALL, *study.neurons])
    export = Export(out, targets(formats), dtype, preset)
    slices = _slices(study, volumes, z_spacing) if way != "none" else []
    export.check(any(volume.frames is not None for _, volume in slices), "--volume none")
    facts: dict[str, Any] = {
        "model": model_facts(study.model),
        "target": target or CLASS,
        **feed_facts(feeds),
        **software(),
    }
    stem = file_stem("importance", model=study.model.path.stem, set=study.pictures.path.name)
    table = out / f"{stem}.json"
    of_layers = [one.layer for one in study.filters]
    made = itertools.product([target or CLASS], study.criteria, of_layers, [*study.neurons, ALL])
    check_no_loss(table, ("target", "criterion", "layer", "class"), keys_of(table), set(made))
    keep = StateFile(options.made(out) / f"{stem}.state", save_every)
    with progress(len(study.order), "pictures", quiet) as done:
        found = importance(study, keep, done)
    found = replace(found, faults=(*faults, *found.faults))
    files = ScoreFiles(found, facts, out, [label for label in wanted if label in found.counts])
    tables = files.tables(stem)
    options.print_paths(tables)
    for path in (*files.pictures(), *files.volumes(export, slices, way)):
        options.print_paths([path])
    keep.remove()
    tell_single(found.counts)
    tell_faults(found.faults, tables[-1])


def _neuron(model: Model, target: str) -> Neuron:
    """Return the target that a text means, or the tensor of a layer that it names."""
    from extract import ModelError, UnknownNameError
    from extract.targets import targets_of

    from .sets import score_tensor

    try:
        found = targets_of(model, target)
    except ModelError as error:
        try:
            return score_tensor(model, target)
        except UnknownNameError:
            raise error from None
    _check_places(model, found)
    return found


def _check_places(model: Model, targets: Sequence[Target]) -> None:
    """Raise a ModelError if the place of a target is none in its tensor."""
    from extract import ModelError
    from extract.targets import check_shape

    shapes = model.shapes()
    for one in targets:
        try:
            if one.tensor in shapes:
                check_shape(one, shapes[one.tensor])
        except ModelError as error:
            raise ModelError(f"{model.path}: {error}") from error


def _slices(study: Study, files: Sequence[Path], z_spacing: str) -> list[tuple[Filters, Volume]]:
    """Return what is to be weighted: volumes that are given, else the norms of the filters' kernels."""
    from converters import read
    from converters.errors import VolumeError
    from extract.importance.weighting import weighted

    from .score_files import image_of

    if not files:
        return [
            (filters, volume) for filters in study.filters for volume in _kernels(study, filters, z_spacing)
        ]
    layers = {filters.layer: filters for filters in study.filters}
    found: dict[tuple[str, str | None], tuple[Path, Filters, Volume]] = {}
    for file in files:
        volume = read(file)
        own = volume.facts.get("layer")
        filters = layers.get(str(own)) or _only(study, own)
        if filters is None:
            raise VolumeError(f"{file}: is of layer {own!r}, and --layer asks for {', '.join(layers)}")
        try:
            # so that it fails before any picture is seen
            weighted(volume, [0.0] * filters.count, "scaled", "", "")
        except VolumeError as error:
            raise VolumeError(f"{file}: {error}") from error
        place = filters.layer, image_of(volume)
        if place in found:
            raise VolumeError(
                f"{file}: is of the layer and the picture that {found[place][0]} is of, and one file would "
                "replace the other"
            )
        found[place] = file, filters, volume
    return [(filters, volume) for _, filters, volume in found.values()]


def _only(study: Study, layer: object) -> Filters | None:
    """Return the only layer's filters, for volumes of a layer without filters, such as a ReLU behind it."""
    from extract import ModelError, UnknownNameError
    from extract.filters import NoFiltersError, filters_of

    if len(study.filters) != 1:
        return None
    try:
        filters_of(study.model, str(layer))
    except (NoFiltersError, UnknownNameError):
        return study.filters[0]
    except ModelError:
        pass
    return None


def _kernels(study: Study, filters: Filters, z_spacing: str) -> list[Volume]:
    """Return a layer's filters as slices; nothing where they are no more than single values."""
    from converters.layouts import lay_out_kernels
    from extract.placement import slice_spacing

    from .kernels import by_outputs
    from .progress import note

    weight = study.model.values([filters.weight])[filters.weight]
    (volume,) = lay_out_kernels(by_outputs(study.model, filters.weight, weight), "norm")
    if volume.facts["layout"]["kind"] != "stack":
        note(f"layer {filters.layer!r}: its filters are no slices, and make no volume; --of takes its maps")
        return []
    x, y, z = volume.spacing
    if volume.frames is None:
        z = slice_spacing(volume.size, volume.spacing, z_spacing)
    facts = {**volume.facts, "layer": filters.layer, "tensor": filters.weight, "quantity": "weight"}
    return [volume.replace(spacing=(x, y, z), name="weight", facts=facts)]
