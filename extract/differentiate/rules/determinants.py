"""Determinants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..registry import rule
from ..step import Gradient, Step


@rule("Det")
def determinant(step: Step) -> Sequence[Gradient]:
    """By x: g times the matrix of cofactors (Jacobi's formula), which singular matrices have too."""
    (g,), x = step.gradients, step.inputs[0]
    assert g is not None
    shape = step.shape(x)
    if shape is None or shape[-1] is None:
        raise step.unsupported(f"the size of the matrices {x!r} must be known")
    g = step.add("Unsqueeze", g, step.integers([-2, -1]))
    return [step.add("Mul", g, _cofactors(step, x, shape[-1])) if shape[-1] > 1 else g]


def _cofactors(step: Step, x: str, size: int) -> str:
    """Return the determinants of what is left without each row and column, with alternating signs."""
    lead = step.rank(x) - 2
    others = step.integers([[j for j in range(size) if j != i] for i in range(size)])
    rows = step.add("Gather", x, others, axis=lead)
    minors = step.add("Gather", rows, others, axis=lead + 2)
    order = [*range(lead), lead, lead + 2, lead + 1, lead + 3]
    signs = (-1.0) ** np.add.outer(np.arange(size), np.arange(size))
    return step.add(
        "Mul", step.add("Det", step.add("Transpose", minors, perm=order)), step.constant(signs, x)
    )
