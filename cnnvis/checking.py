"""``cnnvis gradients --check``: gradients beside central differences, as a table on standard error."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from .progress import progress

if TYPE_CHECKING:
    from extract import Model
    from extract.activations import Feed
    from extract.check import Row


def check(
    model: Model, x: Feed, target: str, names: Sequence[str], image: str, *, quiet: bool
) -> dict[str, Any]:
    """Compare gradients with central differences, print the table, and return what side-cars say of it.

    Parameters
    ----------
    model, x, target, names
        As `extract.gradients` takes them.
    image : str
        What the input is called, for the table's head.
    quiet : bool
        No progress bar.

    Raises
    ------
    SystemExit
        With 1, as for bugs, if a gradient and its differences disagree where the network is smooth.
    click.ClickException
        If a name has no comparison where it is smooth.
    """
    from extract.check import SINGLE, TOLERANCE, GradientCheck

    comparison = GradientCheck(model, x, target, names)
    click.echo(
        f"gradients of {target} at {image} beside central differences in float64, by onnx's reference "
        f"evaluator: {comparison.count} comparisons, tolerance {TOLERANCE:g} of the terms ({SINGLE:g} in "
        f"float32), about "
        f"{_duration(comparison.seconds)}",
        err=True,
    )
    rows = []
    width = max(len(name) for name in names)
    click.echo(_line(width, "", "", "float32", "float64", "difference", "apart", "allowed", ""), err=True)
    with progress(comparison.count, "comparisons", quiet) as done:
        for row in comparison.rows():
            rows.append(row)
            click.echo(_shown(row, width), err=True)
            done()
    smooth = [row for row in rows if not row.kink]
    wrong = [row for row in smooth if not (row.agrees and row.single_agrees)]
    if wrong:
        first = wrong[0]
        click.echo(
            f"cnnvis: error: {model.path}: {len(wrong)} of {len(rows)} comparisons disagree, first that of "
            f"{first.name!r}, {first.kind}: gradient {first.single:.6g} in float32, {first.analytic:.6g} in "
            f"float64, differences {first.numeric:.6g}; a bug of cnnvis or of the reference evaluator",
            err=True,
        )
        sys.exit(1)
    unchecked = [name for name in names if all(row.name != name for row in smooth)]
    if unchecked:
        raise click.ClickException(
            f"{model.path}: nothing could be checked of {', '.join(unchecked)}: all comparisons lie at "
            "kinks, where there is no derivative; another image may do better"
        )
    kinks = len(rows) - len(smooth)
    click.echo(f"{len(smooth)} agree, {kinks} lie at kinks, where there is no derivative", err=True)
    return {"comparisons": len(rows), "kinks": kinks, "tolerance": TOLERANCE}


def _shown(row: Row, width: int) -> str:
    numbers = [f"{value:.6g}" for value in (row.single, row.analytic, row.numeric)]
    bounds = [f"{value:.1e}" for value in (row.difference, row.bound)]
    right = row.agrees and row.single_agrees
    remark = "kink: a convention" if row.kink else "" if right else "WRONG"
    return _line(width, row.name, row.kind, *numbers, *bounds, remark)


def _line(width: int, name: str, kind: str, *columns: str) -> str:
    *numbers, remark = columns
    return f"{name:{width}}  {kind:22}" + "".join(f"{n:>13}" for n in numbers) + f"  {remark}".rstrip()


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.0f} min"
