"""``cnnvis gallery``: the volumes of a folder as a page for any browser."""

from __future__ import annotations

from pathlib import Path

import click

from . import options


@click.command()
@click.argument("folder", metavar="DIR", type=options.file_path)
@click.option(
    "-o",
    "--out",
    required=True,
    type=options.file_path,
    metavar="OUT",
    help="OUT.html, or a folder: the page is then its index.html.",
)
@options.picture_preset
@click.option("--title", metavar="TEXT", help="What the page is called. Default: the folder's name.")
@click.option(
    "--max-size",
    type=click.FloatRange(min=0, min_open=True),
    default=100,
    show_default=True,
    metavar="MB",
    help="Packed values, as text, that the page may hold: browsers open far larger ones slowly, or not at "
    "all. Volumes that do not fit are listed without pictures.",
)
def command(folder: Path, out: Path, preset: str | Path | None, title: str | None, max_size: float) -> None:
    """Write one page that shows the volumes in DIR: in 3-D and by slices, in their orders, with provenance.

    The page holds all that it needs: it works from a file system and without a network. It links to the
    volume files and names the commands that open them in ParaView, 3D Slicer and CGV.

    \b
    Examples:
      cnnvis gallery volumes -o volumes/index.html
      cnnvis gallery volumes -o cats.html --preset hot --title 'Cats in conv1'
    """
    from render_presets.gallery import gallery

    page = out if out.suffix.lower() in (".html", ".htm") else options.made(out) / "index.html"
    name = None if preset in (None, "auto") else str(preset)
    options.print_paths([gallery(folder, page, name, title, max_size)])
