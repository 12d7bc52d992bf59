"""``cnnvis prune``: a network without some of its filters, as a file."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options, scoring_options
from .option_types import OneOf, finite

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from extract import Model
    from extract.filters import Filters

    from .models import OpenedModel

# One number, or two with a dash between; Python refuses to read numbers of thousands of digits.
_RANGE = re.compile("(?P<first>[0-9]{1,18})( *- *(?P<last>[0-9]{1,18}))?")


@click.command()
@options.model
@options.input_size
@scoring_options.filter_layers
@click.option(
    "--filters", "listed", metavar="0,7,12-15", help="Remove these filters, numbered from 0, of each layer."
)
@click.option("--number", type=click.IntRange(0), help="Remove as many filters of each layer.")
@click.option(
    "--fraction",
    type=click.FloatRange(0, 1),
    callback=finite,
    help="Remove this part of each layer's filters, rounded down.",
)
@click.option(
    "--below",
    type=float,
    callback=finite,
    metavar="T",
    help="Remove the filters whose layer-normalized score is below this.",
)
@scoring_options.scores_file("; without it, the norms of the weights are the scores.")
@click.option("--criterion", metavar="C", help="Which scores of the file, where it has several.")
@click.option("--class", "label", metavar="CLASS", help="Whose scores. Default: those over all pictures.")
@click.option(
    "--first",
    type=OneOf("end", lambda: ("least", "most")),
    help="Whether the least important filters go, or the most important ones. Default: least.",
)
@click.option(
    "-o",
    "--out",
    required=True,
    type=options.file_path,
    metavar="OUT",
    help="OUT.onnx; or for a Caffe network OUT.caffemodel or OUT.caffemodel.h5, a copy of its own weights.",
)
def command(
    opened: Callable[..., OpenedModel],
    size: tuple[int, ...] | None,
    layers: tuple[str, ...],
    listed: str | None,
    number: int | None,
    fraction: float | None,
    below: float | None,
    scores: Path | None,
    criterion: str | None,
    label: str | None,
    first: str | None,
    out: Path,
) -> None:
    """Write a network whose least important filters are zero: their weights, and their biases.

    The layers keep their sizes, so that the file runs wherever the network does. A Caffe network's weights
    are copied byte by byte, but for these values, and its prototxt stays as it is. What was removed is told
    in OUT.json, and on standard error.

    \b
    Examples:
      cnnvis prune net.onnx --layer conv1 --fraction 0.25 --scores importance.json --criterion grad_l2 \\
        -o pruned.onnx
      cnnvis prune deploy.prototxt --weights net.caffemodel --layer 'conv*' --number 8 \\
        --scores importance.json --criterion taylor_act -o pruned.caffemodel
      cnnvis prune net.onnx --layer conv1 --filters 3,17 -o pruned.onnx
    """
    from converters.staging import staging
    from extract.filters import search_filters
    from extract.importance import Choice
    from extract.importance.criteria import score_weights
    from extract.importance.tables import all_scores, chosen_key
    from extract.pruning import save_pruned

    from .progress import note
    from .provenance import model_facts, software, write_document
    from .score_files import note_other_scores

    ways = {"--filters": listed, "--number": number, "--fraction": fraction, "--below": below}
    told = [name for name, value in ways.items() if value is not None]
    if len(told) != 1:
        raise click.UsageError(f"one of {', '.join(ways)} says what is removed, not {len(told)} of them")
    by_scores = {"--scores": scores, "--criterion": criterion, "--class": label, "--first": first}
    needless = [name for name, value in by_scores.items() if value is not None]
    if listed is not None and needless:
        raise click.UsageError(f"--filters needs no {needless[0]}")
    if below is not None and first is not None:
        raise click.UsageError(f"--below removes what matters least, and takes no --first {first}")
    if label is not None and scores is None:
        raise click.UsageError("--class says whose scores of a file count: it needs --scores")
    side = out.with_name(out.name + ".json")
    if scores is not None and scores.resolve() in (side.resolve(), out.resolve()):
        raise click.UsageError(f"{scores}: would be replaced by what is written beside {out.name}")
    model = opened(size).model
    known = {} if scores is None else all_scores(scores)
    if scores is not None:
        note_other_scores(scores, model)
    selection = Selection(number, fraction, below, first == "most")
    removed: dict[Filters, list[int]] = {}
    used: dict[str, Any] | None = None
    search = search_filters(model, layers)
    search.check()
    for filters in search.filters:
        if listed is not None:
            removed[filters] = numbers(listed, filters, model)
        elif scores is not None:
            key = chosen_key(scores, known, Choice(filters.layer, criterion, label))
            used = {"file": scores.name, "criterion": key[0], "class": key[2]}
            removed[filters] = selection.of(known[key], filters, f"{scores}: layer {filters.layer!r}")
        else:
            used = {"file": None, "criterion": criterion or "weight_l2", "class": None}
            norms = score_weights(model, filters, used["criterion"], 0)
            removed[filters] = selection.of(norms, filters, f"{model.path}: layer {filters.layer!r}")
    options.made(out.parent)
    paths = save_pruned(model, removed, out)
    facts = {
        "form": "cnnvis prune 1",
        "model": model_facts(model),
        "scores": used,
        "removed": {filters.layer: own for filters, own in removed.items()},
        **software(),
    }
    with staging(side.parent) as staged:
        write_document(staged / side.name, facts)
    for reason in search.refused.values():
        note(f"left as it is: {reason}")
    for filters, own in removed.items():
        note(f"layer {filters.layer!r}: {len(own)} of {filters.count} filters removed")
    options.print_paths([*paths, side])


@dataclass(frozen=True)
class Selection:
    """Which of a layer's filters go by their scores: a number, a part, or those below a normalized score.

    `most` says that the most important filters go, and not the least.
    """

    number: int | None
    fraction: float | None
    below: float | None
    most: bool

    def of(self, scores: Sequence[float] | NDArray[np.float64], filters: Filters, where: str) -> list[int]:
        """Return the filters that go, rising; `where` stands before errors."""
        import numpy as np

        from extract import ModelError
        from extract.importance import normalized
        from extract.removal import least_first, most_first

        values = np.asarray(scores, np.float64)
        if len(values) != filters.count:
            raise ModelError(
                f"{where} has {len(values)} scores there, and {filters.count} filters in the model"
            )
        if self.below is not None:
            return [int(index) for index in np.flatnonzero(normalized(values) < self.below)]
        # the decimal number that was asked for: as a float, 0.29 of 100 is less than 29
        part = None if self.fraction is None else int(filters.count * Fraction(str(self.fraction)))
        count = part if part is not None else self.number or 0
        if count > filters.count:
            raise ModelError(f"{where} has {filters.count} filters, of which {count} cannot go")
        order = most_first(values) if self.most else least_first(values)
        return sorted(int(index) for index in order[:count])


def numbers(text: str, filters: Filters, model: Model) -> list[int]:
    """Return the filters that a list such as ``0,7,12-15`` names, rising."""
    found: set[int] = set()
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            raise click.BadParameter(
                f"{text!r} is no list of filters such as 0,7,12-15", param_hint="--filters"
            )
        first = int(match["first"])
        last = int(match["last"] or first)
        if last >= filters.count or last < first:
            raise click.BadParameter(
                f"layer {filters.layer!r} of {model.path} has filters 0 to {filters.count - 1}, not "
                f"{part.strip()}",
                param_hint="--filters",
            )
        found.update(range(first, last + 1))
    return sorted(found)
