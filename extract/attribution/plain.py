"""The gradient itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..model import Model
from ..targets import Wanted
from .attribution import CPU, Attribution, OnePass

if TYPE_CHECKING:
    from ..activations import Feed

FACTS = {"method": "plain", "reference": "Simonyan, Vedaldi, Zisserman 2014, arXiv:1312.6034"}


def plain(
    model: Model, x: Feed, target: Wanted, wrt: Sequence[str], *, reduce: str | None = None
) -> Attribution:
    """Compute the gradients of a target: how much it changes with each value.

    Parameters
    ----------
    model, x, target, wrt, reduce
        As `extract.gradients` takes them.

    Raises
    ------
    CnnVisError
        As `extract.gradients` does.

    References
    ----------
    K. Simonyan, A. Vedaldi, A. Zisserman, *Deep Inside Convolutional Networks: Visualising Image
    Classification Models and Saliency Maps*, ICLR workshop 2014, arXiv:1312.6034, section 3.
    """
    return Plain(model, target, wrt, reduce=reduce).run(x)


class Plain(OnePass):
    """The gradient itself, prepared for one batch after the other; see `plain`."""

    def __init__(
        self,
        model: Model,
        target: Wanted,
        wrt: Sequence[str],
        *,
        reduce: str | None = None,
        providers: Sequence[str] = CPU,
    ) -> None:
        super().__init__(FACTS, model, target, wrt, reduce=reduce, providers=providers)
