"""Volumes that several tests look at."""

from __future__ import annotations

import numpy as np

from converters import Volume


def ramp() -> Volume:
    """0 .. 384 over 5 x 7 x 11 voxels, x fastest."""
    return Volume(np.arange(385).reshape(5, 7, 11), spacing=(2, 3, 4), origin=(10, -20, 30), name="ramp")


def block(level: float = 1.0) -> Volume:
    """Zero but for `level` in a block at slice 0, row 0, column 0."""
    data = np.zeros((20, 30, 40), np.float32)
    data[:6, :8, :10] = level
    return Volume(data, spacing=(1, 1.5, 2), origin=(5, 6, 7), name="block")
