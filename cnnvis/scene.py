"""``cnnvis scene``: volumes over each other in a viewer."""

from __future__ import annotations

from pathlib import Path

import click

from . import options
from .option_types import Preset


@click.command()
@click.argument("volumes", metavar="VOLUME...", nargs=-1, required=True, type=options.file_path)
@click.option("-o", "--out", required=True, type=options.file_path, metavar="OUT.py|.mrml|.mrb")
@click.option(
    "--preset",
    "presets",
    multiple=True,
    type=Preset(),
    help="Transfer function: one for all, or one for each VOLUME in turn. Default: auto, by the values; for "
    "the first of several, xray in 3D Slicer, gray in ParaView.",
)
def command(volumes: tuple[Path, ...], out: Path, presets: tuple[str | Path, ...]) -> None:
    """Write one scene of several volumes or series, which lie where they lie over the first one.

    \b
      .py     Python script for ParaView
      .mrml   scene for 3D Slicer, which names the volumes' files
      .mrb    the same with the files in it, to give away

    \b
    Examples:
      cnnvis scene conv1.nrrd -o conv1.mrb                   a volume with its look, camera and slices
      cnnvis scene dogs.seq.nrrd -o dogs.mrb                 a series, with its player
      cnnvis scene scan.nii.gz enc1.nii.gz -o overlay.mrml   what a 3-D network sees, and a layer over it
      cnnvis scene input.vti conv1.vti conv5.vti -o all.py   then: paraview --script=all.py
    """
    from render_presets import write_scene

    names = [None if preset == "auto" else str(preset) for preset in presets]
    if len(names) == 1:
        names *= len(volumes)
    if names and len(names) != len(volumes):
        raise click.ClickException(
            f"{len(names)} --preset for {len(volumes)} volumes: give one, or one for each"
        )
    options.print_paths(write_scene(volumes, out, names))
