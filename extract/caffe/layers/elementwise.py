"""Layers that calculate with each value by itself, or with those of several blobs at the same place."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..call import Blob, Call
from ..rules import rule
from .checks import bottoms


@rule("Power")
def power(call: Call) -> list[Blob]:
    """Return (shift + scale * x) ** power; without power or scale it is a constant, whatever x is."""
    (x,) = bottoms(call, 1)
    param = call.layer.power_param
    if not param.power * param.scale:
        return [_filled(call, x, _constant_power(param.shift, param.power))]
    y = _moved(call, x.tensor, param.scale, param.shift)
    if param.power != 1:
        y = call.node("Pow", [y, call.constant(param.power)])
    return [Blob(y, x.shape)]


@rule("Exp")
def exp(call: Call) -> list[Blob]:
    """Return base ** (shift + scale * x); the base -1 stands for e."""
    (x,) = bottoms(call, 1)
    param = call.layer.exp_param
    log_base = _log_base(call, param.base)
    y = call.node("Exp", [_moved(call, x.tensor, log_base * param.scale, 0)])
    return [Blob(_moved(call, y, math.exp(log_base * param.shift), 0), x.shape)]


@rule("Log")
def log(call: Call) -> list[Blob]:
    """Return the logarithm of shift + scale * x; the base -1 stands for e."""
    (x,) = bottoms(call, 1)
    param = call.layer.log_param
    log_base = _log_base(call, param.base)
    if not log_base:
        raise call.error("there is no logarithm to the base 1")
    y = call.node("Log", [_moved(call, x.tensor, param.scale, param.shift)])
    return [Blob(_moved(call, y, 1 / log_base, 0), x.shape)]


@rule("Eltwise")
def eltwise(call: Call) -> list[Blob]:
    """Return the product, the sum with coefficients, or the largest of the bottoms' values."""
    given = bottoms(call, 2, math.inf)
    param = call.layer.eltwise_param
    if any(x.shape != given[0].shape for x in given):
        shapes = ", ".join("x".join(map(str, x.shape)) for x in given)
        raise call.error(f"its bottoms must have one shape, not {shapes}")
    operation = param.EltwiseOp.Name(param.operation)
    if len(param.coeff) not in (0, len(given)):
        raise call.error(f"has {len(param.coeff)} coefficients for {len(given)} bottoms")
    if param.coeff and operation == "PROD":
        raise call.error("only a sum takes coefficients")
    y = _OPERATIONS[operation](call, [x.tensor for x in given])
    return [Blob(y, given[0].shape)]


@rule("Axpy")
def axpy(call: Call) -> list[Blob]:
    """Return a * x + y, where a has a value for each map of x (SENet's fork)."""
    a, x, y = bottoms(call, 3)
    if x.shape != y.shape or x.rank < 2 or a.rank < 2 or a.shape != x.shape[:2] + (1,) * (a.rank - 2):
        shapes = ", ".join("x".join(map(str, blob.shape)) for blob in (a, x, y))
        raise call.error(f"its bottoms must be NxC, NxCxHxW and NxCxHxW, not {shapes}")
    scale = a.tensor
    if a.rank != x.rank:
        scale = call.node("Reshape", [scale, call.constant([0, 0] + [1] * (x.rank - 2), np.int64)])
    return [Blob(call.node("Add", [call.node("Mul", [scale, x.tensor]), y.tensor]), x.shape)]


def _moved(call: Call, x: str, scale: float, shift: float) -> str:
    """Return shift + scale * x."""
    if scale != 1:
        x = call.node("Mul", [x, call.constant(scale)])
    return call.node("Add", [x, call.constant(shift)]) if shift else x


def _constant_power(base: float, exponent: float) -> np.float32:
    with np.errstate(all="ignore"):
        return np.float32(base) ** np.float32(exponent)


def _filled(call: Call, x: Blob, value: np.float32) -> Blob:
    import onnx

    tensor = onnx.numpy_helper.from_array(np.array([value], np.float32))
    return Blob(call.node("ConstantOfShape", [call.node("Shape", [x.tensor])], value=tensor), x.shape)


def _log_base(call: Call, base: float) -> float:
    """Return the natural logarithm of the base that a layer is given."""
    if base == -1:
        return 1.0
    if not base > 0:
        raise call.error(f"its base must be above 0, or -1 for e, not {base:g}")
    return math.log(base)


def _product(call: Call, given: Sequence[str]) -> str:
    return functools.reduce(lambda y, x: call.node("Mul", [y, x]), given)


def _sum(call: Call, given: Sequence[str]) -> str:
    factors = list(call.layer.eltwise_param.coeff) or [1.0] * len(given)
    if factors == [1, -1]:
        return call.node("Sub", given)
    terms = [_moved(call, x, factor, 0) for x, factor in zip(given, factors, strict=True)]
    return call.node("Add" if len(terms) == 2 else "Sum", terms)


def _max(call: Call, given: Sequence[str]) -> str:
    return call.node("Max", given)


_OPERATIONS: Mapping[str, Callable[[Call, Sequence[str]], str]] = {
    "PROD": _product,
    "SUM": _sum,
    "MAX": _max,
}
