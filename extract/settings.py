"""What each setting of a preprocessing takes: from what a user gives to what `Preprocessing` holds."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .pictures import Colour

LARGEST = 32768
RESIZES = ("crop", "stretch", "pad")
PILLOW = ("nearest", "bilinear", "bicubic", "lanczos", "box")
INTERPOLATIONS = (*PILLOW, "bilinear-opencv", "bilinear-pycaffe")
CHANNELS = ("RGB", "BGR", "L")
AXES = ("zyx", "zxy", "yzx", "yxz", "xzy", "xyz")


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of an error about an unknown name: the nearest known one, or all where none is near."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _is_whole(value: Any, low: int, high: int) -> bool:
    return _is_number(value) and low <= value <= high and value == int(value)


def _choice(*choices: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in choices:
            raise ValueError("one of " + ", ".join(choices))
        return str(value)

    return check


def _size(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    pair = (value, value) if _is_number(value) else value
    if not (
        isinstance(pair, tuple | list) and len(pair) == 2 and all(_is_whole(v, 1, LARGEST) for v in pair)
    ):
        raise ValueError(f"height and width in whole pixels, 1 to {LARGEST}")
    return int(pair[0]), int(pair[1])


def _side(value: Any) -> int | None:
    if value is not None and not _is_whole(value, 1, LARGEST):
        raise ValueError(f"a whole number of pixels, 1 to {LARGEST}")
    return value if value is None else int(value)


def _fraction(value: Any) -> float:
    # below that, a picture of the largest size would be cut to nothing
    if not (_is_number(value) and 1 / LARGEST <= value <= 1):
        raise ValueError("a number above 0, at most 1")
    return float(value)


def _factor(value: Any) -> float:
    if not (_is_number(value) and math.isfinite(value) and value != 0):
        raise ValueError("a finite number other than 0")
    return float(value)


def _numbers(value: Any) -> float | tuple[float, ...]:
    many = isinstance(value, tuple | list)
    if not all(_is_number(v) and math.isfinite(v) for v in (value if many else [value])) or value in ((), []):
        raise ValueError("a finite number, or one a channel")
    return tuple(float(v) for v in value) if many else float(value)


def _mean_setting(value: Any) -> float | tuple[float, ...] | Path:
    if isinstance(value, str | Path):
        return Path(value)
    try:
        return _numbers(value)
    except ValueError as error:
        raise ValueError(f"{error}, or a .npy or .binaryproto file") from error


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _divisors(value: Any) -> float | tuple[float, ...]:
    numbers = _numbers(value)
    if 0 in (numbers if isinstance(numbers, tuple) else (numbers,)):
        raise ValueError("numbers other than 0")
    return numbers


def _colour(value: Any) -> Colour:
    triple = (value, value, value) if _is_number(value) else value
    if not (
        isinstance(triple, tuple | list) and len(triple) == 3 and all(_is_whole(v, 0, 255) for v in triple)
    ):
        raise ValueError("a grey or red, green and blue as whole numbers, 0 to 255")
    red, green, blue = map(int, triple)
    return red, green, blue


def _axes(value: Any) -> str | None:
    if value is None or value in AXES or (isinstance(value, str) and value[:1] == "c" and value[1:] in AXES):
        return value  # type: ignore[no-any-return]
    raise ValueError("the letters x, y and z, each once, with c in front for a 4-D file")


CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "size": _size,
    "resize": _choice(*RESIZES),
    "stretch_to": _size,
    "short_side": _side,
    "crop_fraction": _fraction,
    "interpolation": _choice(*INTERPOLATIONS),
    "channels": _choice(*CHANNELS),
    "scale": _factor,
    "mean": _mean_setting,
    "mean_per_channel": _flag,
    "std": _divisors,
    "input_scale": _factor,
    "background": _colour,
    "fill": _colour,
    "axes": _axes,
}
