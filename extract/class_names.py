"""Which class of a network a label means."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence


def class_index(label: str, names: Sequence[str], given: Mapping[str, int]) -> int | None:
    """Return which of a network's classes a label means; None if that cannot be told.

    Parameters
    ----------
    label : str
        The label.
    names : sequence of str
        The names of the classes, one an output unit: a line such as ``n02123394 Persian cat, Persian`` is
        known by the whole of it, its first word, and each name between commas, in upper or lower case, with
        blanks or underscores.
    given : mapping of str to int
        What the user says; it comes first. A whole number that is no name means itself.
    """
    if label in given:
        return given[label]
    wanted = _plain(label)
    for known in _known(tuple(names)):
        found = known.get(wanted, [])
        if found:
            return found[0] if len(found) == 1 else None
    return int(label) if re.fullmatch(r"[0-9]{1,9}", label) else None


@functools.lru_cache(maxsize=1)
def _known(names: tuple[str, ...]) -> list[dict[str, list[int]]]:
    """Return which classes may be called what, in the order in which that counts."""
    ways = []
    for called in (_whole, _first_word, _alternatives):
        way: dict[str, list[int]] = {}
        for index, name in enumerate(names):
            for word in dict.fromkeys(called(name)):
                way.setdefault(word, []).append(index)
        ways.append(way)
    return ways


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())


def _whole(name: str) -> list[str]:
    return [_plain(name)]


def _first_word(name: str) -> list[str]:
    return [_plain(word) for word in name.split(maxsplit=1)[:1]]


def _alternatives(name: str) -> list[str]:
    """Return the names between commas, with and without the first word of the line."""
    _, _, rest = name.partition(" ")
    return [_plain(part) for text in (name, rest) for part in text.split(",")]
