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
    """
    from extract.check import TOLERANCE, GradientCheck

    comparison = GradientCheck(model, x, target, names)
    click.echo(
        f"gradients of {target} at {image} beside central differences in float64, by onnx's reference "
        f"evaluator: {comparison.count} comparisons, tolerance {TOLERANCE:g} of the terms, about "
        f"{_duration(comparison.seconds)}",
        err=True,
    )
    rows = []
    width = max(len(name) for name in names)
    click.echo(_line(width, "", "", "gradient", "difference", "apart", "allowed", ""), err=True)
    with progress(comparison.count, "comparisons", quiet) as done:
        for row in comparison.rows():
            rows.append(row)
            click.echo(_shown(row, width), err=True)
            done()
    wrong = [row for row in rows if not row.agrees and not row.kink]
    kinks = sum(row.kink for row in rows)
    if wrong:
        first = wrong[0]
        click.echo(
            f"cnnvis: error: {model.path}: {len(wrong)} of {len(rows)} comparisons disagree, first that of "
            f"{first.name!r}, {first.kind}: gradient {first.analytic:.6g}, differences {first.numeric:.6g}; "
            "this is a bug of cnnvis or of the reference evaluator",
            err=True,
        )
        sys.exit(1)
    click.echo(f"{len(rows) - kinks} agree, {kinks} lie at kinks, where there is no derivative", err=True)
    return {"comparisons": len(rows), "kinks": kinks, "tolerance": TOLERANCE}


def _shown(row: Row, width: int) -> str:
    numbers = [f"{value:.6g}" for value in (row.analytic, row.numeric)]
    bounds = [f"{value:.1e}" for value in (row.difference, row.bound)]
    remark = "kink: a convention" if row.kink else "" if row.agrees else "WRONG"
    return _line(width, row.name, row.kind, *numbers, *bounds, remark)


def _line(width: int, name: str, kind: str, *columns: str) -> str:
    *numbers, remark = columns
    return f"{name:{width}}  {kind:22}" + "".join(f"{n:>14}" for n in numbers) + f"  {remark}".rstrip()


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.0f} min"
