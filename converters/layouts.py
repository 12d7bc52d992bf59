"""From the output of a layer for one image to volumes: how channels and positions become axes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import VolumeError
from .volume import Volume


def near_square(count: int) -> tuple[int, int]:
    """Return the rows and columns of the most nearly square grid for `count` tiles.

    A grid without empty places is taken if it is at most twice as wide as high: 96 tiles are 8 x 12, 97 are
    10 x 10.
    """
    rows = next(r for r in range(math.isqrt(count), 0, -1) if count % r == 0)
    if count <= 2 * rows * rows:
        return rows, count // rows
    columns = math.ceil(math.sqrt(count))
    return math.ceil(count / columns), columns


def lay_out(values: NDArray[Any], layout: str = "stack") -> list[Volume]:
    """Lay a layer's output for one image out as volumes.

    Parameters
    ----------
    values : ndarray
        The output without its batch axis. Shape (channel, y, x) for feature maps; (channel, z, y, x) for
        those of 3-D networks; (feature,) becomes a near-square plane, row by row, filled up with zeros;
        (row, column) becomes a plane; of more than four axes, the leading ones count as channels together.
    layout : {"stack", "mosaic", "channels", "norm"}
        ``stack``: feature maps are the slices of one volume, 3-D ones the frames of a 4-D volume. ``mosaic``:
        tiles of a near-square grid in one plane, or in one volume for 3-D maps. ``channels``: one volume for
        each channel. ``norm``: the root of the sum of squares over the channels, at each place.

    Returns
    -------
    list of Volume
        With unit spacing; `labels` are channel numbers, ``facts["layout"]`` tells what was done.

    Raises
    ------
    VolumeError
        If the layout is unknown or the output is empty.
    """
    if layout not in LAYOUTS:
        raise VolumeError(f"unknown layout {layout!r}: choose one of {', '.join(LAYOUTS)}")
    if values.size == 0:
        raise VolumeError(f"the output is empty: shape {values.shape}")
    if values.ndim < 3:
        return [_plane(values)]
    if values.ndim > 4:
        values = values.reshape(-1, *values.shape[-3:])
    return LAYOUTS[layout](values)


def lay_out_kernels(values: NDArray[Any], layout: str = "stack") -> list[Volume]:
    """Lay a layer's parameter out as volumes.

    Parameters
    ----------
    values : ndarray
        Shape (output, input, y, x) or (output, input, z, y, x) for filters; of fewer axes, a plane or sheet.
    layout : {"stack", "mosaic", "channels", "norm"}
        ``stack``: all kernels are slices (3-D ones frames) of one volume, labelled ``output,input``, those of
        one output together. ``mosaic``: tiles of one plane, a row an output and a column an input, or in a
        near-square grid where there is but one of either.
        ``channels``: one volume for each output, a slice an input. ``norm``: a slice (a frame) an output, the
        root of the sum of squares over its inputs. Kernels of one value are no slices: their stack is a
        plane, a row an output and a column an input, and their norms a sheet.

    Returns
    -------
    list of Volume
        With unit spacing; ``facts["layout"]`` tells what was done, and what lies along x, y, z (and frames).

    Raises
    ------
    VolumeError
        If the layout is unknown or there are no values.
    """
    if values.ndim < 4 or values.size == 0 or layout not in LAYOUTS:
        return lay_out(values, layout)
    outputs, inputs = values.shape[:2]
    if layout in _OF_SINGLE_VALUES and math.prod(values.shape[2:]) == 1:
        return _OF_SINGLE_VALUES[layout](values.reshape(outputs, inputs))
    kernels = values.reshape(outputs * inputs, *values.shape[2:])
    within = [f"kernel {axis}" for axis in "xyz"[: values.ndim - 2]]
    if layout == "mosaic":
        if min(outputs, inputs) == 1:
            return _with_axes(_mosaic(kernels), [f"output,input; {axis}" for axis in within[:2]] + within[2:])
        tiles = _mosaic(kernels, (outputs, inputs))
        return _with_axes(tiles, ["input, kernel x", "output, kernel y", *within[2:]])
    if layout == "channels":
        return _with_axes(_channels(values), [*within, "input"])
    if layout == "norm":
        return _with_axes(_stack(_norms(values, 1)), [*within, "output"])
    labels = tuple(f"{o},{i}" for o in range(outputs) for i in range(inputs))
    stack = [volume.replace(labels=labels) for volume in _stack(kernels)]
    return _with_axes(stack, [*within, "output,input"])


# What stacks and norms of kernels of one value are: shape (outputs, inputs).
_OF_SINGLE_VALUES: dict[str, Callable[[NDArray[Any]], list[Volume]]] = {
    "stack": lambda values: _with_axes([_plane(values)], ["input", "output"]),
    "norm": lambda values: [_plane(_norms(values, 1))],
}


def _with_axes(volumes: list[Volume], axes: list[str]) -> list[Volume]:
    """Return volumes that say what lies along their axes, x first."""
    return [
        volume.replace(facts={**volume.facts, "layout": {**volume.facts["layout"], "axes": axes}})
        for volume in volumes
    ]


def _norms(values: NDArray[Any], axis: int) -> NDArray[np.float32]:
    """Return the root of the sum of squares along an axis, summed in float64."""
    squares: NDArray[np.float64] = np.sum(np.square(values, dtype=np.float64), axis=axis)
    return np.sqrt(squares).astype(np.float32)


def _plane(values: NDArray[Any]) -> Volume:
    if values.ndim == 2:
        return Volume(values[np.newaxis], facts={"layout": {"kind": "plane"}})
    flat = values.reshape(-1)
    rows, columns = near_square(flat.size)
    sheet = np.zeros((1, rows, columns), np.float32)
    sheet.reshape(-1)[: flat.size] = flat
    return Volume(sheet, facts={"layout": {"kind": "sheet", "features": flat.size, "columns": columns}})


def _stack(maps: NDArray[Any]) -> list[Volume]:
    return [Volume(maps, facts={"layout": {"kind": "stack"}})]


def _mosaic(maps: NDArray[Any], grid: tuple[int, int] | None = None) -> list[Volume]:
    rows, columns = grid or near_square(len(maps))
    *depth, height, width = maps.shape[1:]
    tiles = np.zeros((rows * columns, *maps.shape[1:]), np.float32)
    tiles[: len(maps)] = maps
    tiled = np.moveaxis(tiles.reshape(rows, columns, *depth, height, width), (0, 1), (-4, -2))
    plane = tiled.reshape(*(depth or [1]), rows * height, columns * width)
    layout = {"kind": "mosaic", "channels": len(maps), "columns": columns, "tile": [height, width]}
    return [Volume(plane, facts={"layout": layout})]


def _channels(maps: NDArray[Any]) -> list[Volume]:
    planes = maps if maps.ndim >= 4 else maps[:, np.newaxis]
    return [
        Volume(
            plane,
            labels=(str(channel),) if len(plane) == 1 else (),
            facts={"layout": {"kind": "channels", "channel": channel}},
        )
        for channel, plane in enumerate(planes)
    ]


def _norm(maps: NDArray[Any]) -> list[Volume]:
    norms = _norms(maps, 0)
    whole = norms if norms.ndim == 3 else norms[np.newaxis]
    return [Volume(whole, facts={"layout": {"kind": "norm", "channels": len(maps)}})]


LAYOUTS: dict[str, Callable[[NDArray[Any]], list[Volume]]] = {
    "stack": _stack,
    "mosaic": _mosaic,
    "channels": _channels,
    "norm": _norm,
}
