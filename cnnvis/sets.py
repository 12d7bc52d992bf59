"""Sets of labelled pictures on a command line: what their labels mean, and what is left out."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from extract import Model
    from extract.filters import Filters
    from extract.importance import Study
    from extract.importance.graph import Neuron
    from extract.labelled import Fault, LabelledSet

    from .models import OpenedModel
    from .scoring_options import LabelledOptions

CLASS = "class"
"""What the target is called where each picture has the neuron of its class."""

_MOST_NOTES = 10


def study_of(
    opened: Callable[..., OpenedModel],
    labelled: LabelledOptions,
    layers: Sequence[str],
    criteria: Sequence[str],
    neuron_of: Callable[[Model], Neuron],
    preprocessing: Mapping[str, Any],
    feeds: Sequence[tuple[str, Path]],
    **settings: int,
) -> tuple[Study, list[Fault]]:
    """Return what a command is to find out, and which layers and labels are left out of it.

    Parameters
    ----------
    opened : callable
        As `options.model` gives it.
    labelled : LabelledOptions
        The set.
    layers, criteria : sequence of str
        Patterns of layers, and names of criteria.
    neuron_of : callable
        Returns the neuron in a network.
    preprocessing, feeds
        As their options give them.
    **settings : int
        Further parameters of `Study`.
    """
    from extract.arrays import open_array
    from extract.feeding import image_input
    from extract.importance import Study
    from extract.importance.graph import on_the_way
    from extract.labelled import read_labelled
    from extract.sources import ImageSource

    from . import feeding

    pictures = read_labelled(labelled.path, labelled.labels, labelled.pattern)
    values = {name: open_array(file) for name, file in feeds}
    described = opened(preprocessing.get("size"), {name: array.shape for name, array in values.items()})
    fixed, model = feeding.fed(described.model, values)
    neuron = neuron_of(model)
    known = on_the_way(model, neuron)
    filters, of_layers = layers_with_filters(model, layers, known)
    tensor = neuron if isinstance(neuron, str) else None
    by_class = neuron is None or tensor is not None
    neurons, of_labels = neurons_of(pictures, described, labelled.classes, by_class, tensor)
    image = image_input(model, [value for value in model.inputs if value.name in known], fixed)
    sources = [ImageSource(labelled.path, "set")] if pictures.pictures else []
    prepared = feeding.settings_of(described, dict(preprocessing), image, sources)
    study = Study(model, pictures, neurons, filters, criteria, prepared, neuron, fixed, **settings)
    return study, [*of_layers, *of_labels]


def layers_with_filters(
    model: Model, patterns: Sequence[str], known: Collection[str]
) -> tuple[list[Filters], list[Fault]]:
    """Return the filters of layers, and what cannot be scored, with the reasons.

    That are layers of which the neuron knows nothing, and what `search_filters` refuses.
    """
    from extract import ModelError
    from extract.filters import search_filters
    from extract.labelled import Fault

    search = search_filters(model, patterns)
    found = [one for one in search.filters if one.output in known]
    faults = search.refused | {
        one.layer: f"{model.path}: the neuron does not depend on layer {one.layer!r}"
        for one in search.filters
        if one.output not in known
    }
    if not found:
        raise ModelError(next(iter(faults.values())))
    return found, [Fault(name, reason) for name, reason in faults.items()]


def score_tensor(model: Model, name: str) -> str:
    """Return the tensor of a name that holds a score for each class.

    Raises
    ------
    UnknownNameError
        If the model has no such name.
    ModelError
        If that is a constant.
    """
    from extract import ModelError

    tensor = model.tensor(name)
    if tensor in model.constants:
        raise ModelError(f"{model.path}: {name!r} is a constant; scores of classes depend on the input")
    return tensor


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


def check_no_loss(
    path: Path, words: Sequence[str], known: Iterable[tuple[str, ...]], made: Collection[tuple[str, ...]]
) -> None:
    """Refuse to replace a table of scores or curves by one that lacks some of them.

    Parameters
    ----------
    path : Path
        The table, for the error.
    words : sequence of str
        What is told of each score, such as criterion, layer and class.
    known, made : iterable and collection of tuple of str
        That of those in the table, and of those in the new one.
    """
    lost = next((key for key in known if key not in made), None)
    if lost is not None:
        what = ", ".join(f"{word} {value!r}" for word, value in zip(words, lost, strict=True))
        raise click.ClickException(f"{path}: holds {what}, which would be lost: choose another -o")


def tell_single(counts: Mapping[str, int]) -> None:
    """Say of which classes nothing is known about how far they vary."""
    from extract.importance import ALL

    from .progress import note

    for label, count in counts.items():
        if count == 1 and label != ALL:
            note(f"class {label!r} has one picture: its standard error and interval are undefined")


def tell_faults(faults: Sequence[Fault], table: Path) -> None:
    """Say what is left out, and fail if anything is."""
    from .progress import note

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
