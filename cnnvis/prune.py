"""``cnnvis prune``: a network without some of its filters, as a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options
from .option_types import OneOf

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from extract import Model
    from extract.filters import Filters

    from .models import OpenedModel


@click.command()
@options.model
@options.input_size
@click.option(
    "--layer",
    "layers",
    multiple=True,
    required=True,
    metavar="L",
    help="Layer with filters, or pattern such as 'conv*'; may be repeated.",
)
@click.option(
    "--filters", "listed", metavar="0,7,12-15", help="Remove these filters, numbered from 0, of each layer."
)
@click.option("--number", type=click.IntRange(0), help="Remove as many filters of each layer.")
@click.option(
    "--fraction", type=click.FloatRange(0, 1), help="Remove this part of each layer's filters, rounded down."
)
@click.option(
    "--below", type=float, metavar="T", help="Remove the filters whose layer-normalized score is below this."
)
@click.option(
    "--scores",
    type=options.file_path,
    metavar="FILE",
    help="What `cnnvis importance` wrote; without it, the norms of the weights are the scores.",
)
@click.option("--criterion", metavar="C", help="Which scores of the file, where it has several.")
@click.option("--class", "label", metavar="CLASS", help="Whose scores. Default: those over all pictures.")
@click.option(
    "--first",
    type=OneOf("end", lambda: ("least", "most")),
    default="least",
    show_default=True,
    help="Whether the least important filters go, or the most important ones.",
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
    first: str,
    out: Path,
) -> None:
    """Write a network whose least important filters are zero: their weights, and their biases.

    The layers keep their sizes, so that the file runs wherever the network does. A Caffe network's weights
    are copied byte by byte, but for these values, and its prototxt stays as it is. What was removed is told
    in OUT.json, and on standard error.

    \b
    Examples:
      cnnvis prune net.onnx --layer conv1 --fraction 0.25 --scores importance.json -o pruned.onnx
      cnnvis prune deploy.prototxt --weights net.caffemodel --layer 'conv*' --number 8 \\
        --scores importance.json --criterion taylor_act -o pruned.caffemodel
      cnnvis prune net.onnx --layer conv1 --filters 3,17 -o pruned.onnx
    """
    from extract.filters import find_filters
    from extract.pruning import save_pruned

    from .provenance import model_facts, software
    from .score_files import note_other_network
    from .views import note

    ways = {"--filters": listed, "--number": number, "--fraction": fraction, "--below": below}
    told = [name for name, value in ways.items() if value is not None]
    if len(told) != 1:
        raise click.UsageError(f"one of {', '.join(ways)} says what is removed, not {len(told)} of them")
    if listed is not None and scores is not None:
        raise click.UsageError("--filters needs no --scores")
    if below is not None and first == "most":
        raise click.UsageError("--below removes what matters least, not --first most")
    side = out.with_name(out.name + ".json")
    if scores is not None and scores.resolve() in (side.resolve(), out.resolve()):
        raise click.UsageError(f"{scores}: would be replaced by what is written beside {out.name}")
    model = opened(size).model
    if scores is not None:
        note_other_network(scores, model)
    removed: dict[Filters, list[int]] = {}
    for filters in find_filters(model, layers):
        if listed is not None:
            removed[filters] = numbers(listed, filters, model)
            continue
        values = scores_of(model, filters, scores, criterion, label)
        removed[filters] = chosen(values, number, fraction, below, first == "most", filters, model)
    options.made(out.parent)
    paths = save_pruned(model, removed, out)
    facts = {
        "form": "cnnvis prune 1",
        "model": model_facts(model),
        "scores": None if scores is None else {"file": scores.name, "criterion": criterion, "class": label},
        "removed": {filters.layer: own for filters, own in removed.items()},
        **software(),
    }
    _write(side, facts)
    for filters, own in removed.items():
        note(f"layer {filters.layer!r}: {len(own)} of {filters.count} filters removed")
    options.print_paths([*paths, side])


def chosen(
    scores: NDArray[np.float64],
    number: int | None,
    fraction: float | None,
    below: float | None,
    most: bool,
    filters: Filters,
    model: Model,
) -> list[int]:
    """Return the filters that go, rising."""
    import numpy as np

    from extract import ModelError
    from extract.importance import normalized
    from extract.removal import least_first

    if below is not None:
        return [int(index) for index in np.flatnonzero(normalized(scores) < below)]
    # the decimal number that was asked for: as a float, 0.29 of 100 is less than 29
    count = int(filters.count * Fraction(str(fraction))) if fraction is not None else number or 0
    if count > filters.count:
        raise ModelError(
            f"{model.path}: layer {filters.layer!r} has {filters.count} filters, of which {count} cannot go"
        )
    order = least_first(scores)
    return sorted(int(index) for index in (order[::-1] if most else order)[:count])


def numbers(text: str, filters: Filters, model: Model) -> list[int]:
    """Return the filters that a list such as ``0,7,12-15`` names, rising."""
    found: set[int] = set()
    for part in text.replace(" ", "").split(","):
        low, _, high = part.partition("-")
        if not (low.isdecimal() and (high or low).isdecimal() and len(part) < 20):
            raise click.BadParameter(
                f"{text!r} is no list of filters such as 0,7,12-15", param_hint="--filters"
            )
        last = int(high or low)
        if last >= filters.count or last < int(low):
            raise click.BadParameter(
                f"layer {filters.layer!r} of {model.path} has filters 0 to {filters.count - 1}, not {part}",
                param_hint="--filters",
            )
        found.update(range(int(low), last + 1))
    return sorted(found)


def scores_of(
    model: Model, filters: Filters, path: Path | None, criterion: str | None, label: str | None
) -> NDArray[np.float64]:
    """Return a layer's scores: of a file, or by a criterion that looks at no picture."""
    import numpy as np

    from extract import ModelError
    from extract.importance import CRITERIA, Choice, read_scores
    from extract.importance.criteria import OfWeights

    if path is not None:
        values = np.array(read_scores(path, Choice(filters.layer, criterion, label)))
        if len(values) != filters.count:
            raise ModelError(
                f"{path}: has {len(values)} scores for layer {filters.layer!r}, which has {filters.count} "
                f"filters in {model.path}"
            )
        return values
    found = CRITERIA.get(criterion or "weight_l2")
    if not isinstance(found, OfWeights):
        own = [name for name, one in CRITERIA.items() if isinstance(one, OfWeights)]
        raise click.UsageError(f"without --scores, --criterion is one of {', '.join(own)}")
    return found.compute(filters, model.values([filters.weight])[filters.weight], 0)


def _write(path: Path, facts: Mapping[str, Any] | Sequence[Any]) -> None:
    from converters.staging import staging

    with staging(path.parent) as folder:
        text = json.dumps(facts, indent=1, ensure_ascii=False)
        (folder / path.name).write_text(text + "\n", encoding="utf-8")
