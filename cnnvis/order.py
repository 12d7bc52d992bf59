"""``cnnvis order``: the slices of a volume in another order."""

from __future__ import annotations

from pathlib import Path

import click

from .options import dtype, file_path, print_paths


@click.command()
@click.argument("source", metavar="IN", type=file_path)
@click.argument("target", metavar="OUT", type=file_path)
@click.option("--by", "method", required=True, metavar="METHOD", help="identity, mean, sparsity or random.")
@click.option("--seed", type=int, help="For random.")
@dtype
def command(source: Path, target: Path, method: str, seed: int | None, dtype: str | None) -> None:
    """Write a volume with its slices reordered; labels and permutation stay with it.

    \b
    Examples:
      cnnvis order conv1.nrrd conv1-by-mean.nrrd --by mean
    """
    import order
    from converters import read, write

    volume = read(source)
    parameters = {} if seed is None else {"seed": seed}
    ordering = order.by(method, volume, **parameters)
    print_paths(write(ordering.apply(volume), target, dtype=dtype))
