"""Options of the commands that score filters, remove them, and see what becomes of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click

from . import options
from .option_types import Choices, ClassNumber

filter_layers: options.Decorator = click.option(
    "--layer",
    "layers",
    multiple=True,
    required=True,
    metavar="L",
    help="Layer with filters, or pattern such as 'conv*'; may be repeated.",
)


def criteria(default: str, text: str) -> options.Decorator:
    """Return the option of criteria of importance, with its default and help."""
    kind = Choices(options.registry("extract.importance", "CRITERIA"), every="all")
    return click.option("--by", "criteria", type=kind, default=(default,), help=f"{text} Default: {default}.")


def scores_file(text: str) -> options.Decorator:
    """Return the option of a file of scores, with the rest of its help."""
    return click.option(
        "--scores", type=options.file_path, metavar="FILE", help=f"What `cnnvis importance` wrote{text}"
    )


def seed(text: str) -> options.Decorator:
    """Return the option of a seed, with its help."""
    return click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help=text)


def _each_once(
    context: click.Context, parameter: click.Parameter, classes: tuple[tuple[str, int], ...]
) -> tuple[tuple[str, int], ...]:
    """Return the classes of labels, or fail if a label has two."""
    first = dict(reversed(classes))
    for label, index in classes:
        if first[label] != index:
            raise click.BadParameter(f"label {label!r} is given two classes, {first[label]} and {index}")
    return classes


_LABELLED_SET = (
    click.option(
        "--set",
        "set_path",
        required=True,
        type=options.file_path,
        metavar="SET",
        help="Labelled pictures: a folder with a folder for each class, a .csv file of file,label, an .npz "
        "file, or a .npy or IDX file (MNIST's form) with --labels.",
    ),
    click.option(
        "--labels",
        type=options.file_path,
        metavar="FILE",
        help="For a folder of pictures a .csv file of file,label; for .npy and IDX files that of the labels.",
    ),
    click.option(
        "--label-pattern",
        metavar="REGEX",
        help="For a folder of pictures: the group in their names that is the label, such as '^([a-z]+)_'.",
    ),
    click.option(
        "--class",
        "classes",
        multiple=True,
        type=ClassNumber(),
        callback=_each_once,
        help="The network's class for a label; by default by the names in the model's TOML file, else labels "
        "are numbers of classes. May be repeated.",
    ),
)


class LabelledOptions(NamedTuple):
    """What the options of `labelled_set` say."""

    path: Path
    labels: Path | None
    pattern: str | None
    classes: Mapping[str, int]


def labelled_set(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name a set of labelled pictures; the command gets them as one, `labelled`."""

    @functools.wraps(command)
    def wrapped(
        set_path: Path,
        labels: Path | None,
        label_pattern: str | None,
        classes: tuple[tuple[str, int], ...],
        **arguments: Any,
    ) -> Any:
        told = LabelledOptions(set_path, labels, label_pattern, dict(classes))
        return command(labelled=told, **arguments)

    for option in reversed(_LABELLED_SET):
        wrapped = option(wrapped)
    return wrapped
