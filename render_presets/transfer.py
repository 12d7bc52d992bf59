"""Transfer functions: data files with normalized positions, fitted to the values and the size of a volume."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from converters.encoding import Encoding
from converters.volume import Volume

from .camera import extent, mean_chord
from .errors import PresetError

ColorPoint = tuple[float, float, float, float]
OpacityPoint = tuple[float, float]

NEGATIVE_SHARE = 0.05
"""From which share of the positive range on negative values count: less is noise around zero."""

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
    """

    name: str
    version: int
    description: str
    percentiles: tuple[float, float]
    symmetric: bool
    colors: tuple[ColorPoint, ...]
    opacities: tuple[OpacityPoint, ...]
    unit: float


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
    """

    name: str
    colors: tuple[ColorPoint, ...]
    opacities: tuple[OpacityPoint, ...]
    unit: float

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

    def shown(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return values as a renderer takes them: all finite and within the range.

        An outlier would stretch a renderer's table, which spans all values, and bleed into its neighbours
        where these are interpolated; NaN and infinite values become `clear`.
        """
        low, high = map(np.float32, self.range)
        known = np.clip(values, low, high)
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

    def per(self, distance: float) -> Fitted:
        """Return the same look for viewers that take opacities per `distance`.

        By Beer and Lambert's law, opacity o per unit is 1 - (1 - o) ** (distance / unit) per distance; ramps,
        which this bends, get more points.
        """
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


def names() -> tuple[str, ...]:
    """Return the names of the transfer functions that come with the package."""
    return tuple(sorted(Path(file.name).stem for file in _files().iterdir() if file.name.endswith(".json")))


def load(preset: str | Path) -> TransferFunction:
    """Load a transfer function: one of `names`, or a file of the same form.

    Parameters
    ----------
    preset : str or Path
        A name, or the path of a JSON file.

    Raises
    ------
    PresetError
        If there is no such name or file, or the file is not a transfer function.
    """
    own = Path(preset)
    if str(preset) in names():
        text = (_files() / f"{preset}.json").read_text(encoding="utf-8")
    elif own.is_file():
        try:
            text = own.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PresetError(f"{own}: cannot be read as text ({error})") from error
    else:
        raise PresetError(f"{preset}: no such preset or file; presets are {', '.join(names())}")
    try:
        return _parse(text)
    except PresetError as error:
        raise PresetError(f"{preset}: {error}") from error


def fit(function: TransferFunction, volume: Volume) -> Fitted:
    """Fit a transfer function to a volume.

    Parameters
    ----------
    function : TransferFunction
        Normalized.
    volume : Volume
        Of 3 or 4 axes; NaN and infinite values do not count.

    Returns
    -------
    Fitted
        In the volume's values. Where the percentiles coincide (one hot voxel in a silent map), minimum and
        maximum take their place; where these coincide too, zero and the value.

    Raises
    ------
    PresetError
        If the volume has no finite value.
    """
    low, high = _range(volume, function.percentiles)
    if function.symmetric:
        high = max(abs(low), abs(high))
        low = -high
    normalized = Fitted(
        name=f"cnnvis {function.name} v{function.version}",
        colors=function.colors,
        opacities=function.opacities,
        unit=function.unit * mean_chord(extent(volume)),
    )
    # in this form no difference overflows, and positions 0 and 1 give the range exactly
    return normalized.over(lambda position: (1 - position) * low + position * high)


def choose(volume: Volume) -> TransferFunction:
    """Return `signed` for volumes with negative values that count, else `activation`.

    Raises
    ------
    PresetError
        If the volume has no finite value.
    """
    low, high = _range(volume, (1.0, 99.0))
    return load("signed" if -low > NEGATIVE_SHARE * max(high, 0.0) else "activation")


def finite(volume: Volume) -> NDArray[np.float32]:
    """Return the finite values of a volume, in any shape; a copy only where some are not."""
    known = np.isfinite(volume.data)
    return volume.data if known.all() else volume.data[known]


def _range(volume: Volume, percentiles: tuple[float, float]) -> tuple[float, float]:
    """Return two values low < high around the given percentiles."""
    data = finite(volume)
    if data.size == 0:
        raise PresetError("no value of the volume is finite")
    low, high = (float(value) for value in np.percentile(data, percentiles))
    if low == high:
        low, high = float(data.min()), float(data.max())
    if low == high:
        low, high = min(low, 0.0), max(high, 0.0)
    return (low, high) if low < high else (0.0, 1.0)


def _refined(points: Sequence[OpacityPoint]) -> list[OpacityPoint]:
    fine = [points[0]]
    for (x0, o0), (x1, o1) in pairwise(points):
        pieces = REFINEMENT if o0 != o1 and x0 != x1 else 1
        steps = np.linspace(0, 1, pieces + 1)[1:]
        fine += [(float((1 - t) * x0 + t * x1), float((1 - t) * o0 + t * o1)) for t in steps]
    return fine


def _files() -> Any:
    return resources.files(__package__) / "transfer_functions"


def _parse(text: str) -> TransferFunction:
    try:
        document = json.loads(text)
        span = document["range"]
        function = TransferFunction(
            name=str(document["name"]),
            version=int(document["version"]),
            description=str(document["description"]),
            percentiles=(float(span["percentiles"][0]), float(span["percentiles"][1])),
            symmetric=bool(span["symmetric"]),
            colors=tuple((float(x), float(r), float(g), float(b)) for x, r, g, b in document["colors"]),
            opacities=tuple((float(x), float(o)) for x, o in document["opacities"]),
            unit=float(document["unit"]),
        )
    except KeyError as error:
        raise PresetError(f"not a transfer function: {error} is missing") from error
    except (ValueError, TypeError, IndexError, RecursionError) as error:
        raise PresetError(f"not a transfer function ({error})") from error
    _check("colors", function.colors)
    _check("opacities", function.opacities)
    if not 0 <= function.percentiles[0] < function.percentiles[1] <= 100:
        raise PresetError(f"range: percentiles rise within 0..100, not {list(function.percentiles)}")
    if not 0 < function.unit <= 1:
        raise PresetError(f"unit is a fraction of the volume, above 0 and at most 1, not {function.unit:g}")
    return function


def _check(what: str, points: Sequence[tuple[float, ...]]) -> None:
    table = np.array(points)
    if len(points) < 2 or not ((table >= 0) & (table <= 1)).all():
        raise PresetError(f"{what}: takes two points or more, with all numbers in 0..1")
    positions = table[:, 0]
    if positions[0] != 0 or positions[-1] != 1 or (np.diff(positions) < 0).any():
        raise PresetError(f"{what}: positions rise from 0 to 1, not {positions.tolist()}")
