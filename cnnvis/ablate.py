"""``cnnvis ablate``: what a network gets wrong as filters are removed, by the orders of several criteria."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options, scoring_options
from .option_types import OneOf

if TYPE_CHECKING:
    from extract.importance import Study
    from extract.removal_study import Scores

    from .models import OpenedModel


@click.command()
@options.model
@scoring_options.labelled_set
@scoring_options.filter_layers
@scoring_options.criteria("all", "Criteria, as for `cnnvis importance`; random is always there too.")
@scoring_options.scores_file(": scores that are in it are not computed again.")
@click.option(
    "--target",
    metavar="NAME",
    help="Layer or tensor that holds a score for each class, before softmax. Default: the only such one.",
)
@options.out_folder
@click.option(
    "--show",
    "shown",
    multiple=True,
    metavar="CLASS",
    help="Class, or pattern such as '*', that has curves of its own, besides those of all pictures; may be "
    "repeated.",
)
@click.option(
    "--replace",
    type=OneOf("replacement", lambda: ("zero", "mean")),
    default="zero",
    show_default=True,
    help="What becomes of a removed filter's map: 0, as its weights and bias are, or its mean over the set.",
)
@click.option(
    "--points",
    type=click.IntRange(4),
    default=65,
    show_default=True,
    help="At most so many numbers of removed filters are tried; 0, 1, all but one and all are among them.",
)
@click.option(
    "--orders",
    "orders_of_random",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="How many orders random stands for.",
)
@options.preprocessing
@options.feeds
@click.option(
    "--batch", type=click.IntRange(1), default=64, show_default=True, help="Pictures that run together."
)
@scoring_options.seed("For random.")
@options.quiet
def command(
    opened: Callable[..., OpenedModel],
    labelled: scoring_options.LabelledOptions,
    layers: tuple[str, ...],
    criteria: tuple[str, ...],
    scores: Path | None,
    target: str | None,
    out: Path,
    shown: tuple[str, ...],
    replace: str,
    points: int,
    orders_of_random: int,
    preprocessing: dict[str, Any],
    feeds: tuple[tuple[str, Path], ...],
    batch: int,
    seed: int,
    quiet: bool,
) -> None:
    """Remove a layer's filters one after the other, and see what the network still knows.

    For each criterion filters go from the least important one on, and from the most important one on: of all
    pictures by the scores over all, and of each class that --show names by its own, on its own pictures. A
    removed filter has no weights and no bias: its map is 0 before anything else works on it; a batch
    normalization behind it is no part of it. Without filters that do not matter the error stays; without
    those that do it rises at once.

    Written are, for each layer, a table of all curves, with the layer-normalized score below which as many
    filters lie; a table with the error at first, without the least and without the most important filter,
    the areas under the error, and Spearman's correlation with `ablation`, the fall of the neuron as each
    filter is removed by itself; the same as JSON; and pictures of the curves.

    \b
    Examples:
      cnnvis ablate net.toml --set photos/ --layer conv1 -o removed
      cnnvis ablate net.onnx --set photos/ --class cat=281 --class dog=207 --layer conv1 \\
        --by grad_l2,taylor_act --show '*' -o removed
      cnnvis ablate net.toml --set photos/ --layer conv1 --scores scores/importance.json -o removed
    """
    from extract.files import sha256
    from extract.importance import ALL, CRITERIA
    from extract.removal import numbers_to_remove
    from extract.removal_study import RANDOM, computed_scores, mean_maps, removal_curves, trials

    from .feeding import feed_facts
    from .progress import progress
    from .provenance import model_facts, software
    from .removal_files import RemovalFiles, rows_of, stem
    from .sets import CLASS, check_no_loss, classes_shown, score_tensor, study_of, tell_faults

    study, of_set = study_of(
        opened,
        labelled,
        layers,
        tuple(CRITERIA) if criteria == ("all",) else tuple(dict.fromkeys([*criteria, RANDOM])),
        lambda model: None if target is None else score_tensor(model, target),
        preprocessing,
        feeds,
        batch=batch,
        replicates=0,
        seed=seed,
    )
    wanted = [ALL, *(label for label in classes_shown(shown, [ALL, *study.neurons]) if label != ALL)]
    facts: dict[str, Any] = {
        "model": model_facts(study.model),
        "target": target or CLASS,
        **feed_facts(feeds),
        **software(),
    }
    given = {} if scores is None else known_scores(scores, study, facts)
    made = set(itertools.product([target or CLASS], wanted, study.criteria))
    for one in study.filters:
        table = out / f"{stem(study, one, replace, 'removal')}.json"
        check_no_loss(table, ("target", "class", "criterion"), rows_of(table), made)
    passes = 2 + (replace == "mean")
    options.made(out)
    with progress(passes * len(study.order), "pictures", quiet) as done:
        found, of_scores = computed_scores(study, wanted, given, done)
        maps = mean_maps(study, done) if replace == "mean" else {}
        orders = {one.layer: trials(study, one, wanted, found, orders_of_random) for one in study.filters}
        removed = {one.layer: numbers_to_remove(one.count, points) for one in study.filters}
        curves, of_pictures = removal_curves(study, orders, removed, maps, done)
    faults = tuple(dict.fromkeys((*of_set, *study.pictures.faults, *of_scores, *of_pictures)))
    settings = {
        "scores": None if scores is None else {"file": scores.name, "sha256": sha256(scores)},
        "replace": replace,
        "points": points,
        "orders of random": orders_of_random,
        "seed": seed,
        "preprocessing": study.settings,
    }
    files = RemovalFiles(study, found, curves, faults, {**facts, "settings": settings}, out, replace)
    tables = [path for one in study.filters for path in files.tables(one)]
    options.print_paths(tables)
    for one in study.filters:
        for label in wanted:
            if any(trial.label == label for trial in curves[one.layer]):
                options.print_paths([files.picture(one, label)])
    tell_faults(faults, tables[-1])


def known_scores(path: Path, study: Study, facts: Mapping[str, Any]) -> Scores:
    """Return those of a study's scores that a file has.

    Raises
    ------
    ImageError
        If it is no such file, or of layers with other numbers of filters.
    """
    import numpy as np

    from extract import ImageError
    from extract.importance.tables import all_scores

    from .score_files import note_other_scores

    note_other_scores(path, study.model, study, facts)
    counts = {one.layer: one.count for one in study.filters}
    found: Mapping[tuple[str, str, str], Any] = all_scores(path)
    for (_, layer, _), values in found.items():
        if layer in counts and len(values) != counts[layer]:
            raise ImageError(
                f"{path}: has {len(values)} scores for layer {layer!r}, which has {counts[layer]} filters in "
                f"{study.model.path}"
            )
    return {key: np.asarray(values, np.float64) for key, values in found.items() if key[1] in counts}
