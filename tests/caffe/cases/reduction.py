"""Reduction and ArgMax."""

from __future__ import annotations

import numpy as np

from . import Case, layer


def _reduction(text: str) -> str:
    return layer("Reduction", f"reduction_param {{ {text} }}")


def _argmax(text: str) -> str:
    return layer("ArgMax", f"argmax_param {{ {text} }}")


def _ties(*shape: int) -> dict[str, np.ndarray]:
    """Return values of which many are equal."""
    return {"data": np.random.default_rng(1).integers(0, 3, shape).astype(np.float32)}


CASES = {
    "sum": Case(layer("Reduction")),
    "sum-axis": Case(_reduction("axis: 1")),
    "sum-last-axis": Case(_reduction("axis: -1 coeff: -2.5")),
    "asum": Case(_reduction("operation: ASUM axis: 2")),
    "asum-coeff": Case(_reduction("operation: ASUM axis: 1 coeff: 0.125"), {"data": (3, 5)}),
    "sumsq": Case(_reduction("operation: SUMSQ axis: 1")),
    "sumsq-all": Case(_reduction("operation: SUMSQ coeff: 0.5")),
    "mean": Case(_reduction("operation: MEAN axis: 1")),
    "mean-all": Case(_reduction("operation: MEAN")),
    "mean-coeff": Case(_reduction("operation: MEAN axis: -2 coeff: 3"), {"data": (2, 3, 5, 4, 2)}),
    "mean-vector": Case(_reduction("operation: MEAN"), {"data": (7,)}),
    "argmax": Case(layer("ArgMax")),
    "argmax-top": Case(_argmax("top_k: 5")),
    "argmax-values": Case(_argmax("out_max_val: true")),
    "argmax-values-top": Case(_argmax("out_max_val: true top_k: 4")),
    "argmax-vectors": Case(_argmax("out_max_val: true top_k: 3"), {"data": (2, 11)}),
    "argmax-three-axes": Case(_argmax("top_k: 2"), {"data": (2, 3, 4)}),
    "argmax-five-axes": Case(_argmax("top_k: 2 out_max_val: true"), {"data": (2, 3, 2, 1, 4)}),
    "argmax-numbers": Case(layer("ArgMax"), {"data": (3,)}),
    "argmax-axis": Case(_argmax("axis: 1")),
    "argmax-axis-top": Case(_argmax("axis: 2 top_k: 3")),
    "argmax-axis-values": Case(_argmax("axis: -1 out_max_val: true")),
    "argmax-axis-values-top": Case(_argmax("axis: 1 top_k: 2 out_max_val: true")),
    "argmax-axis-0": Case(_argmax("axis: 0 top_k: 2"), {"data": (4, 3, 2)}),
    "argmax-axis-vectors": Case(_argmax("axis: 1 top_k: 2"), {"data": (2, 6)}),
    "argmax-ties": Case(layer("ArgMax"), {"data": (2, 3, 2, 4)}, _ties(2, 3, 2, 4)),
    "argmax-ties-top": Case(_argmax("top_k: 20"), {"data": (2, 3, 2, 4)}, _ties(2, 3, 2, 4)),
    "argmax-ties-values": Case(_argmax("top_k: 7 out_max_val: true"), {"data": (3, 9)}, _ties(3, 9)),
    "argmax-ties-axis": Case(_argmax("axis: 1"), {"data": (2, 7, 3)}, _ties(2, 7, 3)),
    "argmax-ties-axis-top": Case(_argmax("axis: -2 top_k: 6"), {"data": (2, 7, 3)}, _ties(2, 7, 3)),
}

# Networks that Caffe refuses.
REFUSED = {
    "reduction-axis": Case(_reduction("axis: 4")),
    "argmax-axis": Case(_argmax("axis: 4")),
    "argmax-top-0": Case(_argmax("top_k: 0")),
    "argmax-top": Case(_argmax("top_k: 190")),
    "argmax-axis-top": Case(_argmax("axis: 1 top_k: 4")),
}
