"""Gradients by onnxruntime against central differences of functions in numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnxruntime

from extract.differentiate import backward

from .check import node_model

STEP = 1e-6


def check_against(
    function: Callable[..., np.ndarray],
    operator: str,
    inputs: Mapping[str, Any],
    weights: Mapping[str, Any] | tuple = (),
    wrt: tuple[str, ...] = ("x",),
    bound: float = 1e-5,
    **options: Any,
) -> None:
    """Check onnxruntime's output against a function of float64 arrays, and its gradients against differences.

    Where the reference evaluator cannot do it, or does it wrongly.
    """
    proto, feeds = node_model(operator, inputs, weights, **options)
    name = proto.graph.output[0].name
    given = {
        key.lstrip("!"): value for key, value in {**inputs, **dict(weights)}.items() if value is not None
    }
    wide = {key: np.array(value, float) if value.dtype.kind == "f" else value for key, value in given.items()}
    expected = function(**wide)
    rng = np.random.default_rng(3)
    seed = rng.uniform(-1, 1, expected.shape).astype(np.float32)
    model = backward(proto, name, list(wrt))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = dict(
        zip(
            [value.name for value in session.get_outputs()],
            session.run(None, {**feeds, f"seed:{name}": seed}),
            strict=True,
        )
    )
    _close(found[name], expected, bound)
    for tensor in wrt:
        _close(found[f"grad:{tensor}"], _differences(function, wide, tensor, seed), bound)


def _differences(
    function: Callable[..., np.ndarray], given: dict[str, np.ndarray], name: str, seed: np.ndarray
) -> np.ndarray:
    result = np.zeros(given[name].shape)
    for index in np.ndindex(result.shape):
        ahead, behind = given[name].copy(), given[name].copy()
        ahead[index] += STEP
        behind[index] -= STEP
        change = function(**{**given, name: ahead}) - function(**{**given, name: behind})
        result[index] = (seed * change).sum() / (2 * STEP)
    return result


def _close(found: np.ndarray, expected: np.ndarray, bound: float) -> None:
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound * np.abs(expected).max())
