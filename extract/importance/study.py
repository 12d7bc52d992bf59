"""What is to be found out of a network, and over which pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from numpy.typing import NDArray

from ..errors import ImageError, ModelError
from ..filters import Filters
from ..labelled import LabelledSet
from ..model import Model
from ..preprocessing import Preprocessing
from .criteria import CRITERIA
from .graph import Neuron

ALL = "all"
"""What all pictures together are called, where others are called by their class."""


@dataclass(frozen=True, eq=False)
class Study:
    """What is to be found out.

    Parameters
    ----------
    model : Model
        The network, run by onnxruntime.
    pictures : LabelledSet
        The pictures.
    neurons : mapping of str to int
        For each label the class of the network; pictures of other labels are left out.
    filters : sequence of Filters
        Whose scores are wanted.
    criteria : sequence of str
        Names in `CRITERIA`.
    preprocessing : Preprocessing
        How pictures become inputs.
    target : sequence of Target or str, optional
        The neuron, for all pictures; or the tensor of scores in which each picture has that of its class; by
        default the network's own, before softmax.
    fixed : mapping of str to ndarray
        Values of further inputs, the same for all batches.
    batch : int
        How many pictures run together. It changes results by rounding errors at most.
    replicates : int
        Of the bootstrap; 0 for no intervals.
    seed : int
        For the bootstrap, and for the criterion ``random``.
    """

    model: Model
    pictures: LabelledSet
    neurons: Mapping[str, int]
    filters: Sequence[Filters]
    criteria: Sequence[str]
    preprocessing: Preprocessing
    target: Neuron = None
    fixed: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    batch: int = 16
    replicates: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        for name in self.criteria:
            if name not in CRITERIA:
                raise ModelError(f"unknown criterion {name!r}: choose of {', '.join(CRITERIA)}")
        if not self.filters or not self.criteria:
            raise ModelError(f"{self.model.path}: importance needs a layer and a criterion")
        if self.model.source.runner is not None:
            raise ModelError(f"{self.model.path}: importance needs the onnxruntime engine")
        if ALL in self.neurons:
            raise ImageError(
                f"{self.pictures.path}: a class cannot be called {ALL!r}: all pictures together are called so"
            )

    @property
    def settings(self) -> dict[str, Any] | None:
        """How pictures become inputs, as JSON holds it; None for a set of inputs as they are."""
        return self.preprocessing.facts if self.pictures.pictures else None

    @property
    def by_class(self) -> bool:
        """Whether each picture has the neuron of its class."""
        return self.target is None or isinstance(self.target, str)

    @cached_property
    def order(self) -> list[int]:
        """The numbers of the pictures, class by class, so that one class at a time is open."""
        own = self.pictures.classes
        return [number for label in own if label in self.neurons for number in own[label]]
