"""Scores as JSON and CSV, and back."""

from __future__ import annotations

import csv
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from converters.errors import CnnVisError

from ..arrays import one_line
from ..errors import ImageError
from ..removal import most_first
from .moments import Estimate
from .scoring import Importance
from .study import ALL

FORM = "cnnvis importance 1"
COLUMNS = (
    *("layer", "class", "criterion", "filter", "pictures"),
    *("score", "standard_error", "low", "high", "normalized", "rank"),
)

# How bytes of names that are no UTF-8, which Python has as U+DC80 to U+DCFF, stand in tables.
_ESCAPED = re.compile(r"\\u(dc[89a-f][0-9a-f])")

Scored = Mapping[tuple[str, str, str], Sequence[float]]

_Item = tuple[tuple[str, str, str], Estimate]


def normalized(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a layer's scores divided by the root of the sum of their squares.

    Layers compare so: P. Molchanov et al., arXiv:1611.06440, section 2.2. Scores of 0 alone stay 0.
    """
    length = float(np.linalg.norm(scores))
    return scores / length if length else scores


def ranks(scores: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return 1 for a layer's highest score, 2 for the next, ...; equal ones in the filters' order."""
    result = np.empty(len(scores), np.intp)
    result[most_first(scores)] = np.arange(1, len(scores) + 1)
    return result


def write_json(found: Importance, facts: Mapping[str, Any], file: TextIO) -> None:
    """Write all scores as JSON, a line a layer, criterion and class; only one such line is held at a time.

    Keys are ``form``: `FORM`; ``set``: its name, how many ``pictures`` counted, and the SHA-256 of
    ``contents``; ``classes``: for each its ``neuron`` and ``pictures``; ``left_out``: pictures, with their
    reasons; ``settings``; and ``layers``: for each ``filters``, how many there are; ``maps``, the tensor that
    criteria of maps look at, or null; and ``scores``, by criterion and class (all pictures together: "all"),
    lists with a value a filter: ``score``; ``standard_error``, ``low`` and ``high``, the 95 % interval by
    bootstrap, or null; ``normalized``: divided by the layer's norm; and ``rank``, 1 for the most important.

    Parameters
    ----------
    found : Importance
        The scores.
    facts : mapping
        What else there is to say: model, software, command.
    file : text file
        Where.
    """
    head = json.dumps(_head(found, facts), indent=1, ensure_ascii=False, allow_nan=False)
    file.write(head.removesuffix("\n}") + ',\n "layers": {')
    counts = {filters.layer: filters.count for filters in found.study.filters}
    for layer, in_layer in _grouped(found.estimates.items(), lambda item: item[0][1], file):
        maps = json.dumps(found.maps.get(layer), ensure_ascii=False)
        file.write(f'\n  {_text(layer)}: {{"filters": {counts[layer]}, "maps": {maps}, "scores": {{')
        for criterion, by_class in _grouped(in_layer, lambda item: item[0][0], file):
            file.write(f"\n   {_text(criterion)}: {{")
            for label, items in _grouped(by_class, lambda item: item[0][2], file):
                ((_, estimate),) = items
                file.write(f"\n    {_text(label)}: {json.dumps(_lists(estimate), allow_nan=False)}")
            file.write("\n   }")
        file.write("\n  }}")
    file.write("\n }\n}\n")


def _grouped(
    items: Iterable[_Item], key: Callable[[_Item], str], file: TextIO
) -> Iterator[tuple[str, Iterator[_Item]]]:
    """Yield groups of items that follow each other, and write a comma between."""
    for number, group in enumerate(itertools.groupby(items, key)):
        file.write("," * bool(number))
        yield group


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _head(found: Importance, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return all that JSON holds but the scores."""
    study = found.study
    neurons = study.neurons if study.by_class else {}
    return {
        "form": FORM,
        **facts,
        "set": {
            "name": study.pictures.path.name,
            "pictures": found.counts[ALL],
            "contents": found.contents or None,
        },
        "classes": {
            label: {"neuron": neurons.get(label), "pictures": count}
            for label, count in found.counts.items()
            if label != ALL
        },
        "left_out": [{"name": fault.name, "reason": fault.reason} for fault in found.faults],
        "settings": {
            "criteria": list(study.criteria),
            "preprocessing": study.settings,
            "bootstrap": study.replicates,
            "seed": study.seed,
        },
    }


def _lists(estimate: Estimate) -> dict[str, Any]:
    def plain(values: NDArray[np.float64] | None) -> list[float] | None:
        return None if values is None else values.tolist()

    return {
        "score": plain(estimate.mean),
        "standard_error": plain(estimate.error),
        "low": plain(estimate.low),
        "high": plain(estimate.high),
        "normalized": plain(normalized(estimate.mean)),
        "rank": ranks(estimate.mean).tolist(),
    }


def write_csv(found: Importance, file: TextIO) -> None:
    """Write a line a layer, class, criterion and filter; what is undefined stays empty."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for (criterion, layer, label), estimate in found.estimates.items():
        lists = _lists(estimate)
        columns = [lists[name] or [""] * len(estimate.mean) for name in COLUMNS[5:]]
        for number, values in enumerate(zip(*columns, strict=True)):
            writer.writerow([layer, label, criterion, number, estimate.count or "", *values])


@dataclass(frozen=True)
class Choice:
    """Which of a file's scores are wanted.

    Parameters
    ----------
    layer, criterion : str or None
        None where the file leaves no choice.
    label : str or None
        The class; None for all pictures together.
    likely : str or None
        The layer, if none is said and the file has it.
    """

    layer: str | None = None
    criterion: str | None = None
    label: str | None = None
    likely: str | None = None


def read_scores(path: Path, choice: Choice) -> list[float]:
    """Return a layer's scores, one a filter, from a file that `write_json` or `write_csv` made.

    Parameters
    ----------
    path : Path
        A .json or .csv file.
    choice : Choice
        Which ones.

    Raises
    ------
    ImageError
        If the file is no such file, or has no such scores, or the choice leaves several.
    """
    scores = all_scores(path)
    return list(scores[chosen_key(path, scores, choice)])


def chosen_key(path: Path, scores: Scored, choice: Choice) -> tuple[str, str, str]:
    """Return criterion, layer and class of the scores that a choice means.

    Parameters
    ----------
    path : Path
        The file that has them, for errors.
    scores : mapping
        As `all_scores` returns them.
    choice : Choice
        Which ones.

    Raises
    ------
    ImageError
        If there are no such scores, or the choice leaves several.
    """
    criterion = _chosen(path, "criterion", choice.criterion, [key[0] for key in scores])
    layers = [key[1] for key in scores if key[0] == criterion]
    layer = _chosen(
        path, "layer", choice.layer or (choice.likely if choice.likely in layers else None), layers
    )
    labels = [key[2] for key in scores if key[:2] == (criterion, layer)]
    return criterion, layer, _chosen(path, "class", choice.label or (ALL if ALL in labels else None), labels)


def all_scores(path: Path) -> Scored:
    """Return all scores that `write_json` or `write_csv` wrote: by criterion, layer and class, one a filter.

    Raises
    ------
    ImageError
        If the file is no such file.
    """
    read = _from_csv if path.suffix.lower() == ".csv" else _from_json
    try:
        return read(path)
    except CnnVisError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise ImageError(f"{path}: cannot be read ({one_line(error)})") from error
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error, RecursionError) as error:
        raise ImageError(f"{path}: not a file of scores of `cnnvis importance`") from error


def is_scores(path: Path) -> bool:
    """Return whether a file says that it is one of `cnnvis importance`: by its first words."""
    try:
        with path.open(encoding="utf-8") as file:
            head = file.read(200)
    except (OSError, UnicodeDecodeError):
        return False
    return f'"form": "{FORM}"' in head or head.startswith(",".join(COLUMNS))


def _chosen(path: Path, what: str, wanted: str | None, known: Sequence[str]) -> str:
    different = list(dict.fromkeys(known))
    if wanted is None and len(different) == 1:
        return different[0]
    if wanted not in different or wanted is None:
        said = f"no {what} {wanted!r}" if wanted is not None else f"{len(different)} choices of {what}"
        raise ImageError(f"{path}: has {said}: choose of {', '.join(different)}")
    return wanted


def _from_json(path: Path) -> Scored:
    found = json.loads(path.read_text(encoding="utf-8"))
    if found["form"] != FORM:
        raise ImageError(f"{path}: is of the form {found['form']!r}; this version reads {FORM!r}")
    return {
        (criterion, layer, label): _numbers(lists["score"])
        for layer, own in found["layers"].items()
        for criterion, by_class in own["scores"].items()
        for label, lists in by_class.items()
    }


def _from_csv(path: Path) -> Scored:
    scores: dict[tuple[str, str, str], list[float]] = {}
    for row in _csv_rows(path):
        own = scores.setdefault((row["criterion"], row["layer"], row["class"]), [])
        if int(row["filter"]) != len(own):
            raise ValueError("filters are not in their order")
        own.append(float(row["score"]))
    return {_as_named(key): _numbers(values) for key, values in scores.items()}


def _as_named(key: tuple[str, str, str]) -> tuple[str, str, str]:
    """Return criterion, layer and class with the lone surrogates for which a table has an escape each."""
    criterion, layer, label = (_ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) for text in key)
    return criterion, layer, label


def _csv_rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _numbers(values: Any) -> list[float]:
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError("scores are finite numbers")
    return [float(value) for value in array]
