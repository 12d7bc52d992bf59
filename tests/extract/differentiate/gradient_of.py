"""Gradients of one node as arrays: for tests of values that are known, at kinks above all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extract.differentiate import backward
from extract.differentiate.double import evaluator, to_double

from .check import node_model


def gradient_of(
    operator: str,
    inputs: Mapping[str, Any],
    weights: Mapping[str, Any] | Collection[str] = (),
    *,
    wrt: str,
    seed: Any = 1.0,
    **settings: Any,
) -> NDArray[Any]:
    """Return the gradient of a node's first output, in float64, for a cotangent `seed`, that is repeated."""
    proto, feeds = node_model(operator, inputs, weights, **settings)
    output = proto.graph.node[0].output[0]
    model = evaluator(to_double(backward(proto, output, [wrt])))
    feeds = {name: a.astype(np.float64) if a.dtype.kind == "f" else a for name, a in feeds.items()}
    value = evaluator(to_double(proto)).run([output], feeds)[0]
    cotangent = np.broadcast_to(np.asarray(seed, np.float64), np.shape(value)).copy()
    (found,) = model.run([f"grad:{wrt}"], {**feeds, f"seed:{output}": cotangent})
    return np.asarray(found)
