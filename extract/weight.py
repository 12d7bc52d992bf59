"""Weights that lie outside a graph: known by shape, read when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Weight:
    """A float32 array that is there when somebody asks for it.

    Parameters
    ----------
    shape : tuple of int
        Its shape.
    read : callable
        Returns it: contiguous, float32, of that shape, the same at every call.
    """

    shape: tuple[int, ...]
    read: Callable[[], NDArray[Any]]
