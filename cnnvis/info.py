"""``cnnvis info``: what a volume file holds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import file_path

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from converters import Encoding
    from converters.volume import Described


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
    from converters import Volume, format_of, series

    found = series.opened(file)
    parts: Iterable[NDArray[np.float32]]
    if isinstance(found, Volume):
        encoding, parts = found.encoding, [found.data]
    else:
        encoding, parts = found.first.encoding, found.data
    form = "files, one a frame" if series.is_list(file) else format_of(file).name
    measured = {"file": file.name, "format": form, **summary(found, encoding, parts)}
    facts = dict(found.facts)
    if as_json:
        document = {**measured, "facts": facts, "labels": found.labels}
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


def summary(
    volume: Described, encoding: Encoding | None, parts: Iterable[NDArray[np.float32]]
) -> dict[str, Any]:
    """Return what is measured of a volume or a series, for JSON: sizes as x, y, z.

    Parameters
    ----------
    volume : Described
        What it is.
    encoding : Encoding or None
        How its values are stored.
    parts : iterable of ndarray
        The values, one part after another; statistics are over the finite ones.
    """
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
        "range": volume.range,
        **_statistics(parts),
    }


def _statistics(parts: Iterable[NDArray[np.float32]]) -> dict[str, Any]:
    import numpy as np

    total, known, zeros, size = 0.0, 0, 0, 0
    for part in parts:
        finite = np.isfinite(part)
        total += float(part.sum(where=finite, dtype=np.float64))
        known += int(np.count_nonzero(finite))
        zeros += int(np.count_nonzero(part == 0))
        size += part.size
    return {"mean": total / known if known else None, "zeros": zeros, "not finite": size - known}
