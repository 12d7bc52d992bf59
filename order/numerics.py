"""Numerical libraries, on one thread."""

from __future__ import annotations

from contextlib import AbstractContextManager

import numpy as np
from numpy.typing import NDArray


def one_thread() -> AbstractContextManager[object]:
    """Return a context in which the OpenMP and BLAS libraries that are loaded use one thread.

    So sums are the same on every run; and on a busy machine, threads that wait for each other were measured
    to take up to a hundred times as long as one thread, with matrices of a few hundred maps.
    """
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(1)
    return limits


def eigenvector(symmetric: NDArray[np.float64], number: int) -> NDArray[np.float64]:
    """Return an eigenvector of a symmetric matrix, by the place of its eigenvalue from the least on."""
    # it has a BLAS of its own
    from scipy.linalg import eigh

    with one_thread():
        vector: NDArray[np.float64] = eigh(symmetric, subset_by_index=[number, number])[1][:, 0]
    return vector
