"""``cnnvis info``: what a volume file holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import file_path

if TYPE_CHECKING:
    from converters import Volume


@click.command()
@click.argument("file", type=file_path)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, slice labels included.")
def command(file: Path, as_json: bool) -> None:
    """Show size, geometry and values of a volume or a series, and what its file tells of its origin.

    \b
    Examples:
      cnnvis info conv1.nrrd
      cnnvis info conv1.vox --json
      cnnvis info dogs.pvd
    """
    from converters import format_of, read, series

    if series.is_list(file):
        volume, form = series.read_series(file).together(), "files, one a frame"
    else:
        volume, form = read(file), format_of(file).name
    measured = {"file": file.name, "format": form, **summary(volume)}
    facts = dict(volume.facts)
    if as_json:
        document = {**measured, "facts": facts, "labels": volume.labels}
        click.echo(json.dumps(document, indent=1, ensure_ascii=False))
        return
    _print(measured)
    if facts:
        click.echo("\nfacts in the file")
        _print(facts)


def _print(table: Mapping[str, Any]) -> None:
    for key, value in table.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        click.echo(f"{key:<12}{text}")


def summary(volume: Volume) -> dict[str, Any]:
    """Return what is measured of a volume, for JSON: sizes as x, y, z; statistics over finite values."""
    import numpy as np

    finite = volume.data[np.isfinite(volume.data)]
    encoding = volume.encoding
    statistics = {
        "range": volume.range,
        "mean": float(finite.mean(dtype=np.float64)) if finite.size else None,
        "zeros": int(np.count_nonzero(volume.data == 0)),
        "not finite": int(volume.data.size - finite.size),
    }
    frames = {} if volume.frames is None else {"frames": volume.frames}
    stored = (
        {}
        if encoding is None
        else {"stored": encoding.dtype, "slope": encoding.slope, "intercept": encoding.intercept}
    )
    return {
        "name": volume.name,
        "size": volume.size,
        **frames,
        "spacing": volume.spacing,
        "origin": volume.origin,
        "direction": volume.direction,
        **stored,
        **statistics,
    }
