"""Deconvolutional networks: the way back that rectifies what comes back, not what went forth."""

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


def deconvnet(
    model: Model, x: Feed, target: Wanted, wrt: Sequence[str], *, reduce: str | None = None
) -> Attribution:
    """Project a target back as a deconvolutional network does.

    The way back through each ReLU is a ReLU: what is positive passes, wherever the ReLU itself was open.
    Through max pooling it goes to where the maximum was, through convolutions by the transposed filters, as
    gradients do. ReLU6 and other clipping from 0 on counts as ReLU; other activations keep their gradients.

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
    M. D. Zeiler, R. Fergus, *Visualizing and Understanding Convolutional Networks*, ECCV 2014,
    arXiv:1311.2901, section 2.1; as a gradient: K. Simonyan et al., arXiv:1312.6034, section 4.
    """
    return Deconvnet(model, target, wrt, reduce=reduce).run(x)


class Deconvnet(OnePass):
    """A deconvolutional network, prepared for one batch after the other; see `deconvnet`."""

    def __init__(
        self,
        model: Model,
        target: Wanted,
        wrt: Sequence[str],
        *,
        reduce: str | None = None,
        providers: Sequence[str] = CPU,
    ) -> None:
        rectified = Rectified(_passed)
        facts = {"method": "deconvnet", "reference": "Zeiler, Fergus 2014, arXiv:1311.2901"}
        super().__init__(facts, model, target, wrt, reduce=reduce, providers=providers, rules=rectified.rules)
        rectified.warn_if_unused(model, "deconvnet")


def _passed(step: Step, own: Rule) -> Sequence[Gradient]:
    """By x: max(g, 0)."""
    return [step.gradients[0], *(None for _ in step.inputs[1:])]
