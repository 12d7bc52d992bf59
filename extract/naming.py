"""Names that nothing else has."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Names:
    """The names of a graph that are taken.

    Parameters
    ----------
    taken : iterable of str
        Those that are taken from the start.
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)

    def fresh(self, wanted: str) -> str:
        """Take a name that is free, as near to the wanted one as can be, and return it."""
        while wanted in self._taken:
            wanted += "'"
        self._taken.add(wanted)
        return wanted


class Described(NamedTuple):
    """What a layer may be called by: its own name, its first output, its type."""

    name: str
    output: str
    type: str


def unique_names(layers: Sequence[Described]) -> list[str]:
    """Return a name for each layer that no other has.

    That is its own name if it has one to itself, else its first output's; where a layer has that for a name,
    ``OUTPUT:TYPE``, and a number behind it if need be.
    """
    uses = Counter(layer.name for layer in layers)
    own = [layer.name if layer.name and uses[layer.name] == 1 else None for layer in layers]
    taken = {name for name in own if name}
    names = []
    for name, layer in zip(own, layers, strict=True):
        if name is None:
            longer = f"{layer.output}:{layer.type}"
            numbered = (f"{longer}:{number}" for number in itertools.count(2))
            wanted = itertools.chain((layer.output, longer), numbered)
            name = next(free for free in wanted if free and free not in taken)
            taken.add(name)
        names.append(name)
    return names
