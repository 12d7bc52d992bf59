"""Grids and values between pixels, which onnx 1.23's reference evaluator takes in float32."""

# The signatures of operators are onnx's, with an argument for each attribute.
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx.reference.op_run import OpRun


def operators() -> list[type[OpRun]]:
    """Return implementations that take the place of the evaluator's own."""
    from onnx.reference.op_run import OpRun

    class AffineGrid(OpRun):
        """The evaluator's own is of float32."""

        op_domain = ""

        def _run(self, theta, size, align_corners=0):
            axes = [
                np.linspace(-1, 1, n) if align_corners else (2 * np.arange(n) + 1) / n - 1 for n in size[2:]
            ]
            # a grid counts axes from the last
            places = np.meshgrid(*axes, indexing="ij")[::-1]
            points = np.stack([*places, np.ones_like(places[0])], axis=-1)
            return (np.einsum("nij,...j->n...i", theta, points.astype(theta.dtype)),)

    class DeformConv(OpRun):
        """The evaluator's own takes minutes, too."""

        op_domain = ""

        def _run(self, x, w, offset, bias=None, mask=None, **attributes):
            given = {name: value for name, value in attributes.items() if value is not None}
            y = deform_conv(x, w, offset, mask, **given)
            return (y if bias is None else y + bias.reshape(-1, 1, 1),)

    class GridSample(OpRun):
        """The evaluator's own also moves samples inside before it looks for their neighbours."""

        op_domain = ""

        def _run(self, x, grid, mode="linear", padding_mode="zeros", align_corners=0):
            positions = [
                (grid[..., -1 - i] + 1) / 2 * (n - 1)
                if align_corners
                else ((grid[..., -1 - i] + 1) * n - 1) / 2
                for i, n in enumerate(x.shape[2:])
            ]
            return (sampled(x, positions, mode.removeprefix("bi"), padding_mode, bool(align_corners)),)

    return [AffineGrid, DeformConv, GridSample]


def sampled(
    x: NDArray[Any],
    positions: Sequence[NDArray[Any]],
    mode: str = "linear",
    padding: str = "zeros",
    align: bool = False,
) -> NDArray[Any]:
    """Return values between pixels.

    Parameters
    ----------
    x : ndarray, shape (images, channels, *sizes)
    positions : sequence of ndarray, each of shape (images, *samples)
        In pixels, along each axis.
    mode, padding, align
        As in ONNX's GridSample.

    Returns
    -------
    ndarray, shape (images, channels, *samples)
    """
    axes = [
        _neighbours(at, size, mode, padding, align) for at, size in zip(positions, x.shape[2:], strict=True)
    ]
    images = np.arange(len(x)).reshape(-1, *[1] * (positions[0].ndim - 1))
    result = np.zeros((*positions[0].shape, x.shape[1]), x.dtype)
    for corner in itertools.product(*axes):
        weight = math.prod(weight for _, weight in corner)
        met: Any = (images, slice(None), *(place for place, _ in corner))
        result += x[met] * np.expand_dims(weight, -1)
    return np.moveaxis(result, -1, 1)


def _neighbours(
    at: NDArray[Any], size: int, mode: str, padding: str, align: bool
) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Return the pixels around positions on an axis, and their weights."""
    if mode == "nearest":
        found = [(np.rint(at).astype(int), np.ones_like(at))]
    else:
        first = np.floor(at)
        weigh, offsets = (_tent, (0, 1)) if mode == "linear" else (_cubic, (-1, 0, 1, 2))
        found = [(first.astype(int) + i, weigh(np.abs(at - first - i))) for i in offsets]
    if padding == "reflection":
        return [(_reflected(place, size, align), weight) for place, weight in found]
    inside = [np.clip(place, 0, size - 1) for place, _ in found]
    if padding == "border":
        return [(near, weight) for near, (_, weight) in zip(inside, found, strict=True)]
    return [(near, weight * (near == place)) for near, (place, weight) in zip(inside, found, strict=True)]


def _tent(distance: NDArray[Any]) -> NDArray[Any]:
    return 1 - distance


def _cubic(d: NDArray[Any], a: float = -0.75) -> NDArray[Any]:
    """R. Keys, IEEE Trans. ASSP 29 (1981) 1153, eq. 8, with torch's a."""
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    return np.asarray(np.where(d <= 1, near, a * (d**3 - 5 * d**2 + 8 * d - 4)))


def _reflected(place: NDArray[Any], size: int, align: bool) -> NDArray[Any]:
    period = max(2 * (size - 1) if align else 2 * size, 1)
    here = place % period
    return np.asarray(np.minimum(here, period - here - (not align)))


def deform_conv(
    x: NDArray[Any],
    w: NDArray[Any],
    offset: NDArray[Any],
    mask: NDArray[Any] | None,
    *,
    strides: Sequence[int] = (1, 1),
    dilations: Sequence[int] = (1, 1),
    pads: Sequence[int] = (0, 0, 0, 0),
    group: int = 1,
    offset_group: int = 1,
    kernel_shape: Sequence[int] | None = None,
) -> NDArray[Any]:
    """Return a deformable convolution of pictures, without bias.

    Parameters
    ----------
    x : ndarray, shape (images, channels, height, width)
    w : ndarray, shape (channels of the result, channels / group, *kernel)
    offset, mask, strides, dilations, pads, group, offset_group, kernel_shape
        As in ONNX's DeformConv.
    """
    images, places = len(x), offset.shape[2:]
    kernel = w.shape[2:]
    moved = offset.reshape(images, offset_group, *kernel, 2, *places)
    shares = np.ones((1, 1, 1, 1, 1, 1)) if mask is None else mask.reshape(images, -1, *kernel, *places)
    rows = np.arange(kernel[0]).reshape(-1, 1, 1, 1) * dilations[0] - pads[0]
    rows = rows + np.arange(places[0]).reshape(-1, 1) * strides[0]
    columns = np.arange(kernel[1]).reshape(-1, 1, 1) * dilations[1] - pads[1]
    columns = columns + np.arange(places[1]) * strides[1]
    parts = [
        sampled(part, [rows + moved[:, i, :, :, 0], columns + moved[:, i, :, :, 1]])
        * shares[:, min(i, shares.shape[1] - 1), np.newaxis]
        for i, part in enumerate(np.split(x, offset_group, axis=1))
    ]
    met = np.concatenate(parts, axis=1).reshape(images, group, -1, *kernel, *places)
    result = np.einsum("ngcabij,gocab->ngoij", met, w.reshape(group, -1, *w.shape[1:]))
    return np.asarray(result.reshape(images, -1, *places))
