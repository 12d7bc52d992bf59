"""Transfer functions with normalized positions, fitted to the values and the size of a volume."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from converters.encoding import Encoding
from converters.volume import Volume

from .camera import extent, mean_chord
from .errors import PresetError
from .values import Values

ColorPoint = tuple[float, float, float, float]
OpacityPoint = tuple[float, float]
Point = TypeVar("Point", ColorPoint, OpacityPoint)

REFINEMENT = 16
"""Pieces of an opacity ramp where a new unit distance bends it; too many to see the corners."""


@dataclass(frozen=True)
class TransferFunction:
    """Colours and opacities over normalized positions, and how their range is found in a volume.

    Parameters
    ----------
    name : str
        What the preset is called.
    version : int
        Goes up with each change, as viewers keep presets by their names.
    description : str
        What it is good for.
    percentiles : tuple of float
        The values at position 0 and 1, as percentiles of the volume's finite values.
    symmetric : bool
        Whether the range is widened so that zero lies in its middle.
    colors : tuple
        (position, red, green, blue), all in 0..1, positions rising from 0 to 1; linear in RGB between them.
    opacities : tuple
        (position, opacity) likewise; opacity is what one `unit` of depth absorbs.
    unit : float
        The distance that opacities are meant for, as a fraction of the mean path through the volume's box.
    values : tuple of float, optional
        The values at position 0 and 1 themselves; the volume's values then do not count.
    ranks : bool
        Whether position p is the value that a share p of the positive values stays below, and 0 is zero.
    interpolate : bool
        Whether values between those of neighbouring voxels mean something, unlike those between labels.
    """

    name: str
    version: int
    description: str
    percentiles: tuple[float, float]
    symmetric: bool
    colors: tuple[ColorPoint, ...]
    opacities: tuple[OpacityPoint, ...]
    unit: float
    values: tuple[float, float] | None = None
    ranks: bool = False
    interpolate: bool = True


@dataclass(frozen=True)
class Foreign:
    """A transfer function as a viewer keeps it, in numbers and lengths of its own.

    Parameters
    ----------
    name : str
        As viewers list it.
    colors, opacities : tuple
        As in `Fitted`.
    unit : callable
        ``unit(volume)``: the distance that the viewer's opacities are for when it shows this volume.
    normalized : bool
        Whether 0 and 1 stand for the lowest and the highest value of a volume; else numbers are values.
    interpolate : bool
        As in `Fitted`.
    """

    name: str
    colors: tuple[ColorPoint, ...]
    opacities: tuple[OpacityPoint, ...]
    unit: Callable[[Volume], float]
    normalized: bool = False
    interpolate: bool = True


@dataclass(frozen=True)
class Fitted:
    """A transfer function in the values and lengths of one volume.

    Parameters
    ----------
    name : str
        Name and version, as viewers shall list it: ``cnnvis activation v1``.
    colors : tuple
        (value, red, green, blue), values rising.
    opacities : tuple
        (value, opacity), values rising; opacity of a piece of depth `unit`.
    unit : float
        Distance in the volume's unit of length.
    interpolate : bool
        Whether viewers shall interpolate values between voxels.
    """

    name: str
    colors: tuple[ColorPoint, ...]
    opacities: tuple[OpacityPoint, ...]
    unit: float
    interpolate: bool = True

    @property
    def range(self) -> tuple[float, float]:
        """The lowest and the highest value of the colours."""
        return self.colors[0][0], self.colors[-1][0]

    @property
    def clear(self) -> float:
        """The most transparent value: the middle of the first stretch of lowest opacity."""
        runs = [(opacity, [x for x, _ in run]) for opacity, run in groupby(self.opacities, lambda p: p[1])]
        _, values = min(runs, key=lambda run: run[0])
        return values[0] / 2 + values[-1] / 2

    def shown(self, values: NDArray[np.float32], headroom: float = 0.0) -> NDArray[np.float32]:
        """Return values as a renderer takes them: all finite, and within the range or near it.

        An outlier would stretch a renderer's table, which spans all values; NaN and infinite values become
        `clear`.

        Parameters
        ----------
        values : ndarray of float32
            In any shape.
        headroom : float
            How far values may lie beyond the ends of the range, in lengths of the range.
        """
        low, high = self.range
        room, most = headroom * (high - low), float(np.finfo(np.float32).max)
        known = np.clip(values, np.float32(max(low - room, -most)), np.float32(min(high + room, most)))
        shown: NDArray[np.float32] = np.where(np.isfinite(values), known, np.float32(self.clear))
        return shown

    def stored(self, encoding: Encoding) -> Fitted:
        """Return the same over the stored numbers of a file instead of the values.

        Raises
        ------
        PresetError
            If the file's value scale turns values around or has no extent.
        """
        if not encoding.slope > 0:
            raise PresetError(f"a value scale with slope {encoding.slope:g} has no transfer function")
        return self.over(encoding.store)

    def over(self, place: Callable[[float], float]) -> Fitted:
        """Return the same with every value replaced by what `place`, a rising function, makes of it."""
        return replace(
            self,
            colors=tuple((place(x), r, g, b) for x, r, g, b in self.colors),
            opacities=tuple((place(x), o) for x, o in self.opacities),
        )

    def spread(self, low: float, high: float) -> Fitted:
        """Return the same with positions 0 and 1 replaced by two values, and those between in proportion."""
        # in this form no difference overflows, and positions 0 and 1 give the range exactly
        return self.over(lambda position: (1 - position) * low + position * high)

    def per(self, distance: float) -> Fitted:
        """Return the same look for viewers that take opacities per `distance`.

        By Beer and Lambert's law, opacity o per unit is 1 - (1 - o) ** (distance / unit) per distance; ramps,
        which this bends, get more points.
        """
        if distance == self.unit:
            return self
        ratio = distance / self.unit
        points = tuple((x, 1 - (1 - o) ** ratio) for x, o in _refined(self.opacities))
        return replace(self, opacities=points, unit=distance)

    def rgba(self, values: ArrayLike) -> NDArray[np.float32]:
        """Return red, green, blue and opacity, in 0..1, of values: shape (..., 4). NaN has opacity 0."""
        values = np.asarray(values, np.float64)
        x, *rgb = np.array(self.colors).T
        channels = [np.interp(values, x, channel) for channel in rgb]
        opacity = np.interp(values, *np.array(self.opacities).T)
        colored: NDArray[np.float32] = np.nan_to_num(np.stack([*channels, opacity], -1)).astype(np.float32)
        return colored


def fit(function: TransferFunction | Foreign, *volumes: Volume, values: Values | None = None) -> Fitted:
    """Fit a transfer function to a volume, or to all of a series alike.

    Parameters
    ----------
    function : TransferFunction or Foreign
        A foreign one whose numbers are values keeps them.
    *volumes : Volume
        One or more, of 3 or 4 axes; percentiles are of the values of all together, lengths are those of the
        first. NaN and infinite values do not count.
    values : Values, optional
        The values, where they have been looked at before; then one volume is enough.

    Returns
    -------
    Fitted
        In the volumes' values. Where the percentiles coincide (one hot voxel in a silent map), minimum and
        maximum take their place; where these coincide too, zero and the value.

    Raises
    ------
    PresetError
        If no value is finite.
    """
    if isinstance(function, Foreign):
        unit = function.unit(volumes[0])
        same = Fitted(function.name, function.colors, function.opacities, unit, function.interpolate)
        return (
            same.spread(*(values or Values.of(volumes)).percentiles((0, 100)))
            if function.normalized
            else same
        )
    normalized = Fitted(
        name=f"cnnvis {function.name} v{function.version}",
        colors=function.colors,
        opacities=function.opacities,
        unit=function.unit * mean_chord(extent(volumes[0])),
        interpolate=function.interpolate,
    )
    if function.ranks:
        return _ranked(normalized, function.percentiles[1], values or Values.of(volumes))
    low, high = function.values or (values or Values.of(volumes)).percentiles(function.percentiles)
    if function.symmetric:
        high = max(abs(low), abs(high))
        low = -high
    return normalized.spread(low, high)


def _ranked(normalized: Fitted, top: float, values: Values) -> Fitted:
    """Return the function over values by their ranks among the positive ones, up to the percentile `top`."""
    positive = values.sample[values.sample > 0]
    if positive.size == 0:
        return normalized.spread(0.0, values.high) if values.high > 0 else normalized

    def place(position: float) -> float:
        return float(np.percentile(positive, position * top)) if position else 0.0

    ranked = normalized.over(place)
    return replace(ranked, colors=_last(ranked.colors), opacities=_last(ranked.opacities))


def _last(points: Iterable[Point]) -> tuple[Point, ...]:
    """Return the last of the points at each value: a value that many voxels share has many ranks."""
    return tuple({point[0]: point for point in points}.values())


def _refined(points: Sequence[OpacityPoint]) -> list[OpacityPoint]:
    fine = [points[0]]
    for (x0, o0), (x1, o1) in pairwise(points):
        pieces = REFINEMENT if o0 != o1 and x0 != x1 else 1
        steps = np.linspace(0, 1, pieces + 1)[1:]
        fine += [(float((1 - t) * x0 + t * x1), float((1 - t) * o0 + t * o1)) for t in steps]
    return fine
