"""What the page says of a volume: its title, where it came from, and how important its slices are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from converters.volume import Volume

from ..drawing import number, printable

Lines = list[tuple[str, str]]

_QUANTITIES = {"act": "activations", "grad": "gradient", "weight": "weights", "input": "what the network saw"}
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
    ("series", "frames"),
)


def title(volume: Volume, name: str) -> str:
    """Return what the volume is called: its layer, else its file's name."""
    layer = volume.facts.get("layer")
    if volume.facts.get("quantity") == "input":
        return "input"
    return printable(layer if isinstance(layer, str) and layer else PurePath(name).name)


def kind(volume: Volume) -> str:
    """Return what the values are, in a few words: ``gradient of fc:282``."""
    quantity, target = volume.facts.get("quantity"), volume.facts.get("target")
    what = _QUANTITIES.get(quantity, quantity) if isinstance(quantity, str) else volume.name
    return printable(f"{what} of {target}" if quantity == "grad" and isinstance(target, str) else what)


def source(volume: Volume) -> str:
    """Return model and image, as far as they are known."""
    files = [
        fact.get("file") for key in ("model", "image") if isinstance(fact := volume.facts.get(key), Mapping)
    ]
    return printable(" · ".join(PurePath(file).name for file in files if isinstance(file, str)))


def slices(volume: Volume) -> tuple[str, tuple[str, ...]]:
    """Return what a slice is, a channel or just a slice, and the slices' labels."""
    if volume.frames is None:
        return _word(volume.facts), volume.labels
    series = volume.facts.get("series")
    count = volume.data.shape[1]
    labels = series.get("slices") if isinstance(series, Mapping) else None
    if isinstance(series, Mapping) and isinstance(labels, list) and len(labels) == count:
        return _word(series), tuple(map(str, labels))
    return "slice", tuple(map(str, range(count)))


def frames(volume: Volume) -> tuple[str, tuple[str, ...]]:
    """Return what a frame is, and the frames' labels; of a 3-D volume none."""
    if volume.frames is None:
        return "frame", ()
    return ("channel" if _word(volume.facts) == "channel" else "frame"), volume.labels


def order(volume: Volume) -> str | None:
    """Return the name of the order of the slices, None for that of the channels."""
    facts = volume.facts
    series = facts.get("series")
    held = series if volume.frames is not None and isinstance(series, Mapping) else facts
    found = held.get("order")
    method = found.get("method") if isinstance(found, Mapping) else None
    return printable(method) if isinstance(method, str) else None


def importance(volume: Volume, labels: Sequence[str]) -> dict[str, Any] | None:
    """Return the criterion and, for each frame or for all alike, the score of each slice; None if unknown."""
    every = _frame_facts(volume) or [volume.facts]
    told = [
        fact for facts in every if isinstance(fact := {**volume.facts, **facts}.get("importance"), Mapping)
    ]
    if len(told) != len(every) or not all(isinstance(fact.get("scores"), Mapping) for fact in told):
        return None
    scores = [[_score(fact["scores"].get(label)) for label in labels] for fact in told]
    if all(score is None for row in scores for score in row):
        return None
    return {"criterion": printable(str(told[0].get("criterion", "importance"))), "scores": scores}


def provenance(volume: Volume) -> list[tuple[str, Lines]]:
    """Return all that is known of a volume, as sections of names and texts."""
    known = dict(volume.facts)
    told = []
    for section, keys in _SECTIONS.items():
        lines = [line for key in keys if key in known for line in _flat((key,), known.pop(key), section)]
        if section == "Values":
            lines = [*_values(volume), *lines]
        if section == "Place":
            lines = [*_place(volume), *lines]
        told.append((section, lines))
    for place, facts in enumerate(_frame_facts(volume)):
        told.append(
            (f"Frame {place + 1}", [line for key, fact in facts.items() for line in _flat((key,), fact)])
        )
    told.append(("Further", [line for key, fact in known.items() for line in _flat((key,), fact)]))
    return [(section, lines) for section, lines in told if lines]


def _word(facts: Mapping[str, Any]) -> str:
    layout = facts.get("layout")
    stacked = isinstance(layout, Mapping) and layout.get("kind") == "stack"
    return "channel" if stacked else "slice"


def _frame_facts(volume: Volume) -> list[Mapping[str, Any]]:
    series = volume.facts.get("series")
    told = series.get("frames") if isinstance(series, Mapping) else None
    sound = (
        isinstance(told, list) and len(told) == volume.frames and all(isinstance(f, Mapping) for f in told)
    )
    return list(told) if sound and told else []


def _score(score: Any) -> float | None:
    known = isinstance(score, int | float) and not isinstance(score, bool) and math.isfinite(score)
    return float(score) if known else None


def _values(volume: Volume) -> Lines:
    span = volume.range
    missing = int(volume.data.size - np.isfinite(volume.data).sum())
    lines = [
        ("name", volume.name),
        ("range", f"{number(span[0])} to {number(span[1])}" if span else "no finite value"),
    ]
    if missing:
        lines.append(("NaN or infinite", str(missing)))
    if volume.encoding is not None:
        lines.append(("stored as", volume.encoding.dtype))
    return lines


def _place(volume: Volume) -> Lines:
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
    name = printable(" ".join(words)).replace("_", " ").replace("sha256", "SHA-256")
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
