"""What all methods give, and what they have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..gradients import Differentiator
from ..model import Model
from ..parts import Input
from ..targets import Wanted, targets_of

if TYPE_CHECKING:
    from ..activations import Feed
    from ..differentiate.step import Rule

CPU = ("CPUExecutionProvider",)


@dataclass(frozen=True, eq=False)
class Attribution:
    """What a method makes of one batch.

    Parameters
    ----------
    values : dict of str to ndarray of float32
        One entry a name that was asked for, with the axis of images in front.
    facts : mapping
        The method, its paper and its settings, as JSON holds them; the same for all batches.
    report : mapping
        What the method says of these very images, as JSON holds it: lists of one entry an image.
    """

    values: dict[str, NDArray[np.float32]]
    facts: Mapping[str, Any]
    report: Mapping[str, Any] = field(default_factory=dict)


class Method(Protocol):
    """A method prepared for a network and a target, for one batch after the other."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """As `Attribution` has them."""

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs of the model that the method needs."""

    def run(self, x: Feed) -> Attribution:
        """Return what the method makes of one batch."""


class OnePass:
    """A method that is one pass back through the network, by the operators' own rules or others.

    Parameters
    ----------
    facts : mapping
        As `Attribution` has them.
    model, target, wrt, reduce, providers
        As `extract.gradients` takes them.
    rules : mapping of str to callable, optional
        Rules instead of the operators' own ones.
    """

    def __init__(
        self,
        facts: Mapping[str, Any],
        model: Model,
        target: Wanted,
        wrt: Sequence[str],
        *,
        reduce: str | None = None,
        providers: Sequence[str] = CPU,
        rules: Mapping[str, Rule] | None = None,
    ) -> None:
        self.facts = facts
        self._differentiator = Differentiator(
            model, targets_of(model, target), listed(wrt), reduce=reduce, providers=providers, rules=rules
        )

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs of the model that the gradients need."""
        return self._differentiator.inputs

    @property
    def graph(self) -> Model:
        """The graph that goes back, as a model; see `Differentiator.graph`."""
        return self._differentiator.graph

    def run(self, x: Feed) -> Attribution:
        """Return the gradients for one batch."""
        return Attribution(self._differentiator.run(x), self.facts)


def listed(names: str | Sequence[str]) -> list[str]:
    """Return names as a list, also where one is given by itself."""
    return [names] if isinstance(names, str) else list(names)


def at_least(least: float, **settings: float) -> None:
    """Raise a ModelError for the first setting that is smaller than it may be, or no number."""
    for name, value in settings.items():
        if not value >= least:
            raise ModelError(f"{name.replace('_', ' ')} must be {least} or more, not {value}")
