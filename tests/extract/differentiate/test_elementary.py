"""Gradients of elementary functions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import erf

from .check import check_node
from .gradient_of import gradient_of

# Where each function is checked: inside its domain, away from poles.
_DOMAINS = {
    "Neg": (-2, 2),
    "Abs": (-2, 2),
    "Reciprocal": (0.5, 2),
    "Sqrt": (0.2, 3),
    "Exp": (-2, 2),
    "Log": (0.2, 3),
    "Sin": (-4, 4),
    "Cos": (-4, 4),
    "Tan": (-1.2, 1.2),
    "Asin": (-0.9, 0.9),
    "Acos": (-0.9, 0.9),
    "Atan": (-3, 3),
    "Sinh": (-2, 2),
    "Cosh": (-2, 2),
    "Tanh": (-2, 2),
    "Asinh": (-3, 3),
    "Acosh": (1.1, 4),
    "Atanh": (-0.9, 0.9),
    "Erf": (-2, 2),
}


@pytest.mark.parametrize("operator", _DOMAINS)
def test_elementary_functions(operator: str) -> None:
    x = np.random.default_rng(2).uniform(*_DOMAINS[operator], (2, 3, 5)).astype(np.float32)

    check_node(operator, {"x": x})


def test_the_error_function_against_scipy() -> None:
    x = np.linspace(-2.5, 2.5, 11)
    step = 1e-5

    found = gradient_of("Erf", {"x": x}, wrt="x")

    # rounding of 1e-16 over the step, and its square
    assert found == pytest.approx((erf(x + step) - erf(x - step)) / (2 * step), abs=1e-9)


def test_the_absolute_value_has_slope_0_at_0() -> None:
    x = np.array([-1, 0, 2], np.float32)

    assert gradient_of("Abs", {"x": x}, wrt="x", seed=3.0).tolist() == [-3, 0, 3]


def test_the_square_root_has_slope_1_at_0() -> None:
    assert gradient_of("Sqrt", {"x": np.array([0, 4], np.float32)}, wrt="x").tolist() == [1, 0.25]


def test_half_precision() -> None:
    check_node("Tanh", {"x": np.linspace(-1, 1, 6, dtype=np.float16)})
