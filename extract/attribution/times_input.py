"""The gradient times the values that it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..activations import Extractor, feeds_of
from ..gradients import Differentiator
from ..model import Model
from ..parts import Input
from ..targets import Wanted, targets_of
from .attribution import CPU, Attribution, listed

if TYPE_CHECKING:
    from ..activations import Feed


def times_input(
    model: Model, x: Feed, target: Wanted, wrt: Sequence[str], *, reduce: str | None = None
) -> Attribution:
    """Compute value times gradient: what each value contributes, to first order.

    Parameters
    ----------
    model, x, target, wrt, reduce
        As `extract.gradients` takes them. Activations and weights are multiplied by their gradients just as
        inputs are.

    Raises
    ------
    CnnVisError
        As `extract.gradients` does.

    References
    ----------
    A. Shrikumar, P. Greenside, A. Shcherbina, A. Kundaje, *Not Just a Black Box: Learning Important Features
    Through Propagating Activation Differences*, 2016, arXiv:1605.01713, section 3.2.
    """
    return TimesInput(model, target, wrt, reduce=reduce).run(x)


class TimesInput:
    """Gradient times input, prepared for one batch after the other; see `times_input`."""

    facts = {"method": "times-input", "reference": "Shrikumar et al. 2016, arXiv:1605.01713"}  # noqa: RUF012

    def __init__(
        self,
        model: Model,
        target: Wanted,
        wrt: Sequence[str],
        *,
        reduce: str | None = None,
        providers: Sequence[str] = CPU,
    ) -> None:
        names = listed(wrt)
        self._model = model
        self._differentiator = Differentiator(
            model, targets_of(model, target), names, reduce=reduce, providers=providers
        )
        fixed = [name for name in names if model.tensor(name) in model.constants]
        self._fixed = {name: model.value(name) for name in fixed}
        self._extractor = Extractor(model, [name for name in names if name not in fixed], providers)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs of the model that gradients and values need."""
        needed = {i.name for i in (*self._differentiator.inputs, *self._extractor.inputs)}
        return tuple(i for i in self._model.inputs if i.name in needed)

    def run(self, x: Feed) -> Attribution:
        """Return the products for one batch."""
        feeds = feeds_of(self._model, self.inputs, x)
        gradients = self._differentiator.run(feeds)
        values = {**self._extractor.run(feeds), **self._fixed}
        products = {
            name: np.asarray(values[name] * gradient, np.float32) for name, gradient in gradients.items()
        }
        return Attribution(products, self.facts)
