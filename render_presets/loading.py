"""Transfer functions by name or from files: our own JSON, and what viewers keep."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from converters.volume import Volume

from . import foreign
from .errors import PresetError
from .transfer import Fitted, Foreign, TransferFunction, fit
from .values import Values

NEGATIVE_SHARE = 0.05
"""From which share of the positive range on negative values count: less is noise around zero."""


def names() -> tuple[str, ...]:
    """Return the names of the transfer functions that come with the package."""
    return tuple(sorted(Path(file.name).stem for file in _files().iterdir() if file.name.endswith(".json")))


def load(preset: str | Path) -> TransferFunction | Foreign:
    """Load a transfer function: one of `names`, a file of the same form, or one of a viewer.

    Parameters
    ----------
    preset : str or Path
        A name, or the path of a file: JSON of ours, ParaView's presets (JSON), 3D Slicer's volume property
        (.vp, .vp.json), or colour maps of CGV and older ParaViews (.xml). Of a file with several presets or
        colour maps, ``FILE#NAME`` takes one. See `foreign` for what their numbers mean.

    Raises
    ------
    PresetError
        If there is no such name or file, or the file is not a transfer function.
    """
    own, wanted = _place(Path(preset))
    if str(preset) in names():
        text = (_files() / f"{preset}.json").read_text(encoding="utf-8")
    elif own.is_file():
        try:
            text = own.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise PresetError(f"{own}: cannot be read as text ({error})") from error
    else:
        raise PresetError(f"{preset}: no such preset or file; presets are {', '.join(names())}")
    try:
        return _parsed(own.name, text, wanted)
    except PresetError as error:
        raise PresetError(f"{preset}: {error}") from error
    except KeyError as error:
        raise PresetError(f"{preset}: not a transfer function: {error} is missing") from error
    except (ValueError, TypeError, IndexError, AttributeError, RecursionError, SyntaxError) as error:
        raise PresetError(f"{preset}: not a transfer function ({error})") from error


def choose(*volumes: Volume, values: Values | None = None) -> TransferFunction | Foreign:
    """Return `gray` for what networks see, `signed` where negative values count, else `activation`.

    Parameters
    ----------
    *volumes : Volume
        One or more.
    values : Values, optional
        Their values, where they have been looked at before.

    Raises
    ------
    PresetError
        If no value is finite.
    """
    low, high = (values or Values.of(volumes)).percentiles((1.0, 99.0))
    if volumes[0].facts.get("quantity") == "input":
        return load("gray")
    return load("signed" if -low > NEGATIVE_SHARE * max(high, 0.0) else "activation")


def fitted_to(volumes: Sequence[Volume], function: TransferFunction | Foreign | None) -> Fitted:
    """Return a transfer function, fitted to all volumes together, which are taken one after another.

    Parameters
    ----------
    volumes : sequence of Volume
        What it is for.
    function : TransferFunction, Foreign or None
        None for what `choose` takes.

    Raises
    ------
    PresetError
        If no value is finite.
    """
    first, values = volumes[0], Values.of(volumes)
    return fit(function or choose(first, values=values), first, values=values)


def _files() -> Any:
    return resources.files(__package__) / "transfer_functions"


def _place(preset: Path) -> tuple[Path, str | None]:
    """Return the file, and what stands for one of its presets behind a ``#``."""
    text = str(preset)
    # files and presets may have the sign in their own names
    for place in (len(text), *(place for place, letter in enumerate(text) if letter == "#")):
        if Path(text[:place]).is_file():
            return Path(text[:place]), text[place + 1 :] or None
    return preset, None


def _parsed(name: str, text: str, wanted: str | None) -> TransferFunction | Foreign:
    lower = name.lower()
    if lower.endswith(".xml"):
        return foreign.color_map(text, wanted)
    document = None if lower.endswith(".vp") else json.loads(text)
    if isinstance(document, list):
        return foreign.paraview(document, wanted)
    if wanted is not None:
        raise PresetError(f"such a file holds one preset: it goes without #{wanted}")
    if document is None:
        return foreign.slicer_lines(name[: -len(".vp")], text)
    if "volumeProperties" in document or lower.endswith(".vp.json"):
        return foreign.slicer_json(Path(name).name.split(".")[0], document)
    return _own(document)


def _own(document: Mapping[str, Any]) -> TransferFunction:
    span = document["range"]
    values = span.get("values")
    percentiles = [0, 100] if values else span["percentiles"]
    function = TransferFunction(
        name=str(document["name"]),
        version=int(document["version"]),
        description=str(document["description"]),
        percentiles=(float(percentiles[0]), float(percentiles[1])),
        symmetric=bool(span.get("symmetric", False)),
        colors=tuple((float(x), float(r), float(g), float(b)) for x, r, g, b in document["colors"]),
        opacities=tuple((float(x), float(o)) for x, o in document["opacities"]),
        unit=float(document["unit"]),
        values=(float(values[0]), float(values[1])) if values else None,
        ranks=bool(span.get("ranks", False)),
        interpolate=bool(document.get("interpolate", True)),
    )
    _check("colors", function.colors)
    _check("opacities", function.opacities)
    _check_range(function)
    if not 0 < function.unit <= 1:
        raise PresetError(f"unit is a fraction of the volume, above 0 and at most 1, not {function.unit:g}")
    return function


def _check_range(function: TransferFunction) -> None:
    if not 0 <= function.percentiles[0] < function.percentiles[1] <= 100:
        raise PresetError(f"range: percentiles rise within 0..100, not {list(function.percentiles)}")
    if function.values and not -np.inf < function.values[0] < function.values[1] < np.inf:
        raise PresetError(f"range: values are two finite numbers that rise, not {list(function.values)}")
    if function.ranks and function.percentiles[0] != 0:
        raise PresetError("range: ranks begin at zero, so percentiles do too")
    if function.symmetric + function.ranks + (function.values is not None) > 1:
        raise PresetError("range: takes only one of symmetric, ranks and values")


def _check(what: str, points: Sequence[tuple[float, ...]]) -> None:
    table = np.array(points)
    if len(points) < 2 or not ((table >= 0) & (table <= 1)).all():
        raise PresetError(f"{what}: takes two points or more, with all numbers in 0..1")
    positions = table[:, 0]
    if positions[0] != 0 or positions[-1] != 1 or (np.diff(positions) < 0).any():
        raise PresetError(f"{what}: positions rise from 0 to 1, not {positions.tolist()}")
