"""Targets on the way back: how fast they change with each value of the tensors that hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .targets import Target


def cotangents(
    targets: Sequence[Target], values: Mapping[str, NDArray[Any]], factors: NDArray[Any]
) -> dict[str, NDArray[np.float32]]:
    """Return the gradients of a weighted sum of targets, as `with_objective` and its gradient would.

    Values that tie for a maximum share its gradient evenly, as in torch.amax.

    Parameters
    ----------
    targets : sequence of Target
        What is summed.
    values : mapping of str to ndarray
        The tensors that hold them, the batch axis first.
    factors : ndarray
        A factor for each image, shape (N,).

    Returns
    -------
    dict of str to ndarray of float32
        One entry a tensor, shaped like it.
    """
    found: dict[str, NDArray[np.float32]] = {}
    for target in targets:
        value = values[target.tensor]
        place: tuple[slice | int, ...] = (slice(None), *(target.index or ()))
        rows = value[place].reshape(len(value), -1)
        slope = np.zeros(value.shape, np.float32)
        weights = np.float32(target.weight) * factors[:, np.newaxis] * _shares(target, rows)
        slope[place] = weights.reshape(value[place].shape)
        found[target.tensor] = found[target.tensor] + slope if target.tensor in found else slope
    return found


def _shares(target: Target, rows: NDArray[Any]) -> NDArray[Any]:
    """Return the gradients of a target of weight 1 with respect to the values that it looks at."""
    if target.index is not None and target.how == "mean":
        return np.full(rows.shape, 1 / rows.shape[1], np.float32)
    largest = rows == rows.max(axis=1, keepdims=True)
    return np.asarray(largest / largest.sum(axis=1, keepdims=True), np.float32)
