"""Small Caffe networks that between them use each layer type with several settings, for tests and goldens.

Each module holds a dict `CASES` of a kind of layer; `all_cases` gives them all, as ``MODULE-NAME``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """A network without weights.

    Parameters
    ----------
    layers : str
        Its layers, as text of a prototxt; the inputs are put before them.
    inputs : mapping of str to tuple of int
        Shapes of its inputs.
    values : mapping of str to ndarray
        Values of those inputs that a seeded normal distribution does not suit, such as indices.
    parameters : mapping of (str, int) to ndarray
        Values of those parameters that a seeded normal distribution does not suit, by layer and place.
    skip : tuple of str
        Blobs that are not compared: those where Caffe's memory sharing shows; the case says why.
    """

    layers: str
    inputs: Mapping[str, Shape] = field(default_factory=lambda: {"data": (2, 3, 7, 9)})
    values: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    parameters: Mapping[tuple[str, int], NDArray[np.float32]] = field(default_factory=dict)
    skip: tuple[str, ...] = ()

    @property
    def prototxt(self) -> str:
        """The whole network."""
        inputs = "".join(
            f'input: "{name}"\ninput_shape {{ {" ".join(f"dim: {size}" for size in shape)} }}\n'
            for name, shape in self.inputs.items()
        )
        return f'name: "case"\n{inputs}{self.layers}'


def layer(kind: str, text: str = "", bottom: str = "data", top: str = "top", name: str = "layer") -> str:
    """Return a layer's text; several bottoms or tops are separated by blanks."""
    ends = [f'bottom: "{blob}"' for blob in bottom.split()] + [f'top: "{blob}"' for blob in top.split()]
    return f'layer {{ name: "{name}" type: "{kind}" {" ".join(ends)} {text} }}\n'


def all_cases() -> dict[str, Case]:
    """Return all cases by name."""
    found = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        cases = importlib.import_module(f"{__name__}.{module}").CASES
        found.update({f"{module}-{name}": case for name, case in cases.items()})
    return found
