"""Transfer functions that viewers keep: read as they are, to be written for any other viewer.

Of ParaView and 3D Slicer, numbers are values of a volume, not the integers that a file may store for them.
Only ParaView's colour maps over exactly 0..1, as it brings them, and CGV's are normalized: they span whatever
a volume holds. Colours and opacities end at the same values; a viewer goes on with the last of each. Lighting
is left out.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

import numpy as np

from converters.errors import CnnVisWarning
from converters.volume import Volume

from . import paraview as to_paraview
from . import slicer as to_slicer
from .camera import extent, mean_chord
from .errors import PresetError
from .transfer import ColorPoint, Foreign, OpacityPoint

_STRAIGHT = (0.5, 0.0)
"""Midpoint and sharpness of a straight ramp in VTK."""

_CGV_UNIT = 0.04
"""CGV's opacities have no unit distance; ours are written for this part of the mean path through a volume."""

_SAMPLES = 64
"""Straight pieces that stand for a whole function of bent ones; more where it has more points."""

_SPACES = {"RGB": 0, "HSV": 1, "Lab": 2, "CIELAB": 2, "Diverging": 3, "Lab/CIEDE2000": 4, "Step": 5}
"""ParaView's names for VTK's ways to interpolate colours."""


def paraview(document: Sequence[Mapping[str, Any]], wanted: str | None = None) -> Foreign:
    """Read a preset of ParaView: an array that holds one, or several of which one is wanted by its name.

    Without opacities it gets ParaView's own, which rise from 0 to 1.

    Raises
    ------
    PresetError
        If it holds none of that name, or several and none is wanted, or categories or a logarithmic scale
        instead of a function.
    """
    preset = _chosen("preset", [(str(each["Name"]), each) for each in document], wanted)
    if "RGBPoints" not in preset:
        raise PresetError("not a transfer function: a preset without RGBPoints")
    if preset.get("UseLogScale"):
        raise PresetError("a logarithmic scale is none of ours")
    colors = _colors(
        [(*p, *_STRAIGHT) for p in _rows(preset["RGBPoints"], 4)], preset.get("ColorSpace", "RGB")
    )
    low, high = colors[0][0], colors[-1][0]
    ramp = [low, 0.0, *_STRAIGHT, high, 1.0, *_STRAIGHT]
    opacities = _opacities(_rows(preset.get("Points", ramp), 4))
    normalized = (low, high) == (0.0, 1.0)
    return _foreign(str(preset["Name"]), colors, opacities, to_paraview.cell_length, normalized=normalized)


def slicer_lines(name: str, text: str) -> Foreign:
    """Read the nine lines of a ``.vp`` file, under the file's name as Slicer does.

    Raises
    ------
    PresetError
        If there are not nine, or their counts are wrong.
    """
    lines = text.splitlines()
    if len(lines) < 9:
        raise PresetError(f"not a transfer function: a .vp file has 9 lines, not {len(lines)}")
    opacities, gradient, colors = (
        _rows(_counted(line), size) for line, size in zip(lines[6:9], (2, 2, 4), strict=True)
    )
    _note_gradient(name, [y for _, y in gradient])
    return _foreign(
        name,
        _colors([(*point, *_STRAIGHT) for point in colors]),
        _opacities([(*point, *_STRAIGHT) for point in opacities]),
        to_slicer.step_length,
        interpolate=float(lines[0]) != 0,
    )


def slicer_json(name: str, document: Mapping[str, Any]) -> Foreign:
    """Read a ``.vp.json`` file of one volume property, under the file's name as Slicer does.

    Its first component is taken, as only volumes of one are ours.

    Raises
    ------
    PresetError
        If it holds no or several volume properties.
    """
    look = _only("volume property", document["volumeProperties"])
    part = look["components"][0]
    distance = float(part.get("scalarOpacityUnitDistance", 1.0))
    if not 0 < distance < np.inf:
        raise PresetError(f"scalarOpacityUnitDistance is a length above 0, not {distance:g}")
    if not part.get("disableGradientOpacity"):
        _note_gradient(name, [float(p["y"]) for p in part.get("gradientOpacity", {}).get("points", ())])
    return _foreign(
        name,
        _colors([_bent(p, *p["color"]) for p in part["rgbTransferFunction"]["points"]]),
        _opacities([_bent(p, p["y"]) for p in part["scalarOpacity"]["points"]]),
        lambda volume: distance * to_slicer.step_length(volume),
        interpolate=look.get("interpolationType") != "nearest",
    )


def color_map(text: str, wanted: str | None = None) -> Foreign:
    """Read XML with one colour map, or several, as CGV has them, and ParaView up to 5.

    Raises
    ------
    PresetError
        If it holds none of that name, or several and none is wanted, or positions outside 0..1.
    """
    maps = ElementTree.fromstring(text).iter("ColorMap")
    found = _chosen("ColorMap", [(each.get("name", "colors"), each) for each in maps], wanted)
    colors, opacities = [], []
    for point in found:
        x = float(point.get("x", "nan"))
        if point.tag in ("Point", "ColorPoint"):
            r, g, b = (float(point.attrib[key]) for key in "rgb")
            colors.append((x, r, g, b, *_STRAIGHT))
        if point.tag in ("Point", "OpacityPoint") and "o" in point.attrib:
            opacities.append((x, float(point.attrib["o"]), *_STRAIGHT))
    if not opacities:
        opacities = [(0.0, 0.0, *_STRAIGHT), (1.0, 1.0, *_STRAIGHT)]
    places = [point[0] for point in (*colors, *opacities)]
    if not all(0 <= x <= 1 for x in places):
        raise PresetError("positions of a ColorMap lie in 0..1")
    return _foreign(
        found.get("name", "colors"),
        _colors(colors, found.get("space", "RGB")),
        _opacities(opacities),
        lambda volume: _CGV_UNIT * mean_chord(extent(volume)),
        normalized=True,
        span=(0.0, 1.0),
    )


def _bent(point: Mapping[str, Any], *what: float) -> tuple[float, ...]:
    return (point["x"], *what, point.get("midpoint", _STRAIGHT[0]), point.get("sharpness", _STRAIGHT[1]))


def _foreign(
    name: str,
    colors: Sequence[ColorPoint],
    opacities: Sequence[OpacityPoint],
    unit: Callable[[Volume], float],
    normalized: bool = False,
    interpolate: bool = True,
    span: tuple[float, ...] = (),
) -> Foreign:
    ends = (*span, *(p[0] for p in (*colors[:1], *colors[-1:], *opacities[:1], *opacities[-1:])))
    low, high = min(ends), max(ends)
    if low == high:
        raise PresetError("colours and opacities begin and end at the same value")
    return Foreign(
        name, _reaching(colors, low, high), _reaching(opacities, low, high), unit, normalized, interpolate
    )


def _reaching(points: Sequence[Any], low: float, high: float) -> tuple[Any, ...]:
    """Return the points with the first and the last one repeated at the ends that they do not reach."""
    before = [(low, *points[0][1:])] if points[0][0] > low else []
    after = [(high, *points[-1][1:])] if points[-1][0] < high else []
    return (*before, *points, *after)


def _colors(points: Sequence[Sequence[float]], space: str = "RGB") -> tuple[ColorPoint, ...]:
    """Return (value, red, green, blue) of points that have a midpoint and a sharpness as well."""
    table = _checked("colours", points)
    if space not in _SPACES:
        raise PresetError(f"unknown colour space {space!r}; known are {', '.join(_SPACES)}")
    if space == "RGB" and _all_straight(table):
        return tuple((x, r, g, b) for x, r, g, b, *_ in table)
    from vtkmodules.vtkRenderingCore import vtkColorTransferFunction

    function = vtkColorTransferFunction()
    function.SetColorSpace(_SPACES[space])
    for point in table:
        function.AddRGBPoint(*point)
    return tuple((x, *function.GetColor(x)) for x in _between(table))


def _opacities(points: Sequence[Sequence[float]]) -> tuple[OpacityPoint, ...]:
    """Return (value, opacity) of points that have a midpoint and a sharpness as well."""
    table = _checked("opacities", points)
    if _all_straight(table):
        return tuple((x, o) for x, o, *_ in table)
    from vtkmodules.vtkCommonDataModel import vtkPiecewiseFunction

    function = vtkPiecewiseFunction()
    for point in table:
        function.AddPoint(*point)
    return tuple((x, function.GetValue(x)) for x in _between(table))


def _checked(what: str, points: Sequence[Sequence[float]]) -> list[list[float]]:
    table = np.array(points, np.float64)
    if table.size == 0 or not np.isfinite(table).all():
        raise PresetError(f"{what}: takes one point or more, with finite numbers")
    if (np.diff(table[:, 0]) < 0).any():
        raise PresetError(f"{what}: values rise, not {table[:, 0].tolist()}")
    if not ((table[:, 1:] >= 0) & (table[:, 1:] <= 1)).all():
        raise PresetError(f"{what}: lie in 0..1")
    rows: list[list[float]] = table.tolist()
    return rows


def _all_straight(table: Sequence[Sequence[float]]) -> bool:
    # what follows the last point has no form
    return all(tuple(point[-2:]) == _STRAIGHT for point in table[:-1])


def _between(table: Sequence[Sequence[float]]) -> list[float]:
    """Return the values of the points, with steps between them fine enough for ramps that bend."""
    x = np.array([point[0] for point in table])
    pieces = max(1, _SAMPLES // max(len(x) - 1, 1))
    places = np.arange(pieces * (len(x) - 1) + 1) / pieces
    fine: list[float] = np.interp(places, np.arange(len(x)), x).tolist()
    return fine


def _rows(values: Sequence[float], size: int) -> list[list[float]]:
    if not values or len(values) % size:
        raise PresetError(f"not a transfer function: {len(values)} numbers are no points of {size}")
    return np.array(values, np.float64).reshape(-1, size).tolist()


def _counted(line: str) -> list[float]:
    count, *values = map(float, line.split())
    if count != len(values):
        raise PresetError(f"not a transfer function: {len(values)} numbers, where {count:g} are told")
    return values


def _only(what: str, found: Sequence[Any]) -> Any:
    if not found:
        raise PresetError(f"not a transfer function: it holds no {what}")
    if len(found) > 1:
        raise PresetError(f"holds {len(found)} of the kind {what}; a file of one is read")
    return found[0]


def _chosen(what: str, named: Sequence[tuple[str, Any]], wanted: str | None) -> Any:
    """Return the one that is wanted by its name, or the only one."""
    if wanted is None and len(named) < 2:
        return _only(what, [each for _, each in named])
    if wanted not in dict(named):
        names = ", ".join(name for name, _ in named)
        raise PresetError(f"holds several of the kind {what}: choose one by FILE#NAME, of {names}")
    return _only(f"{what} {wanted!r}", [each for name, each in named if name == wanted])


def _note_gradient(name: str, opacities: Sequence[float]) -> None:
    if any(opacity != 1 for opacity in opacities):
        warnings.warn(f"{name}: opacity by gradient is left out", CnnVisWarning, stacklevel=2)
