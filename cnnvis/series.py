"""``cnnvis series``: volumes of one layer, an image each, as a series that viewers play."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import options
from .option_types import Order

if TYPE_CHECKING:
    from converters import Volume


@click.command()
@click.argument("sources", metavar="IN...", nargs=-1, required=True, type=options.file_path)
@click.argument("target", metavar="OUT", type=options.file_path)
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="NAME",
    help="What a frame is called, one for each IN in turn. Default: the name of its image, or of its file.",
)
@click.option(
    "--order",
    "wanted",
    type=Order(options.order_names, options.order_names_alone),
    help="Order of the slices: a method, which sees all volumes together, or an order that `cnnvis order "
    "--save` wrote. Default: as they are, which must be the same in all.",
)
@options.distance
@options.dtype
@options.preset
def command(
    sources: tuple[Path, ...],
    target: Path,
    labels: tuple[str, ...],
    wanted: str | Path | None,
    distance: str | None,
    dtype: str | None,
    preset: str | Path | None,
) -> None:
    """Write volumes of one layer as the frames of a series; the format follows from OUT's name.

    \b
      .seq.nrrd       volume sequence of 3D Slicer
      .nii.gz, .nii   frames along the fourth axis
      .pvd            for ParaView, with OUT_000.vti, OUT_001.vti, ...
      .vti.series     the same files with ParaView's list in JSON
      .vtkhdf         time steps, for ParaView 5.12 or later
      .vox            OUT_000.vox and .hd, ... for CGV

    All frames share one value scale, one order of their slices and, with --preset, one transfer function.
    They keep the names of their images.

    \b
    Examples:
      cnnvis series persian.nrrd pembroke.nrrd chihuahua.nrrd dogs.seq.nrrd
      cnnvis series cats/*_layer-conv1_act.nrrd conv1.pvd --order smooth --preset auto
      cnnvis series cats/*_layer-conv1_act.nrrd conv1.vox --order conv1.json
    """
    from converters import series
    from converters.volume_files import VolumeFiles

    from .export import Export
    from .provenance import derived

    export = Export(target.parent, (), dtype, preset)
    outputs = {path.resolve() for path in series.files(target, len(sources))}
    for source in sources:
        if source.resolve() in outputs:
            raise click.ClickException(f"{source}: would be replaced by the series: choose another name")
    if distance is not None and (wanted is None or isinstance(wanted, Path)):
        raise click.ClickException("--distance goes with --order METHOD")
    arranged = _arranging(sources, wanted, distance)
    volumes = VolumeFiles(sources, lambda volume: derived(arranged(volume)))
    gathered = series.gather(volumes, [str(source) for source in sources], labels)
    options.print_paths(series.write(gathered, target, dtype))
    options.print_paths(export.presets(gathered.range is not None, target))


def _arranging(
    sources: Sequence[Path], wanted: str | Path | None, distance: str | None
) -> Callable[[Volume], Volume]:
    """Return what puts the slices of each volume in the wanted order."""
    import order
    from converters.volume_files import VolumeFiles

    from .slices import usual_distance

    if wanted is None:
        return lambda volume: volume
    if wanted == "identity":
        return order.restored
    if isinstance(wanted, Path):
        ordering = order.Ordering.load(wanted)
    else:
        volumes = VolumeFiles(sources, order.restored)
        usual = usual_distance(str(volumes[0].facts.get("quantity", "act")))
        ordering = order.by(wanted, volumes, distance=distance or usual)
    return lambda volume: ordering.apply(order.restored(volume))
