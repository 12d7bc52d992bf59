"""Gradients of recurrent operators, written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from extract.differentiate import NoGradientError, backward
from extract.differentiate.rules.recurrent import unrolled

from .check import check, node_model
from .numbers import values

pytestmark = pytest.mark.slow

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
LENGTH, N, SIZE, H = 3, 3, 4, 2
ONES = ["RNN", "GRU", "LSTM"]


def weights(operator: str, directions: int, peepholes: bool = False) -> dict[str, np.ndarray | None]:
    size = GATES[operator] * H
    return {
        "w": values(directions, size, SIZE) / 2,
        "r": values(directions, size, H) / 2,
        "b": values(directions, 2 * size) / 2,
        **({"!l": None, "!h": None, "!c": None, "p": values(directions, 3 * H)} if peepholes else {}),
    }


def check_unrolled(operator: str, inputs: dict[str, Any], stored: dict[str, Any], **options: Any) -> None:
    """Check that the steps give what onnxruntime's own operator gives, and their gradients."""
    count = 3 if operator == "LSTM" else 2
    proto, feeds = node_model(operator, inputs, stored, outputs=count, open_axes=(1,), **options)
    steps = unrolled(proto)
    assert not any(node.op_type == operator for node in steps.graph.node)
    sessions = [
        onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        for model in (proto, steps)
    ]
    for own, ours in zip(*(session.run(None, feeds) for session in sessions), strict=True):
        np.testing.assert_allclose(ours, own, rtol=0, atol=1e-5 * np.abs(own).max())
    floats = [name for name, value in {**inputs, **stored}.items() if value is not None and name[0] != "!"]
    check(steps, feeds, floats, directions=1, entries=2)


@pytest.mark.parametrize("operator", ONES)
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_directions(operator: str, direction: str) -> None:
    count = 2 if direction == "bidirectional" else 1
    stored = weights(operator, count)
    options = {"hidden_size": H, "direction": direction}
    check_unrolled(operator, {"x": values(LENGTH, N, SIZE)}, stored, **options)


@pytest.mark.parametrize("operator", ONES)
@pytest.mark.parametrize("direction", ["reverse", "bidirectional"])
def test_first_states_and_lengths(operator: str, direction: str) -> None:
    count = 2 if direction == "bidirectional" else 1
    states = {"h": values(count, N, H), **({"c": values(count, N, H, seed=1)} if operator == "LSTM" else {})}
    stored = {**weights(operator, count), "!l": np.array([2, 3, 1], np.int32), **states}
    options = {"hidden_size": H, "direction": direction}
    check_unrolled(operator, {"x": values(LENGTH, N, SIZE)}, stored, **options)


def test_reset_after_the_product() -> None:
    check_unrolled(
        "GRU", {"x": values(LENGTH, N, SIZE)}, weights("GRU", 1), hidden_size=H, linear_before_reset=1
    )


@pytest.mark.parametrize("coupled", [0, 1])
def test_peepholes(coupled: int) -> None:
    stored = weights("LSTM", 1, peepholes=True)
    check_unrolled("LSTM", {"x": values(LENGTH, N, SIZE)}, stored, hidden_size=H, input_forget=coupled)


@pytest.mark.parametrize("operator", ONES)
def test_without_biases(operator: str) -> None:
    stored = {name: value for name, value in weights(operator, 1).items() if name != "b"}
    check_unrolled(operator, {"x": values(LENGTH, N, SIZE)}, stored, hidden_size=H)


@pytest.mark.parametrize("operator", ONES)
def test_clip(operator: str) -> None:
    check_unrolled(operator, {"x": values(LENGTH, N, SIZE)}, weights(operator, 1), hidden_size=H, clip=0.6)


@pytest.mark.parametrize(
    ("name", "alpha", "beta"),
    [
        ("Relu", [], []),
        ("Affine", [0.7, 0.8], [0.1, 0.2]),
        ("LeakyRelu", [0.3, 0.2], []),
        ("ThresholdedRelu", [0.2, 0.1], []),
        ("ScaledTanh", [0.7, 0.8], [1.1, 1.2]),
        ("HardSigmoid", [0.3, 0.1], [0.4, 0.6]),
        ("Elu", [0.7, 0.8], []),
        ("Softsign", [], []),
        ("Softplus", [], []),
    ],
)
def test_activations(name: str, alpha: list[float], beta: list[float]) -> None:
    options: dict[str, Any] = {"activations": [name, name], "direction": "bidirectional", "hidden_size": H}
    options |= {
        key: given for key, given in (("activation_alpha", alpha), ("activation_beta", beta)) if given
    }
    check_unrolled("RNN", {"x": values(LENGTH, N, SIZE)}, weights("RNN", 2), **options)


def test_length_that_is_not_known() -> None:
    proto, _ = node_model(
        "RNN", {"x": values(LENGTH, N, SIZE)}, weights("RNN", 1), hidden_size=H, open_axes=(0,)
    )
    assert [node.op_type for node in unrolled(proto).graph.node] == ["RNN"]
    with pytest.raises(NoGradientError, match="length of its sequences"):
        backward(proto, "y0", ["w"])


@pytest.mark.parametrize("operator", ONES)
def test_batch_first(operator: str) -> None:
    """Against the layout of time first; onnxruntime does not know this one."""
    stored = {name: value for name, value in weights(operator, 1).items() if value is not None}
    x = values(N, LENGTH, SIZE)
    first, feeds = node_model(operator, {"x": x}, stored, outputs=2, hidden_size=H, layout=1)
    second, _ = node_model(
        operator, {"x": x.swapaxes(0, 1)}, stored, outputs=2, hidden_size=H, open_axes=(1,)
    )
    results = [_run(unrolled(first), {"x": x}), _run(unrolled(second), {"x": x.swapaxes(0, 1)})]
    np.testing.assert_allclose(results[0][0], results[1][0].transpose(2, 0, 1, 3), rtol=1e-5)
    np.testing.assert_allclose(results[0][1], results[1][1].swapaxes(0, 1), rtol=1e-5)
    check(unrolled(first), feeds)


def _run(proto: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)
