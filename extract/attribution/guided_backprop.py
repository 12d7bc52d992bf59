"""Guided backpropagation: only what is positive both ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..differentiate.step import Gradient, Rule, Step
from ..model import Model
from ..targets import Wanted
from .attribution import CPU, Attribution, OnePass
from .rectifiers import Rectified

if TYPE_CHECKING:
    from ..activations import Feed


def guided_backprop(
    model: Model, x: Feed, target: Wanted, wrt: Sequence[str], *, reduce: str | None = None
) -> Attribution:
    """Compute gradients of which each ReLU on the way lets only the positive part back, where it was open.

    ReLU6 and other clipping from 0 on counts as ReLU; other activations keep their gradients.

    Parameters
    ----------
    model, x, target, wrt, reduce
        As `extract.gradients` takes them.

    Raises
    ------
    CnnVisError
        As `extract.gradients` does.

    Warns
    -----
    CnnVisWarning
        If there is no ReLU on the way, so that the result is the plain gradient.

    References
    ----------
    J. T. Springenberg, A. Dosovitskiy, T. Brox, M. Riedmiller, *Striving for Simplicity: The All
    Convolutional Net*, ICLR workshop 2015, arXiv:1412.6806, section 3.4.
    """
    return GuidedBackprop(model, target, wrt, reduce=reduce).run(x)


class GuidedBackprop(OnePass):
    """Guided backpropagation, prepared for one batch after the other; see `guided_backprop`."""

    def __init__(
        self,
        model: Model,
        target: Wanted,
        wrt: Sequence[str],
        *,
        reduce: str | None = None,
        providers: Sequence[str] = CPU,
    ) -> None:
        rectified = Rectified(_guided)
        facts = {"method": "guided-backprop", "reference": "Springenberg et al. 2015, arXiv:1412.6806"}
        super().__init__(facts, model, target, wrt, reduce=reduce, providers=providers, rules=rectified.rules)
        rectified.warn_if_unused(model, "guided backpropagation")


def _guided(step: Step, own: Rule) -> Sequence[Gradient]:
    """By x: what the rectifier's own rule makes of max(g, 0)."""
    return own(step)
