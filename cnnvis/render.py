"""``cnnvis render``: a picture of a volume as viewers show it."""

from __future__ import annotations

from pathlib import Path

import click

from . import options


@click.command()
@click.argument("volume_path", metavar="VOLUME", type=options.file_path)
@click.option("-o", "--out", required=True, type=options.file_path, metavar="OUT.png")
@options.picture_preset
@click.option("--size", default="800x600", show_default=True, metavar="WxH", help="In pixels.")
@click.option("--no-legend", is_flag=True, help="Leave the strip with source, range and colours out.")
def command(volume_path: Path, out: Path, preset: str | Path | None, size: str, no_legend: bool) -> None:
    """Render a volume off-screen, by VTK, with the transfer function that the viewers get.

    Needs no display; where no OpenGL library is installed, a projection is drawn without one.

    \b
    Examples:
      cnnvis render conv1.nrrd -o conv1.png
      cnnvis render grad.nrrd -o grad.png --preset signed --size 1600x1200
    """
    from render_presets import render

    from .pictures import read_fitted, save_png

    width, x, height = size.partition("x")
    if not (x and width.isdecimal() and height.isdecimal()):
        raise click.ClickException(f"--size takes WIDTHxHEIGHT such as 800x600, not {size!r}")
    volume, fitted = read_fitted(volume_path, preset)
    if volume.frames is not None:
        raise click.ClickException(
            f"{volume_path}: a picture shows one volume, this one has {volume.frames} frames: "
            "--layout channels writes them apart"
        )
    picture = render(volume, fitted, size=(int(width), int(height)), legend=not no_legend)
    options.print_paths([save_png(picture, out)])
