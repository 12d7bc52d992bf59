"""``cnnvis order``: the slices of a volume in another order."""

from __future__ import annotations

from pathlib import Path

import click

from .options import dtype, file_path, order_method, print_paths


@click.command()
@click.argument("source", metavar="IN", type=file_path)
@click.argument("target", metavar="OUT", type=file_path)
@click.option("--by", "method", type=order_method, required=True, help="What the order follows.")
@click.option("--seed", type=click.IntRange(0), help="For random.")
@dtype
def command(source: Path, target: Path, method: str, seed: int | None, dtype: str | None) -> None:
    """Write a volume with its slices reordered; labels and permutation stay with it.

    The recorded permutation is that from the layer's own channels, also of a volume that was ordered before.

    \b
    Examples:
      cnnvis order conv1.nrrd conv1-by-mean.nrrd --by mean
    """
    import order
    from converters import read, write

    from .provenance import derived

    volume = read(source)
    parameters = {} if seed is None else {"seed": seed}
    ordering = order.by(method, volume, **parameters)
    print_paths(write(derived(ordering.apply(volume)), target, dtype=dtype))
