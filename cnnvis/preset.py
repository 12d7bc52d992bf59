"""``cnnvis preset``: transfer functions of a volume for viewers."""

from __future__ import annotations

from pathlib import Path

import click

from . import options
from .option_types import Choices


@click.command()
@click.argument("volumes", metavar="VOLUME...", nargs=-1, required=True, type=options.file_path)
@click.option(
    "--viewer",
    "viewers",
    type=Choices(options.registry("render_presets", "VIEWERS")),
    help="Default: all that open this format.",
)
@options.picture_preset
@options.out_folder
def command(
    volumes: tuple[Path, ...], viewers: tuple[str, ...] | None, preset: str | Path | None, out: Path
) -> None:
    """Write what viewers need to show volumes well: transfer functions, scripts, scenes.

    \b
    Examples:
      cnnvis preset conv1.vti --viewer paraview -o .     then: paraview --script conv1.vti.paraview.py
      cnnvis preset conv1.nrrd --viewer slicer -o .      then open conv1.nrrd.mrml in 3D Slicer
      cnnvis preset conv1.vti --preset mine.vp -o .      a look from 3D Slicer for ParaView

    FILE is JSON of ours, ParaView's presets (JSON), 3D Slicer's volume property (.vp, .vp.json) or colour
    maps of CGV (.xml). Of a file with several presets, FILE#NAME is one. Numbers are values of the volume;
    maps over 0..1, of ParaView and CGV, span its range.
    """
    from render_presets import write_presets

    name = None if preset in (None, "auto") else str(preset)
    folder = options.made(out)
    for volume in volumes:
        options.print_paths(write_presets(volume, viewers, folder, name))
