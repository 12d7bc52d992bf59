"""Fillers: what parameters hold before anything is learned, as Caffe 1.0 defines it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..weight import Weight

Shape = tuple[int, ...]
Values = NDArray[np.float32]
Draw = Callable[[np.random.Generator], Values]


class _FillerError(Exception):
    """What Caffe would refuse; the parameter is added where it is known."""


def fill(filler: Any, shape: Shape, name: str) -> Weight:
    """Return the values that a filler gives a parameter.

    Parameters
    ----------
    filler : FillerParameter or float
        How it is filled; a number fills it with itself.
    shape : tuple of int
        Its shape.
    name : str
        Its name. It seeds what is random: a network has the same values every time, and two of its
        parameters have different ones.

    Returns
    -------
    Weight
        The values, made when they are read.

    Raises
    ------
    ModelError
        If there is no such filler, or Caffe would refuse what it is asked for.
    """
    if isinstance(filler, (int, float)):
        return Weight(shape, partial(np.full, shape, filler, np.float32))
    try:
        if filler.type not in _FILLERS:
            raise _FillerError(f"unknown filler; known are {', '.join(_FILLERS)}")
        if filler.sparse != -1 and (filler.sparse < -1 or filler.type != "gaussian"):
            raise _FillerError(f"cannot be sparse ({filler.sparse})")
        if not math.prod(shape):
            raise _FillerError(f"cannot fill the empty shape {shape}")
        draw = _FILLERS[filler.type](filler, shape)
    except _FillerError as error:
        raise ModelError(f"parameter {name!r}, filler {filler.type!r}: {error}") from None
    return Weight(shape, partial(_drawn, draw, name))


def _drawn(draw: Draw, name: str) -> Values:
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest())
    return draw(np.random.Generator(np.random.PCG64(seed)))


def _constant(filler: Any, shape: Shape) -> Draw:
    return lambda _: np.full(shape, filler.value, np.float32)


def _uniform(filler: Any, shape: Shape) -> Draw:
    if not filler.min <= filler.max:
        raise _FillerError(f"its min {filler.min:g} is above its max {filler.max:g}")
    return _between(filler.min, filler.max, shape)


def _between(low: float, high: float, shape: Shape) -> Draw:
    def draw(random: np.random.Generator) -> Values:
        values = random.random(shape, np.float32)
        values *= np.float32(high - low)
        values += np.float32(low)
        return values

    return draw


def _gaussian(filler: Any, shape: Shape) -> Draw:
    if filler.sparse < 0:
        return _normal(filler.mean, filler.std, shape)
    outputs = _axis(shape, 0)
    if filler.sparse > outputs:
        raise _FillerError(f"{filler.sparse} of {outputs} outputs cannot be other than zero")
    normal = _normal(filler.mean, filler.std, shape)

    def draw(random: np.random.Generator) -> Values:
        values = normal(random)
        values *= random.random(shape, np.float32) < filler.sparse / outputs
        return values

    return draw


def _normal(mean: float, std: float, shape: Shape) -> Draw:
    if not std > 0:
        raise _FillerError(f"its std must be above 0, not {std:g}")

    def draw(random: np.random.Generator) -> Values:
        values = random.standard_normal(shape, np.float32)
        values *= np.float32(std)
        values += np.float32(mean)
        return values

    return draw


def _positive_unitball(filler: Any, shape: Shape) -> Draw:
    rows = _axis(shape, 0)

    def draw(random: np.random.Generator) -> Values:
        values = random.random((rows, math.prod(shape[1:])), np.float32)
        values /= values.sum(axis=1, keepdims=True)
        return values.reshape(shape)

    return draw


def _xavier(filler: Any, shape: Shape) -> Draw:
    scale = math.sqrt(3 / _fan(filler, shape))
    return _between(-scale, scale, shape)


def _msra(filler: Any, shape: Shape) -> Draw:
    return _normal(0, math.sqrt(2 / _fan(filler, shape)), shape)


def _fan(filler: Any, shape: Shape) -> float:
    """Return how many values meet in a unit: of a parameter of shape (out, in, ...), whatever it means."""
    fan_in = math.prod(shape) // _axis(shape, 0)
    fan_out = math.prod(shape) // (_axis(shape, 1) if len(shape) > 1 else 1)
    norm = filler.VarianceNorm.Name(filler.variance_norm)
    fan: float = {"FAN_IN": fan_in, "FAN_OUT": fan_out, "AVERAGE": (fan_in + fan_out) / 2}[norm]
    return fan


def _axis(shape: Shape, axis: int) -> int:
    if len(shape) <= axis:
        raise _FillerError(f"cannot fill a parameter of shape {shape}")
    return shape[axis]


def _bilinear(filler: Any, shape: Shape) -> Draw:
    if len(shape) != 4 or shape[2] != shape[3]:
        raise _FillerError(f"needs a square kernel of two axes, but the parameter's shape is {shape}")
    factor = math.ceil(shape[3] / 2)
    centre = np.float32((shape[3] - 1) / (2 * factor))
    line = 1 - np.abs(np.arange(shape[3], dtype=np.float32) / np.float32(factor) - centre)
    kernel = np.outer(line, line)
    return lambda _: np.array(np.broadcast_to(kernel, shape), np.float32, order="C")


_FILLERS: Mapping[str, Callable[[Any, Shape], Draw]] = {
    "constant": _constant,
    "uniform": _uniform,
    "gaussian": _gaussian,
    "positive_unitball": _positive_unitball,
    "xavier": _xavier,
    "msra": _msra,
    "bilinear": _bilinear,
}
