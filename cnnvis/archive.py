"""``cnnvis archive``: a folder of volumes as a BagIt bag."""

from __future__ import annotations

from pathlib import Path

import click

from .options import file_path, print_paths


@click.command()
@click.argument("folder", metavar="DIR", type=file_path)
@click.argument("out", metavar="OUT", type=file_path)
def command(folder: Path, out: Path) -> None:
    """Archive a folder of volumes: a BagIt bag with SHA-256 sums and a README for later readers.

    OUT is a new folder, or a .zip or .tar file.

    \b
    Examples:
      cnnvis archive volumes volumes-2026.zip
      cnnvis verify volumes-2026.zip
    """
    from converters.archive import archive

    print_paths(archive(folder, out))
