"""Sets of labelled pictures on a command line: what their labels mean, and what is left out."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from extract import Model
    from extract.filters import Filters
    from extract.labelled import Fault, LabelledSet

    from .models import OpenedModel

_MOST_NOTES = 10


def layers_with_filters(
    model: Model, patterns: Sequence[str], known: Collection[str]
) -> tuple[list[Filters], list[Fault]]:
    """Return the filters of layers, and what cannot be scored, with the reasons.

    That are names and patterns of layers without filters, layers whose filters cannot be taken apart, and
    those of which the neuron knows nothing.
    """
    from extract import ModelError
    from extract.filters import NoFiltersError, filters_and_refused
    from extract.labelled import Fault

    found: dict[str, Filters] = {}
    faults: dict[str, str] = {}
    for pattern in patterns:
        try:
            chosen, refused = filters_and_refused(model, pattern)
        except NoFiltersError as error:
            faults[pattern] = str(error)
            continue
        found |= {one.layer: one for one in chosen if one.output in known}
        faults |= refused
        faults |= {
            one.layer: f"{model.path}: the neuron does not depend on layer {one.layer!r}"
            for one in chosen
            if one.output not in known
        }
    if not found:
        raise ModelError(next(iter(faults.values())))
    return list(found.values()), [Fault(name, reason) for name, reason in faults.items()]


def neurons_of(
    pictures: LabelledSet,
    described: OpenedModel,
    given: Mapping[str, int],
    by_class: bool,
    tensor: str | None = None,
) -> tuple[dict[str, int], list[Fault]]:
    """Return the network's class for each label, and the labels that mean none.

    Parameters
    ----------
    pictures : LabelledSet
        The set.
    described : OpenedModel
        The network, with the names of its classes.
    given : mapping of str to int
        What the user says.
    by_class : bool
        Whether classes matter; else each label gets 0.
    tensor : str, optional
        What holds the scores of the classes; by default what the network puts out.
    """
    from extract import ImageError
    from extract.class_names import class_index
    from extract.labelled import Fault
    from extract.targets import scores

    counts = {label: len(numbers) for label, numbers in pictures.classes.items()}
    if not by_class:
        return dict.fromkeys(counts, 0), []
    unknown = [label for label in given if label not in counts]
    if unknown:
        raise ImageError(f"{pictures.path}: has no label {unknown[0]!r}, which --class names")
    shape = described.model.shapes().get(tensor or scores(described.model), ())
    classes = shape[1] if len(shape) > 1 else None
    neurons, faults = {}, []
    for label, count in counts.items():
        index = class_index(label, described.labels, given)
        if index is not None and (classes is None or index < classes):
            neurons[label] = index
            continue
        reason = "names no class of the network" if index is None else f"is beyond its {classes} classes"
        text = f"{pictures.path}: label {label!r} {reason}: its pictures ({count}) are left out; see --class"
        faults.append(Fault(label, text))
    if not neurons:
        raise ImageError(faults[0].reason)
    return neurons, faults


def classes_shown(patterns: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return the classes that patterns stand for."""
    found: dict[str, None] = {}
    for pattern in patterns:
        matches = [pattern] if pattern in known else fnmatch.filter(known, pattern)
        if not matches:
            raise click.ClickException(f"--show: no class {pattern!r}; there are {', '.join(known)}")
        found |= dict.fromkeys(matches)
    return list(found)


def tell_single(counts: Mapping[str, int]) -> None:
    """Say of which classes nothing is known about how far they vary."""
    from extract.importance import ALL

    from .views import note

    for label, count in counts.items():
        if count == 1 and label != ALL:
            note(f"class {label!r} has one picture: its standard error and interval are undefined")


def tell_faults(faults: Sequence[Fault], table: Path) -> None:
    """Say what is left out, and fail if anything is."""
    from .views import note

    if not faults:
        return
    for fault in faults[:_MOST_NOTES]:
        note(f"left out: {_printable(fault.reason)}")
    number = len(faults)
    what = "1 thing is" if number == 1 else f"{number} things are"
    raise click.ClickException(f"{what} left out, as {table} tells; all else is done")


def _printable(text: str) -> str:
    """Return a text on one line, whatever is in the names of files."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
