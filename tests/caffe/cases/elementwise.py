"""Layers that calculate with values at the same place."""

from __future__ import annotations

import numpy as np

from . import Case, layer

POSITIVE = np.random.default_rng(0).uniform(0.1, 3, (2, 3, 4, 5)).astype(np.float32)
TIES = np.random.default_rng(1).integers(-1, 2, (2, 3, 4, 5)).astype(np.float32)
TWO = {"a": (2, 3, 4, 5), "b": (2, 3, 4, 5)}
THREE = {**TWO, "c": (2, 3, 4, 5)}


def _power(text: str, values: np.ndarray | None = None) -> Case:
    return _one("Power", f"power_param {{ {text} }}", values)


def _exp(text: str) -> Case:
    return _one("Exp", f"exp_param {{ {text} }}")


def _log(text: str) -> Case:
    return _one("Log", f"log_param {{ {text} }}", POSITIVE)


def _one(kind: str, text: str, values: np.ndarray | None = None) -> Case:
    if values is None:
        return Case(layer(kind, text))
    return Case(layer(kind, text), {"data": values.shape}, {"data": values})


def _eltwise(text: str = "", bottoms: str = "a b") -> str:
    return layer("Eltwise", f"eltwise_param {{ {text} }}", bottoms)


CASES = {
    "power": Case(layer("Power")),
    "power-2": _power("power: 2 scale: -1.5 shift: 0.25"),
    "power-3": _power("power: 3"),
    "power-fraction": _power("power: 0.3 shift: 0.5", POSITIVE),
    "power-root": _power("power: 0.5 scale: 2", POSITIVE),
    "power-inverse": _power("power: -1 shift: 0.1", POSITIVE),
    "power-fraction-of-negative": _power("power: 0.5 shift: 0.25"),
    "power-0": _power("power: 0 scale: 3 shift: 1"),
    "power-0-of-0": _power("power: 0", TIES),
    "power-no-scale": _power("power: 2 scale: 0 shift: -3"),
    "power-no-scale-fraction": _power("power: 0.5 scale: 0 shift: -3"),
    "power-no-scale-inverse": _power("power: -1 scale: 0"),
    "power-shift": _power("shift: -2"),
    "power-two-axes": Case(layer("Power", "power_param { scale: 0.1 }"), {"data": (4, 3)}),
    "exp": Case(layer("Exp")),
    "exp-scale": _exp("scale: -0.5 shift: 1.5"),
    "exp-base": _exp("base: 2"),
    "exp-base-scale": _exp("base: 0.3 scale: 2 shift: -1.25"),
    "exp-base-1": _exp("base: 1"),
    "log": _one("Log", "", POSITIVE),
    "log-scale": _log("scale: 3 shift: 0.125"),
    "log-base": _log("base: 10"),
    "log-base-scale": _log("base: 0.5 scale: 2 shift: 4"),
    "log-of-negative": Case(layer("Log"), {"data": (2, 7)}),
    "sum": Case(_eltwise(), TWO),
    "sum-coefficients": Case(_eltwise("coeff: 0.5 coeff: -2"), TWO),
    "sum-difference": Case(_eltwise("coeff: 1 coeff: -1"), TWO),
    "sum-negated-difference": Case(_eltwise("coeff: -1 coeff: 1"), TWO),
    "sum-three": Case(_eltwise("operation: SUM", "a b c"), THREE),
    "sum-three-coefficients": Case(_eltwise("coeff: 1 coeff: 0 coeff: 3", "c a b"), THREE),
    "sum-of-one-blob": Case(_eltwise("coeff: 1 coeff: -0.5", "a a"), {"a": (2, 5)}),
    "product": Case(_eltwise("operation: PROD"), TWO),
    "product-three": Case(_eltwise("operation: PROD", "a b c"), THREE),
    "product-five-axes": Case(
        _eltwise("operation: PROD stable_prod_grad: false"), {"a": (2, 1, 3, 2, 2), "b": (2, 1, 3, 2, 2)}
    ),
    "product-in-place": Case(layer("Eltwise", "eltwise_param { operation: PROD }", "a b", "a"), TWO),
    "max": Case(_eltwise("operation: MAX"), TWO),
    "max-three": Case(_eltwise("operation: MAX", "a b c"), THREE),
    "max-ties": Case(_eltwise("operation: MAX", "a b c"), THREE, {"a": TIES, "b": TIES[::-1].copy()}),
    "max-coefficients": Case(_eltwise("operation: MAX coeff: 2 coeff: 3"), TWO),
    "max-vectors": Case(_eltwise("operation: MAX"), {"a": (9,), "b": (9,)}),
    "residual": Case(
        layer("Power", "power_param { scale: 0.5 }", "a", "half", "half")
        + layer("Eltwise", "", "half a", "sum", "sum")
        + layer("ReLU", "", "sum", "sum", "relu")
        + layer("Eltwise", "", "sum half", "top", "again"),
        {"a": (2, 3, 4, 5)},
    ),
    "axpy": Case(layer("Axpy", "", "a x y"), {"a": (2, 3, 1, 1), "x": (2, 3, 4, 5), "y": (2, 3, 4, 5)}),
    "axpy-vectors": Case(layer("Axpy", "", "a x y"), {"a": (2, 3, 1, 1), "x": (2, 3), "y": (2, 3)}),
    "axpy-two-axes": Case(layer("Axpy", "", "a x y"), {"a": (2, 3), "x": (2, 3, 4, 5), "y": (2, 3, 4, 5)}),
}

# Networks that Caffe refuses.
REFUSED = {
    "exp-base": _exp("base: -2"),
    "log-base-1": _log("base: 1"),
    "log-base-0": _log("base: 0"),
    "eltwise-one-bottom": Case(_eltwise("", "a"), TWO),
    "eltwise-shapes": Case(_eltwise(), {"a": (2, 3, 4, 5), "b": (2, 3, 1, 1)}),
    "eltwise-coefficients": Case(_eltwise("coeff: 1"), TWO),
    "eltwise-product-coefficients": Case(_eltwise("operation: PROD coeff: 1 coeff: 2"), TWO),
    "eltwise-two-tops": Case(layer("Eltwise", "", "a b", "c d"), TWO),
}
