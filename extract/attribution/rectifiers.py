"""Rules that rectify what comes back through rectifiers."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

from converters.errors import CnnVisWarning

from ..differentiate.registry import entries
from ..differentiate.step import Gradient, Rule, Step
from ..model import Model

# ReLU, and ReLU6 and its like: clipping from 0 on.
_RECTIFIERS = ("Relu", "Clip")

Rewritten = Callable[[Step, Rule], Sequence[Gradient]]


class Rectified:
    """Rules for rectifiers, and which layers they were asked for.

    Parameters
    ----------
    rewritten : callable
        Returns what a rectifier makes of the gradient, of the step whose gradients are rectified (below 0
        they are 0) and of the operator's own rule.
    """

    def __init__(self, rewritten: Rewritten) -> None:
        self.layers: dict[str, None] = {}
        self.rules: dict[str, Rule] = {
            operator: functools.partial(self._rule, rewritten, entries()[operator].rule)
            for operator in _RECTIFIERS
        }

    def _rule(self, rewritten: Rewritten, own: Rule, step: Step) -> Sequence[Gradient]:
        if not _rectifies(step):
            return own(step)
        self.layers[step.node.name or step.outputs[0]] = None
        gradients = tuple(g if g is None else step.add("Relu", g) for g in step.gradients)
        return rewritten(replace(step, gradients=gradients), own)

    def warn_if_unused(self, model: Model, method: str) -> None:
        """Warn where a network has no rectifier on the way, so that the method is the plain gradient."""
        if not self.layers:
            warnings.warn(
                f"{model.path}: no ReLU on the way to the target: {method} is the plain gradient here",
                CnnVisWarning,
                stacklevel=4,
            )


def _rectifies(step: Step) -> bool:
    """Return whether a node is a ReLU, or clips from 0 on."""
    if step.node.op_type == "Relu":
        return True
    low = step.value(step.inputs[1]) if step.has(1) else None
    return low is not None and low.size == 1 and float(low.item()) == 0.0
