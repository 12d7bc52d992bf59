"""Random numbers that are away from zero, where many operators have kinks."""

from __future__ import annotations

import numpy as np


def values(*shape: int, seed: int = 0) -> np.ndarray:
    """Return float32 numbers of either sign, none of them small."""
    rng = np.random.default_rng([seed, *shape])
    return (rng.uniform(0.2, 1.5, shape) * rng.choice([-1, 1], shape)).astype(np.float32)


def positive(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).uniform(0.5, 2, shape).astype(np.float32)


def whole(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def indices(size: int, *shape: int, seed: int = 0) -> np.ndarray:
    """Return indices into an axis, some of them from the end."""
    return np.random.default_rng([seed, *shape]).integers(-size, size, shape)
