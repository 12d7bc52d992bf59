"""What the page says of a volume: its title, where it came from, and how important its slices are."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from converters.volume import Described, Volume

from ..drawing import number, printable
from ..values import missing

Lines = list[tuple[str, str]]

_QUANTITIES = {"act": "activations", "grad": "gradient", "weight": "weights", "input": "what the network saw"}
_PAIR = re.compile(r"\d+,\d+")

_LONGEST = 16
"""Numbers of a list that are all told."""

_SECTIONS = {
    "Model": ("model", "layer", "operator", "tensor"),
    "Image": ("image",),
    "Values": ("quantity", "target", "method", "importance"),
    "Slices": ("layout", "order", "series"),
    "Place": ("geometry",),
    "Made by": ("software", "command"),
}
_SHOWN_ELSEWHERE = (
    ("importance", "scores"),
    ("order", "permutation"),
    ("series", "slices"),
    ("series", "order", "permutation"),
    ("series", "frame"),
    ("series", "frames"),
    ("series", "label"),
)


def title(volume: Described, name: str) -> str:
    """Return what the volume is called: its layer, else its file's name."""
    layer = volume.facts.get("layer")
    if volume.facts.get("quantity") == "input":
        return "input"
    return printable(layer if isinstance(layer, str) and layer else PurePath(name).name)


def kind(volume: Described) -> str:
    """Return what the values are, in a few words: ``gradient of fc:282``."""
    quantity, target = volume.facts.get("quantity"), volume.facts.get("target")
    what = _QUANTITIES.get(quantity, quantity) if isinstance(quantity, str) else volume.name
    return printable(f"{what} of {target}" if quantity == "grad" and isinstance(target, str) else what)


def source(volume: Described) -> list[str]:
    """Return the names of model and image, empty ones where they are not known."""
    told = [volume.facts.get(key) for key in ("model", "image")]
    files = [fact.get("file") if isinstance(fact, Mapping) else None for fact in told]
    return [printable(PurePath(file).name) if isinstance(file, str) else "" for file in files]


def slices(volume: Described) -> tuple[str, tuple[str, ...]]:
    """Return what a slice is, a channel, a kernel or just a slice, and the slices' labels."""
    if volume.frames is None:
        return _word(volume.facts, volume.labels), volume.labels
    series = volume.facts.get("series")
    count = volume.size[2]
    labels = series.get("slices") if isinstance(series, Mapping) else None
    if isinstance(series, Mapping) and isinstance(labels, list) and len(labels) == count:
        return _word(series, labels), tuple(map(str, labels))
    return "slice", tuple(map(str, range(count)))


def frames(volume: Described) -> tuple[str, tuple[str, ...]]:
    """Return what a frame is, and the frames' labels; of a 3-D volume none."""
    if volume.frames is None:
        return "frame", ()
    word = _word(volume.facts, volume.labels)
    return ("frame" if word == "slice" else word), volume.labels


def order(volume: Described) -> str | None:
    """Return the name of the order of the slices, None for that of the channels."""
    facts = volume.facts
    series = facts.get("series")
    held = series if volume.frames is not None and isinstance(series, Mapping) else facts
    found = held.get("order")
    method = found.get("method") if isinstance(found, Mapping) else None
    return printable(method) if isinstance(method, str) else None


def importance(volume: Described, labels: Sequence[str]) -> dict[str, Any] | None:
    """Return the criterion and, for each frame or for all alike, the score of each slice; None if unknown."""
    every = _frame_facts(volume) or [volume.facts]
    told = [_scored({**volume.facts, **facts}.get("importance")) for facts in every]
    scores = [[_score(known.get(label)) for label in labels] for _, known in told]
    if all(score is None for row in scores for score in row):
        return None
    return {"criterion": printable(told[0][0]), "scores": scores}


def values(volumes: Sequence[Volume]) -> Lines:
    """Return what there is to say of the values of one volume, or of all of a series."""
    lines = []
    unknown = sum(map(missing, volumes))
    if unknown:
        lines.append(("NaN or infinite", str(unknown)))
    if volumes[0].encoding is not None:
        lines.append(("stored as", volumes[0].encoding.dtype))
    return lines


def provenance(volume: Described, values: Lines) -> list[tuple[str, Lines]]:
    """Return all that is known of a volume, and lines on its values, as sections of names and texts."""
    known = dict(volume.facts)
    told = []
    for section, keys in _SECTIONS.items():
        lines = [line for key in keys if key in known for line in _flat((key,), known.pop(key), section)]
        if section == "Values":
            lines = [("name", volume.name), ("range", _range(volume)), *values, *lines]
        if section == "Place":
            lines = [*_place(volume), *lines]
        told.append((section, lines))
    told += [(f"Frame {place + 1}", _lines(facts)) for place, facts in enumerate(_frame_facts(volume))]
    told.append(("Further", _lines(known)))
    return [(section, lines) for section, lines in told if lines]


def _lines(facts: Mapping[str, Any]) -> Lines:
    return [line for key, fact in facts.items() for line in _flat((key,), fact)]


def _word(facts: Mapping[str, Any], labels: Sequence[Any]) -> str:
    layout = facts.get("layout")
    if not isinstance(layout, Mapping) or layout.get("kind") != "stack":
        return "slice"
    # those of filters are called by the output and the input that they join
    return "kernel" if all(_PAIR.fullmatch(str(label)) for label in labels) else "channel"


def _frame_facts(volume: Described) -> list[Mapping[str, Any]]:
    series = volume.facts.get("series")
    told = series.get("frames") if isinstance(series, Mapping) else None
    if not isinstance(told, list) or len(told) != volume.frames:
        return []
    return told if all(isinstance(facts, Mapping) for facts in told) else []


def _scored(fact: Any) -> tuple[str, Mapping[str, Any]]:
    """Return criterion and scores that a volume tells of, as far as they are sound."""
    known = fact if isinstance(fact, Mapping) else {}
    scores = known.get("scores")
    return str(known.get("criterion", "importance")), scores if isinstance(scores, Mapping) else {}


def _score(score: Any) -> float | None:
    known = isinstance(score, int | float) and not isinstance(score, bool) and math.isfinite(score)
    return float(score) if known else None


def _range(volume: Described) -> str:
    span = volume.range
    return f"{number(span[0])} to {number(span[1])}" if span else "no finite value"


def _place(volume: Described) -> Lines:
    return [
        ("size", " x ".join(map(str, volume.size))),
        ("spacing", ", ".join(f"{step:g}" for step in volume.spacing)),
        ("origin (LPS)", ", ".join(f"{place:g}" for place in volume.origin)),
    ]


def _flat(path: tuple[str, ...], fact: Any, section: str = "") -> Iterator[tuple[str, str]]:
    """Yield a fact's parts as texts, each with its path; what the section is called is left out of it."""
    if path in _SHOWN_ELSEWHERE or fact is None:
        return
    words = path[1:] if len(path) > 1 and path[0] in (section.lower(), "geometry", "software") else path
    # the method of a method is called so once
    named = [word for word, before in zip(words, ("", *words), strict=False) if word != before]
    name = printable(" ".join(named)).replace("_", " ").replace("sha256", "SHA-256")
    if isinstance(fact, Mapping):
        for key, part in fact.items():
            yield from _flat((*path, str(key)), part, section)
    elif isinstance(fact, bool):
        yield name, "yes" if fact else "no"
    elif isinstance(fact, list) and len(fact) > _LONGEST:
        yield name, f"a list of {len(fact)}"
    elif isinstance(fact, list):
        yield name, ", ".join(map(str, fact))
    else:
        yield name, str(fact)
