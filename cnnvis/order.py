"""``cnnvis order``: the slices of volumes in another order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options
from .option_types import Count
from .progress import progress

if TYPE_CHECKING:
    from converters import Volume
    from converters.volume_files import VolumeFiles
    from order import Ordering
    from order.comparison import Compared

# need a file of numbers, so that nothing is compared unless it is given
_OF_A_FILE = {"list": "numbers", "importance": "scores"}


@click.command()
@click.argument("sources", metavar="IN...", nargs=-1, required=True, type=options.file_path)
@click.argument("target", metavar="OUT", type=options.file_path)
@click.option("--by", "method", type=options.order_method, help="What the order follows. Default: smooth.")
@options.distance
@click.option(
    "--row", type=int, help="For kmeans and pca-row: which row of the maps. Default: 15, or the middle one."
)
@click.option(
    "-k", "k", type=Count(), help="For kmeans: clusters; 20x5 splits each of 20 into 5. Default: 7."
)
@click.option("--linkage", help="For hierarchical: average, complete, single or ward. Default: average.")
@click.option("--perplexity", type=float, help="For tsne-1d: about how many neighbours count. Default: 10.")
@click.option(
    "--scores",
    type=options.file_path,
    metavar="FILE",
    help="For importance: what cnnvis importance wrote, .json or .csv; or a number a channel, in .npy, JSON "
    "or text.",
)
@click.option("--criterion", metavar="K", help="Which criterion of such scores; needed if there are several.")
@click.option("--class", "label", metavar="C", help="Which class of such scores. Default: all pictures.")
@click.option("--layer", metavar="L", help="Which layer of such scores. Default: that of the volume.")
@click.option(
    "--numbers",
    type=options.file_path,
    metavar="FILE",
    help="For list: the channels in their order, in .npy, JSON or text.",
)
@click.option("--seed", type=click.IntRange(0), help="For smooth, kmeans, tsne-1d and random. Default: 0.")
@click.option(
    "--fit-on",
    multiple=True,
    type=options.file_path,
    metavar="FILE",
    help="Find the order on these volumes of the same layer, by mean distance; may be repeated. Default: IN.",
)
@click.option(
    "--like", type=options.file_path, metavar="ORDER.json", help="Take this order, which --save has written."
)
@click.option("--save", type=options.file_path, metavar="ORDER.json", help="Also write the order itself.")
@click.option("--separators", is_flag=True, help="Put a blank slice between clusters.")
@click.option(
    "--compare", "comparing", is_flag=True, help="Print what all methods achieve; OUT is a picture."
)
@click.option("--json", "as_json", is_flag=True, help="For --compare: print JSON.")
@options.dtype
@options.quiet
def command(
    sources: tuple[Path, ...],
    target: Path,
    method: str | None,
    distance: str | None,
    fit_on: tuple[Path, ...],
    like: Path | None,
    save: Path | None,
    separators: bool,
    comparing: bool,
    criterion: str | None,
    label: str | None,
    layer: str | None,
    as_json: bool,
    dtype: str | None,
    quiet: bool,
    **settings: Any,
) -> None:
    """Write volumes with their slices reordered; labels and permutation stay with them.

    Several volumes of a layer, one an image, are ordered alike, so that they compare slice by slice: OUT is
    then a folder. If OUT ends in .json, only the order itself is written. The recorded permutation is that
    from the layer's own channels, also of a volume that was ordered before.

    \b
    Examples:
      cnnvis order conv1.nrrd conv1-smooth.nrrd
      cnnvis order conv1.nrrd conv1-kmeans.nrrd --by kmeans -k 7 --separators
      cnnvis order cats/*_layer-conv1_act.nrrd ordered --save conv1.json
      cnnvis order dog_conv1.nrrd ordered.nrrd --like conv1.json
      cnnvis order conv1.nrrd ordered.nrrd --by importance --scores scores.json --class cat
      cnnvis order conv1.nrrd orders.png --compare
    """
    import order
    from converters import write
    from converters.volume_files import VolumeFiles

    from .provenance import derived
    from .slices import note_other_layer

    given = {name: value for name, value in settings.items() if value is not None}
    volumes = VolumeFiles(sources, order.restored)
    chosen = {"--criterion": criterion, "--class": label, "--layer": layer}
    if isinstance(given.get("scores"), Path) and like is None:
        given["scores"] = _scores(given["scores"], volumes, chosen)
    else:
        _refuse("all but --scores of cnnvis importance", chosen)
    if comparing:
        _refuse("--compare", {"--by": method, "--like": like, "--save": save, "--separators": separators})
        _refuse("--compare", {"--fit-on": fit_on, "--dtype": dtype})
        _compare(volumes, target, distance or _usual(volumes), given, as_json, quiet)
        return
    _refuse("all but --compare", {"--json": as_json})
    only_order = target.suffix.lower() == ".json"
    if only_order:
        what = "an OUT that ends in .json"
        _refuse(what, {"--save": save, "--separators": separators, "--dtype": dtype, "--like": like})
    if like is not None:
        _refuse("--like", {"--by": method, "--distance": distance, "--fit-on": fit_on, **_flags(given)})
    targets = [] if only_order else _targets(sources, target)
    _check_apart(save, [*sources, *targets])
    if like is not None:
        ordering = order.Ordering.load(like)
    else:
        fitted = VolumeFiles(fit_on, order.restored) if fit_on else volumes
        ordering = _found(method or "smooth", fitted, (fit_on or sources)[0], distance, _with_files(given))
    if only_order:
        options.print_paths([ordering.save(target)])
        return
    if len(sources) > 1:
        # so that nothing is written where one of them does not fit
        for source, volume in zip(sources, volumes, strict=True):
            _applied(ordering, volume, source, separators)
    if targets and len(sources) > 1:
        options.made(target)
    saved = [] if save is None else [ordering.save(save)]
    for source, path, volume in zip(sources, targets, volumes, strict=True):
        note_other_layer(ordering, volume)
        ordered = _applied(ordering, volume, source, separators)
        options.print_paths(write(derived(ordered), path, dtype=dtype))
    options.print_paths(saved)


def _scores(path: Path, volumes: VolumeFiles, chosen: Mapping[str, str | None]) -> list[float]:
    """Return the scores in a file: those of a layer, criterion and class, or a plain list."""
    from extract.importance.tables import Choice, is_scores, read_scores

    from .number_files import read_numbers

    if not is_scores(path):
        _refuse(f"{path}, which cnnvis importance did not write", chosen)
        return read_numbers(path)
    own = volumes[0].facts.get("layer")
    likely = own if isinstance(own, str) else None
    return read_scores(path, Choice(chosen["--layer"], chosen["--criterion"], chosen["--class"], likely))


def _found(
    method: str, volumes: VolumeFiles, first: Path, distance: str | None, given: dict[str, Any]
) -> Ordering:
    """Return the order that a method finds, which knows its layer; errors name the first file."""
    import order

    try:
        ordering = order.by(method, volumes, distance=distance or _usual(volumes), **given)
    except order.OrderError as error:
        raise error if str(error).startswith(str(first)) else order.OrderError(f"{first}: {error}") from error
    layer = volumes[0].facts.get("layer")
    return replace(ordering, layer=layer if isinstance(layer, str) else None)


def _usual(volumes: VolumeFiles) -> str:
    """Return by what distance such volumes are usually compared."""
    from .slices import usual_distance

    return usual_distance(str(volumes[0].facts.get("quantity", "act")))


def _applied(ordering: Ordering, volume: Volume, source: Path, separators: bool) -> Volume:
    import order

    try:
        ordered = ordering.apply(volume)
    except order.OrderError as error:
        raise order.OrderError(f"{source}: {error}") from error
    if separators:
        if not ordering.clusters:
            raise order.OrderError(f"--separators: {ordering.method!r} makes no clusters, --by kmeans does")
        ordered = order.separate(ordered)
    return ordered


def _targets(sources: Sequence[Path], target: Path) -> list[Path]:
    """Return where each volume goes: to OUT, or into the folder OUT."""
    from converters import extensions

    if len(sources) == 1 and not target.is_dir():
        paths = [target]
    else:
        if not target.is_dir() and target.name.lower().endswith(tuple(extensions())):
            raise click.ClickException(f"{target}: several volumes go into a folder")
        if len({source.name for source in sources}) < len(sources):
            raise click.ClickException("two volumes have the same name: order them into different folders")
        paths = [target / source.name for source in sources]
    for source, path in zip(sources, paths, strict=True):
        if path.resolve() == source.resolve():
            raise click.ClickException(f"{path}: would replace the volume itself: choose another OUT")
    return paths


def _check_apart(save: Path | None, volumes: Sequence[Path]) -> None:
    """Raise a ClickException if --save would replace a volume or its side-car."""
    from converters import sidecar

    if save is None:
        return
    for path in volumes:
        if save.resolve() in (path.resolve(), sidecar.path_of(path).resolve()):
            raise click.ClickException(f"--save {save}: is a volume or its side-car: choose another name")


def _compare(
    volumes: VolumeFiles, target: Path, distance: str, given: dict[str, Any], as_json: bool, quiet: bool
) -> None:
    """Print what each method achieves, and draw it."""
    import inspect

    import order
    from order.maps import usual_row

    from .pictures import save_png

    methods: dict[str, dict[str, Any]] = {}
    settings = _with_files(given)
    for name, method in order.METHODS.items():
        known = inspect.signature(method.function).parameters
        if name not in _OF_A_FILE or _OF_A_FILE[name] in settings:
            methods[name] = {key: value for key, value in settings.items() if key in known}
    with progress(len(methods), "methods", quiet) as done:
        results = order.compare(volumes, methods, distance, done)
    row = settings.get("row", usual_row(volumes[0].data.shape[-2]))
    path = save_png(_picture(volumes[0], results, row), target)
    if as_json:
        rows = [_facts(result) for result in results]
        click.echo(json.dumps({"distance": distance, "picture": str(path), "methods": rows}, indent=1))
        return
    click.echo(_table(results))
    options.print_paths([path])


def _picture(volume: Volume, results: Sequence[Compared], row: int) -> Any:
    from render_presets import Panel, choose, fit, orders

    panels = []
    for result in results:
        found = result.criteria
        length, rate = found["path length"], found["anti-Robinson rate"]
        caption = f"path {length:.2f}, anti-Robinson rate {rate:.3f}"
        panels.append(Panel(result.ordering.apply(volume), result.distances, result.ordering.method, caption))
    return orders(volume, panels, row, fit(choose(volume), volume))


def _facts(result: Compared) -> dict[str, Any]:
    ordering = result.ordering
    return {
        "method": ordering.method,
        "parameters": dict(ordering.parameters),
        "seconds": round(result.seconds, 3),
        "criteria": dict(result.criteria),
        "permutation": ordering.permutation.tolist(),
    }


def _table(results: Sequence[Compared]) -> str:
    """Return a line a method and a column a criterion; an arrow tells which way is better."""
    from order import CRITERIA

    heads = ["method", *(f"{name} {'↑' if c.merit else '↓'}" for name, c in CRITERIA.items()), "seconds"]
    lines = [heads]
    for result in results:
        numbers = [format(result.criteria[name], criterion.form) for name, criterion in CRITERIA.items()]
        lines.append([result.ordering.method, *numbers, f"{result.seconds:.2f}"])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    first, *others = widths
    return "\n".join(
        "  ".join([line[0].ljust(first), *(word.rjust(n) for word, n in zip(line[1:], others, strict=True))])
        for line in lines
    )


def _with_files(given: dict[str, Any]) -> dict[str, Any]:
    """Return the settings with numbers in place of the files that hold them."""
    from .number_files import read_numbers

    return {name: read_numbers(value) if isinstance(value, Path) else value for name, value in given.items()}


def _flags(given: dict[str, Any]) -> dict[str, Any]:
    return {"-k" if name == "k" else f"--{name}": value for name, value in given.items()}


def _refuse(what: str, flags: Mapping[str, Any]) -> None:
    for flag, value in flags.items():
        # a seed may be 0, which equals False
        if not (value is None or value is False or value == ()):
            raise click.ClickException(f"{flag} does not go with {what}")
