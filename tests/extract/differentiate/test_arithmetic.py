"""Gradients of broadcasting arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from .check import check, check_node, node_model
from .gradient_of import gradient_of

_RNG = np.random.default_rng(1)


@pytest.fixture(autouse=True)
def _same_numbers_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sum of float32 in a hundred nearly cancels, and is off by more than 1e-5 of itself."""
    monkeypatch.setitem(globals(), "_RNG", np.random.default_rng(1))


def _array(*shape: int, low: float = 0.5, high: float = 2.0) -> np.ndarray:
    return _RNG.uniform(low, high, shape).astype(np.float32)


# Shapes of two operands: alike, repeated on either side, of fewer axes, a number.
_SHAPES = [
    ((2, 3, 4), (2, 3, 4)),
    ((2, 3, 4), (1, 3, 1)),
    ((2, 1, 4), (2, 3, 1)),
    ((2, 3, 4), (4,)),
    ((3, 1), (2, 3, 4)),
    ((2, 3, 4), ()),
    ((2, 1, 1), (2, 3, 4)),
]
_BINARY = ["Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Sum"]


@pytest.mark.parametrize("operator", _BINARY)
@pytest.mark.parametrize(("left", "right"), _SHAPES)
def test_two_operands_that_broadcast(operator: str, left: tuple[int, ...], right: tuple[int, ...]) -> None:
    inputs = {"a": _array(*left), "b": _array(*right)}

    check_node(operator, inputs)
    check_node(operator, inputs, open_axes=None)
    check_node(operator, inputs, open_axes=(0, 1, 2))


@pytest.mark.parametrize("operator", _BINARY)
@pytest.mark.parametrize("shape", [(3, 1), (1, 3, 4), (4,), (), (1, 1, 1)])
def test_a_weight_of_each_image_apart(operator: str, shape: tuple[int, ...]) -> None:
    x, w = _array(2, 3, 4), _array(*shape)

    check_node(operator, {"x": x}, {"w": w}, per_image=True)
    check_node(operator, {"w": w, "x": x}, ["w"], per_image=True)


@pytest.mark.parametrize("operator", ["Sum", "Mean", "Max", "Min"])
@pytest.mark.parametrize("count", [1, 3, 4])
def test_any_number_of_operands(operator: str, count: int) -> None:
    shapes = [(2, 3, 4), (3, 1), (2, 1, 4), ()][:count]

    check_node(operator, {f"x{i}": _array(*shape) for i, shape in enumerate(shapes)})


@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 1), (1, 3, 4), (4,), (), (1, 1, 1)])
def test_means_of_operands_that_broadcast(shape: tuple[int, ...]) -> None:
    # onnx's reference evaluator wants the largest operand first
    x, w = _array(2, 3, 4), _array(*shape)

    check_node("Mean", {"x": x, "w": w}, open_axes=(0, 1, 2))
    check_node("Mean", {"x": x}, {"w": w}, per_image=None if shape == x.shape else True)


@pytest.mark.parametrize("fmod", [0, 1])
def test_remainders(fmod: int) -> None:
    a = np.array([[5.3, -5.3, 4.9], [0.7, -0.7, 9.1]], np.float32)
    b = np.array([2.0, 3.0, -1.5], np.float32)

    # floating numbers and fmod=0 are of operator set 28, which onnxruntime 1.32 does not have
    check_node(
        "Mod", {"a": a}, {"b": b}, per_image=True, fmod=fmod, opset=18 if fmod else 28, runtime=fmod == 1
    )


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 2.0, 3.0, -1.5])
def test_powers_of_known_exponents(exponent: float) -> None:
    check_node("Pow", {"x": _array(2, 3)}, {"!e": np.float32(exponent)})


def test_powers_of_negative_numbers_and_whole_exponents() -> None:
    x = _array(2, 3, low=-2.0, high=-0.5)

    check_node("Pow", {"x": x}, {"e": np.array([2, 3, -1], np.int64)}, wrt=["x"])
    check_node("Pow", {"x": x, "e": np.array([2, 3, 0], np.int32)}, wrt=["x"])


def test_powers_whose_exponent_is_of_another_type() -> None:
    inputs = {"x": _array(2, 3), "e": _array(3).astype(np.float64)}

    check_node("Pow", inputs)


def test_powers_at_zero_are_those_of_torch() -> None:
    x = np.zeros(4, np.float32)
    e = np.array([0.0, 1.0, 2.0, 3.0], np.float32)

    with np.errstate(divide="ignore", invalid="ignore"):
        by_base, by_exponent = (gradient_of("Pow", {"x": x, "e": e}, wrt=name) for name in ("x", "e"))

    assert by_base.tolist() == [0, 1, 0, 0]
    assert by_exponent[1:].tolist() == [0, 0, 0]


@pytest.mark.parametrize("operator", ["Max", "Min"])
def test_operands_that_tie_share_the_gradient(operator: str) -> None:
    a, b, c = (np.array(v, np.float32) for v in ([1, 2, 3], [1, 5, 3], [1, 2, 3]))
    inputs = {"a": a, "b": b, "c": c}

    first = gradient_of(operator, inputs, wrt="a", seed=6.0)

    assert first.tolist() == [2, 0 if operator == "Max" else 3, 2]


def test_an_operand_used_twice_gets_both_parts() -> None:
    proto, feeds = node_model("Mul", {"x": _array(2, 3), "z": _array(2, 3)})
    proto.graph.node[0].input[1] = "x"
    del proto.graph.input[1]

    check(proto, {"x": feeds["x"]})
