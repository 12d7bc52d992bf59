"""``cnnvis montage``: all slices of a volume in one picture."""

from __future__ import annotations

from pathlib import Path

import click

from . import options


@click.command()
@click.argument("volumes", metavar="VOLUME...", nargs=-1, required=True, type=options.file_path)
@click.option(
    "-o",
    "--out",
    required=True,
    type=options.file_path,
    metavar="OUT",
    help="OUT.png, or a folder: each picture is then named after its volume, VOLUME.png.",
)
@options.picture_preset
@click.option("--grey", is_flag=True, help="Grey values in place of the preset's colours.")
@click.option("--columns", type=click.IntRange(1), help="Tiles in a row. Default: a near-square grid.")
def command(
    volumes: tuple[Path, ...], out: Path, preset: str | Path | None, grey: bool, columns: int | None
) -> None:
    """Draw the slices of volumes as grids of tiles, each with its channel number.

    \b
    Examples:
      cnnvis montage conv1.nrrd -o conv1.png
      cnnvis montage volumes/*.nrrd -o pictures --grey
    """
    from render_presets import montage

    from .pictures import read_fitted, save_png

    single = out.suffix.lower() == ".png"
    if single and len(volumes) > 1:
        raise click.ClickException(f"{out}: is one picture for {len(volumes)} volumes: give a folder")
    folder = out.parent if single else options.made(out)
    for path in volumes:
        volume, fitted = read_fitted(path, preset)
        picture = montage(volume, columns=columns, fitted=fitted, grey=grey)
        options.print_paths([save_png(picture, out if single else folder / f"{path.name}.png")])
