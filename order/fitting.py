"""Fitting an order to the maps of one image or of several."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.volume import Volume

from . import distances
from .criteria import measure
from .errors import OrderError
from .maps import Layer, Maps, comparable
from .methods import Found, Method, find
from .numerics import one_thread
from .ordering import Ordering
from .settings import is_whole

_TRIPLES = 1024
_LARGEST_SEED = (1 << 32) - 1


def by(
    method: str,
    volumes: Volume | Sequence[Volume],
    *,
    distance: str = "correlation",
    **parameters: object,
) -> Ordering:
    """Order the slices of a volume, or those of all volumes of a layer together.

    Parameters
    ----------
    method : str
        A key of `METHODS`.
    volumes : Volume or sequence of Volume
        Slices along z are ordered; of 4-D volumes, frames. Of several, one an image, distances are averaged;
        they are read one after another, several times. Blank slices that `separate` put in do not count.
    distance : str
        A key of `distances.DISTANCES`: by what maps are compared.
    **parameters
        Settings of the method.

    Returns
    -------
    Ordering
        To be applied to these volumes or to any other one of the same layer. Maps that are constant or not
        finite are last, in channel order, where a method looks at what maps show. The more typical end is
        the first: the same input gives the same order.

    Raises
    ------
    OrderError
        If the method or a setting is unknown, a setting is out of its range, or the volumes do not have
        the same number of slices.
    """
    chosen = find(method)
    distances.find(distance)
    settings = bound(method, parameters)
    layer = Layer([volumes] if isinstance(volumes, Volume) else volumes)
    with one_thread():
        return _fitted(method, chosen, settings, layer, distance)


def _fitted(method: str, chosen: Method, settings: dict[str, Any], layer: Layer, distance: str) -> Ordering:
    count = len(layer[0].data)
    maps: Maps | None = None
    if chosen.by_likeness:
        maps, apart = comparable(layer, distance)
        groups = [maps.chosen[group] for group in _oriented(chosen.function(maps, **settings), maps)]
        groups = [group for group in (*groups, apart) if len(group)]
    else:
        groups = [np.asarray(chosen.function(Maps(layer, np.arange(count), distance), **settings))]
        if count <= distances.LARGEST:
            maps = comparable(layer, distance)[0]
    permutation = np.concatenate(groups)
    return Ordering(
        permutation,
        method,
        settings,
        distance,
        {} if maps is None else criteria_of(permutation, maps),
        [len(group) for group in groups] if chosen.makes_groups else (),
        len(layer),
        _versions(),
    )


def criteria_of(permutation: NDArray[np.intp], maps: Maps, all_of_them: bool = False) -> dict[str, float]:
    """Return how good an order of all slices is for those maps among them that can be compared.

    Counting anti-Robinson events takes seconds for thousands of maps: above 1,024 of them, those criteria are
    left out unless `all_of_them` are asked for.
    """
    order = maps.order_of(permutation)
    triples = all_of_them or len(order) <= _TRIPLES
    return measure(maps.distances[np.ix_(order, order)], maps.adjacent_correlations(order), triples)


def _oriented(found: Found, maps: Maps) -> list[NDArray[np.intp]]:
    """Return what a method found as groups, in that direction in which the more typical half comes first."""
    if isinstance(found, list):
        return found if distances.starts_typical(maps.distances, found) else found[::-1]
    forward = distances.starts_typical(maps.distances, found[:, np.newaxis])
    return [found if forward else found[::-1]]


def bound(method: str, parameters: Mapping[str, object]) -> dict[str, Any]:
    """Return all settings of a method as JSON holds them, those included that were not given.

    Raises
    ------
    OrderError
        If the method or a setting is unknown, one that it needs is missing, or the seed is out of its range.
    """
    _, *known = inspect.signature(find(method).function).parameters.values()
    names = [parameter.name for parameter in known]
    for name in parameters:
        if name not in names:
            raise OrderError(
                f"ordering method {method!r} has no setting {name!r}; it has {', '.join(names) or 'none'}"
            )
    settings = {
        parameter.name: _plain(parameters.get(parameter.name, parameter.default)) for parameter in known
    }
    for name, value in settings.items():
        if value is inspect.Parameter.empty:
            raise OrderError(f"ordering method {method!r} needs its setting {name!r}")
    seed = settings.get("seed", 0)
    if not (is_whole(seed) and 0 <= seed <= _LARGEST_SEED):
        raise OrderError(
            f"ordering method {method!r}: seed takes a whole number from 0 to {_LARGEST_SEED}, not {seed!r}"
        )
    return settings


def _plain(value: Any) -> Any:
    """Return numbers and arrays of numpy as Python's own, also those in lists."""
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("cnn-vis", "numpy", "scipy", "scikit-learn")}
