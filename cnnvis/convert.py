"""``cnnvis convert``: one volume format to another."""

from __future__ import annotations

from pathlib import Path

import click

from .option_types import Choices
from .options import dtype, file_path, header_names, print_paths


@click.command()
@click.argument("source", metavar="IN", type=file_path)
@click.argument("target", metavar="OUT", type=file_path)
@dtype
@click.option(
    "--headers",
    type=Choices(header_names),
    default=(),
    help="For .vox only: further headers over the same binary.",
)
def command(source: Path, target: Path, dtype: str | None, headers: tuple[str, ...]) -> None:
    """Convert a volume file; the formats follow from the file names.

    Values, geometry, slice labels and provenance carry over. The stored type is the source's own unless the
    target is CGV (uint8) or --dtype says otherwise.

    \b
    Examples:
      cnnvis convert conv1.nrrd conv1.nii.gz
      cnnvis convert conv1.nrrd conv1.vox --headers mhd,nhdr
      cnnvis convert conv1.nii.gz conv1.vti --dtype uint8
    """
    from converters import DTYPES, format_of, read, write

    from .provenance import derived

    form = format_of(target)
    volume = read(source)
    if dtype is None and form.dtype == "float32" and volume.encoding and volume.encoding.dtype in DTYPES:
        dtype = volume.encoding.dtype
    print_paths(write(derived(volume), target, dtype=dtype, headers=headers))
